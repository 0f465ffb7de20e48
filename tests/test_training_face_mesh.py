"""Outlines of eyes and lips: found on faces, moved with them, and where training looks."""

from contextlib import closing

import cv2
import numpy as np
import pytest
import torch

from gpen_webui.training.face_mesh import OutlineFinder
from gpen_webui.training.parts import Parts
from gpen_webui.training.samples import Samples
from tests.server import ASTRONAUT

# Where the astronaut's features lie on the part of the photo below, in parts of its side; read
# off the picture.
CORNER, SIDE = (2, 102), 210
EYES = ((0.48, 0.47), (0.69, 0.48))


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """(256,256,3) uint8 RGB, roughly aligned."""
    photo = cv2.cvtColor(cv2.imread(str(ASTRONAUT)), cv2.COLOR_BGR2RGB)
    top, left = CORNER
    return cv2.resize(photo[top : top + SIDE, left : left + SIDE], (256, 256))


@pytest.fixture(scope="module")
def outlines(face):
    return OutlineFinder().outlines(face)


def test_eyes_are_found_where_they_are_and_lips_below_them(outlines):
    for eye, place in zip(outlines.eyes, EYES, strict=True):
        assert eye.mean(axis=0) / 256 == pytest.approx(place, abs=0.03)
        assert 0.05 < np.ptp(eye[:, 0]) / 256 < 0.2
    assert outlines.lips[:, 1].min() > max(eye[:, 1].max() for eye in outlines.eyes) + 20


def test_nothing_is_found_where_there_is_no_face():
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)
    assert OutlineFinder().outlines(noise) is None


def test_eyes_are_drawn_whole_and_lips_half_and_cheeks_not_at_all(outlines):
    mask = outlines.drawn(256)
    assert mask.shape == (256, 256)
    for eye in outlines.eyes:
        x, y = np.rint(eye.mean(axis=0)).astype(int)
        assert mask[y, x] > 0.9
    x, y = np.rint(outlines.lips.mean(axis=0)).astype(int)
    assert 0.4 < mask[y, x] < 0.6
    assert mask[round(0.6 * 256), round(0.36 * 256)] < 0.05
    assert mask.mean() < 0.1


def test_outlines_follow_the_face_that_samples_turn_shift_and_mirror(face, tmp_path):
    cv2.imwrite(str(tmp_path / "0001.png"), face[:, :, ::-1])
    mesh, found = OutlineFinder(), 0
    with closing(Samples([tmp_path / "0001.png"], 256, 8, seed=3)) as samples:
        for step in range(2):
            batch = samples.batch(step)
            assert batch.features.shape == (8, 1, 256, 256)
            for truth, drawn in zip(batch.truths, batch.features[:, 0].numpy(), strict=True):
                levels = ((truth.permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.uint8)
                seen = mesh.outlines(np.ascontiguousarray(levels))
                if seen is None:  # too dark, or behind a hand
                    continue
                found += 1
                again = seen.drawn(256)
                assert (again * drawn).sum() > 0.6 * (again**2).sum()
    assert found > 8


def test_half_of_the_parts_lie_around_features_and_all_within_the_face():
    features = torch.zeros(400, 1, 64, 64)
    features[:, :, 20:24, 40:44] = 1
    parts = Parts(np.random.default_rng(0), features, 16)
    squares = parts.of(features)
    assert squares.shape == (400, 1, 16, 16)
    whole = (squares.sum(dim=(1, 2, 3)) == 16).float().mean()
    assert 0.45 < whole < 0.75
    nowhere = Parts(np.random.default_rng(0), torch.zeros(4, 1, 64, 64), 16)
    assert nowhere.of(torch.ones(4, 3, 64, 64)).shape == (4, 3, 16, 16)
