"""What is laid around a face in training: seeded, in levels, never over the features."""

import numpy as np
import pytest

from gpen_webui.training.clutter import FACE_CENTRE, FACE_RADIUS, clutter


@pytest.fixture
def face():
    return np.random.default_rng(1).uniform(80, 160, (128, 128, 3)).astype(np.float32)


def test_the_same_seed_lays_the_same_clutter_and_leaves_the_face_given_as_it_was(face):
    before = face.copy()
    once, again = (clutter(face, np.random.default_rng(5)) for _ in range(2))
    other = clutter(face, np.random.default_rng(6))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)
    assert np.array_equal(face, before)


def test_clutter_covers_surroundings_in_levels_and_keeps_clear_of_the_features(face):
    y, x = np.mgrid[:128, :128] / 128
    features = np.hypot(x - FACE_CENTRE[0], y - FACE_CENTRE[1]) < FACE_RADIUS - 0.05
    changed = np.zeros((128, 128), bool)
    for seed in range(20):
        result = clutter(face, np.random.default_rng(seed))
        assert result.dtype == np.float32
        assert result.min() >= 0
        assert result.max() <= 255
        changed |= (result != face).any(axis=2)
    assert not changed[features].any()
    assert changed[~features].mean() > 0.5
