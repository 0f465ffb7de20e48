"""What the losses want: the true edge or none, and the true colours, for every face alike."""

import pytest
import torch
import torch.nn.functional as F

from gpen_webui.training.losses import colour_loss, edge_loss, pixel_loss


@pytest.fixture
def truth() -> torch.Tensor:
    """A dark and a light half."""
    face = torch.full((1, 3, 64, 64), -0.5)
    face[..., 32:] = 0.5
    return face


def blurred(face: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(F.pad(face, (4, 4, 4, 4), mode="replicate"), 9, stride=1)


def test_a_soft_edge_is_better_than_an_outline_beside_the_true_one(truth):
    soft = edge_loss(blurred(truth), truth)
    outlined = truth.clone()
    outlined[..., 22] -= 0.6
    assert edge_loss(truth, truth) == 0
    outlined[..., 36] += 0.6
    assert edge_loss(outlined, truth) > soft > 0


def test_a_ruined_face_pulls_no_harder_than_a_nearly_good_one(truth):
    forces = []
    for error in (0.05, 0.5):
        result = (truth + error).requires_grad_()
        pixel_loss(result, truth).backward()
        forces.append(result.grad.norm().item())
    assert forces[1] == pytest.approx(forces[0], rel=0.05)


def test_a_tint_costs_more_than_noise_of_the_same_size(truth):
    noise = 0.1 * torch.sign(torch.randn(truth.shape, generator=torch.Generator().manual_seed(0)))
    assert colour_loss(truth + 0.1, truth) > colour_loss(truth + noise, truth) + 0.5
