"""Everyday light, hats and hands: seeded, in levels, and the features stay to be seen."""

from contextlib import closing

import cv2
import numpy as np
import pytest

from gpen_webui.training.clutter import hold_hand_to, put_on_hat
from gpen_webui.training.light import DARKEST_SHADOW, relight
from gpen_webui.training.samples import Samples

EYES, MOUTH = slice(52, 66), slice(90, 98)  # rows of an aligned face of 128 px


@pytest.fixture
def face():
    return np.random.default_rng(1).uniform(80, 160, (128, 128, 3)).astype(np.float32)


@pytest.mark.parametrize("change", [relight, put_on_hat, hold_hand_to])
def test_the_same_seed_changes_a_face_alike_and_leaves_the_one_given_as_it_was(face, change):
    before = face.copy()
    once, again, other = (change(face, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)
    assert np.array_equal(face, before)
    assert (once.shape, once.dtype) == (face.shape, np.float32)
    assert once.min() >= 0
    assert once.max() <= 255


def test_light_falls_from_all_sides_in_colours_and_keeps_every_detail():
    grey = np.full((64, 64, 3), 128, np.float32)
    lit = [relight(grey, np.random.default_rng(seed)) for seed in range(60)]
    slopes = np.array([picture[:, 48:].mean() - picture[:, :16].mean() for picture in lit])
    assert (slopes > 10).sum() > 5
    assert (slopes < -10).sum() > 5
    tinted = [np.ptp(picture, axis=2).max() > 8 for picture in lit]
    assert 5 < sum(tinted) < 50
    darkest = min(picture.min() for picture in lit)
    assert darkest > 128 * (DARKEST_SHADOW * 0.4 * 0.5) ** (1 / 2.2) * 0.7


def test_a_hat_covers_the_top_and_stays_above_the_eyes(face):
    for seed in range(20):
        hat = put_on_hat(face, np.random.default_rng(seed))
        assert np.abs(hat[:20, 30:98] - face[:20, 30:98]).mean() > 5
        # Below the brim there is at most its shadow: texture stays in its place.
        ratio = hat[EYES, 40:88] / face[EYES, 40:88]
        assert ratio.min() > 0.35
        assert ratio.max() < 1.05


def test_fingers_leave_eyes_and_mouth_free_and_cover_something(face):
    for seed in range(30):
        held = hold_hand_to(face, np.random.default_rng(seed))
        assert np.abs(held - face).max() > 10
        assert np.abs(held[EYES] - face[EYES]).mean() < 1
        assert np.abs(held[MOUTH, 54:74] - face[MOUTH, 54:74]).mean() < 8


def test_black_that_rounding_made_a_little_less_than_black_stays_black():
    black = np.full((32, 32, 3), -1e-5, np.float32)
    for seed in range(5):
        assert relight(black, np.random.default_rng(seed)).max() == 0


def test_samples_of_a_black_and_white_face_are_numbers_within_range(tmp_path):
    face = np.where(np.indices((64, 64)).sum(axis=0)[..., None] // 8 % 2, 255, 0).repeat(3, axis=2)
    cv2.imwrite(str(tmp_path / "0001.png"), face)
    with closing(Samples([tmp_path / "0001.png"], 32, 64, seed=1)) as samples:
        for step in range(4):
            for part in samples.batch(step):
                assert part.min() >= -1
                assert part.max() <= 1
