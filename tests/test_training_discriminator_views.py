"""What the discriminator sees: the same of results and truths, changed as often as it needs."""

import numpy as np
import pytest
import torch

from gpen_webui.gpen.network import NetworkConfig
from gpen_webui.training.adversary import Adversary
from gpen_webui.training.discriminator_views import MOST, PART, Augmentation, Views
from gpen_webui.training.precision import Precision

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return torch.rand(6, 3, 160, 160, generator=torch.Generator().manual_seed(1)) * 2 - 1


def views(share: float, seed: int = 0) -> Views:
    return Views(np.random.default_rng(seed), torch.zeros(6, 1, 160, 160), share)


def test_results_and_truths_are_changed_alike(faces):
    seen = views(0.8)
    once, again = seen.of(faces), seen.of(faces.clone())
    assert once.shape == (6, 1, PART, PART)
    assert torch.equal(once, again)
    assert torch.equal(seen.of(faces), views(0.8).of(faces))


def test_a_share_of_none_shows_faces_as_they_are_and_a_larger_one_changes_more(faces):
    plain = views(0).of(faces)

    def changed(share: float) -> int:
        return sum(
            int(((views(share, seed).of(faces) - views(0, seed).of(faces)).abs() > 0.05).any())
            for seed in range(6)
        )

    assert (plain.mean(dim=(1, 2, 3)).abs() < 0.01).all()
    assert changed(0) == 0
    assert changed(0.8) == 6


def test_shading_and_colour_are_not_shown(faces):
    ramp = torch.linspace(-1, 1, 160).expand(6, 3, 160, 160)
    inner = (..., slice(10, -10), slice(10, -10))
    assert views(0).of(ramp)[inner].abs().max() < 1e-3
    tinted = faces + torch.tensor((0.1, 0.0, -0.1)).view(1, 3, 1, 1)
    assert torch.allclose(views(0).of(tinted), views(0).of(faces), atol=1e-5)


def test_faces_are_changed_more_while_they_are_known_by_heart_and_less_afterwards():
    augmentation = Augmentation()
    for _ in range(10):
        augmentation.adapt(trained=2.0, held_out=0.5)
    raised = augmentation.share
    assert raised > 0.1
    for _ in range(5):
        augmentation.adapt(trained=2.0, held_out=1.9)
    assert 0 < augmentation.share < raised
    for _ in range(1000):
        augmentation.adapt(trained=2.0, held_out=-1.0)
    assert augmentation.share == MOST
    for _ in range(1000):  # it cannot tell anybody's truth: nothing is known by heart
        augmentation.adapt(trained=-0.1, held_out=-0.2)
    assert augmentation.share == 0


def test_the_share_is_kept_with_the_discriminator():
    config, precision = NetworkConfig(32, 1, 0.0625), Precision.best_for(CPU)
    first, second = (Adversary(config, 0, CPU, precision) for _ in range(2))
    first.augmentation.share = 0.25
    second.load_state_dict(first.state_dict())
    assert second.augmentation.share == 0.25
