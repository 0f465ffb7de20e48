"""What the losses want: no lines or halos, the true colours, good faces left as they are."""

import pytest
import torch
import torch.nn.functional as F

from gpen_webui.training.losses import (
    colour_loss,
    halo_loss,
    outline_loss,
    pixel_loss,
    texture_share,
)


@pytest.fixture
def truth() -> torch.Tensor:
    """A dark and a light half."""
    face = torch.full((1, 3, 64, 64), -0.5)
    face[..., 32:] = 0.5
    return face


def test_a_line_in_a_smooth_background_costs_and_texture_beside_its_place_does_not(truth):
    outlined = truth.clone()
    outlined[..., 22] -= 0.2  # ten pixels beside the edge
    assert outline_loss(outlined, truth) > 0
    assert outline_loss(truth, truth) == 0
    texture = 0.1 * torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    beside = outline_loss(truth + texture.roll(1, dims=-1), truth + texture)
    assert beside < 0.1 * outline_loss(truth + texture, truth)


def test_a_contour_drawn_too_hard_costs_and_a_soft_one_or_texture_does_not(truth):
    soft = F.avg_pool2d(F.pad(truth, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    overshooting = truth + 0.4 * (truth - soft)
    texture = 0.1 * torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    beside = halo_loss(truth + texture.roll(1, dims=-1), truth + texture)
    assert halo_loss(truth, truth) == halo_loss(soft, truth) == 0
    assert halo_loss(overshooting, truth) > 10 * beside


NO_FEATURES = torch.zeros(1, 1, 64, 64)


def force(truth: torch.Tensor, error: float) -> float:
    """How hard the pixel term pulls at a face that is `error` off everywhere."""
    result = (truth + error).requires_grad_()
    pixel_loss(result, truth, NO_FEATURES).backward()
    return result.grad.norm().item()


def test_the_better_a_face_the_harder_its_pixels_are_kept(truth):
    assert force(truth, 0.05) == pytest.approx(16 * force(truth, 0.2), rel=0.05)


def test_faces_count_more_than_their_surroundings_and_eyes_most(truth):
    def loss_of_error_at(row: int, column: int) -> float:
        result = truth.clone()
        result[..., row : row + 3, column : column + 3] += 0.5
        return pixel_loss(result, truth, features).item()

    features = NO_FEATURES.clone()
    features[..., 30:33, 24:27] = 1  # an eye
    background, cheek, eye = (loss_of_error_at(*at) for at in ((2, 2), (36, 24), (30, 24)))
    assert eye > 1.2 * cheek > 1.5 * 1.2 * background


def test_a_face_that_is_right_does_not_outweigh_all_others(truth):
    assert force(truth, 1e-3) < 4 * force(truth, 0.08)


def test_the_better_a_face_the_less_texture_is_drawn_on_it(truth):
    worse = torch.cat([truth + error for error in (0.0, 0.02, 0.04, 0.08, 0.2)])
    shares = texture_share(worse, truth.expand_as(worse)).tolist()
    assert shares[0] == 0 < shares[1] < shares[2] < 0.2
    assert shares[3:] == [1, 1]


def test_a_tint_costs_more_than_noise_of_the_same_size(truth):
    noise = 0.1 * torch.sign(torch.randn(truth.shape, generator=torch.Generator().manual_seed(0)))
    assert colour_loss(truth + 0.1, truth) > colour_loss(truth + noise, truth) + 0.5
