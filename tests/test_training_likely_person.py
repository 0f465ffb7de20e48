"""Whose face is asked for where damage hides who it is."""

from contextlib import closing

import cv2
import pytest
import torch

from gpen_webui.training import likely_person
from gpen_webui.training.identity import FaceRecogniser
from gpen_webui.training.likely_person import person_to_ask_for, taught_recogniser
from gpen_webui.training.samples import Samples
from tests.extras import needs_extras
from tests.server import ASTRONAUT


def numbers(distance: float) -> torch.Tensor:
    """What a recogniser sees at this distance from 0."""
    seen = torch.zeros(1, 128)
    seen[0, 0] = distance
    return seen


def test_the_true_person_is_asked_for_where_it_can_be_seen_and_else_the_likely_one():
    true, likely = numbers(0.0), numbers(1.0)
    assert torch.equal(person_to_ask_for(numbers(0.05), true, likely), true)
    assert torch.equal(person_to_ask_for(numbers(0.6), true, likely), likely)
    between = person_to_ask_for(numbers(0.2), true, likely)
    assert 0 < between[0, 0] < 1


@pytest.fixture
def samples(tmp_path):
    """The same person each time; what is learned is to see through the damage."""
    picture = cv2.imread(str(ASTRONAUT))
    files = []
    for number in range(6):
        file = tmp_path / f"{number}.png"
        left = 110 + 5 * number
        cv2.imwrite(str(file), cv2.resize(picture[20:240, left : left + 220], (160, 160)))
        files.append(file)
    with closing(Samples(files, 128, batch=4, seed=1)) as samples:
        yield samples


@needs_extras
# In bfloat16, in which the training's own steps are made, it fails wherever it fails without.
@pytest.mark.parametrize("bfloat16", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_taught_recogniser_comes_closer_to_the_true_person_of_a_damaged_face(
    samples, monkeypatch, bfloat16
):
    monkeypatch.setattr(likely_person, "STEPS", 40)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        taught = taught_recogniser(samples, torch.device("cpu"))
    exact = FaceRecogniser()
    pairs = map(samples.batch, range(900, 904))
    inputs, truths, _ = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    with torch.inference_mode():
        true = exact(truths)
        before = (exact(inputs) - true).square().sum(dim=1).mean()
        after = (taught(inputs) - true).square().sum(dim=1).mean()
    assert after < 0.8 * before
    assert not any(parameter.requires_grad for parameter in taught.parameters())
