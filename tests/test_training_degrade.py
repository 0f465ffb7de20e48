"""The degradation model: seeded, and each effect does what its name says."""

import numpy as np
import pytest

from gpen_webui.training import degrade as d
from tests.training_kit import detail, rng


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean())


def test_the_same_seed_gives_the_same_damage_and_another_seed_other_damage(face):
    assert np.array_equal(d.degrade(face, rng(3)), d.degrade(face, rng(3)))
    assert not np.array_equal(d.degrade(face, rng(3)), d.degrade(face, rng(4)))


def test_damage_keeps_shape_and_range_and_ranges_from_none_to_heavy(face):
    damaged = [d.degrade(face, rng(seed)) for seed in range(120)]
    for picture in damaged:
        assert (picture.shape, picture.dtype) == (face.shape, np.float32)
        assert picture.min() >= 0
        assert picture.max() <= 255
    errors = sorted(error(picture, face) for picture in damaged)
    assert errors[0] == 0
    assert sum(e == 0 for e in errors) < 30
    assert errors[-10] > 12


@pytest.mark.parametrize("kind", ["random_blur", "random_shrink", "random_noise", "jpeg"])
def test_each_kind_of_damage_is_now_and_then_missing(face, monkeypatch, kind):
    seen = []
    monkeypatch.setattr(d, kind, lambda picture, *_: seen.append(1) or picture)
    missing = 0
    for seed in range(60):
        seen.clear()
        if not np.array_equal(d.degrade(face, rng(seed)), face):
            missing += not seen
    assert 2 <= missing <= 15


def test_truths_are_flatter_and_crisper_than_the_faces_that_they_are_made_of(face):
    spreads = [d.change_tonality(face, rng(seed)).std() / face.std() for seed in range(60)]
    assert min(spreads) < 0.65
    assert max(spreads) > 1.1


def test_fixed_levels_get_worse_and_mild_stays_good(face):
    errors = [error(d.degrade_at(face, level, rng()), face) for level in d.LEVELS.values()]
    assert errors == sorted(errors)
    assert errors[0] < 6 < errors[2]


@pytest.mark.parametrize("angle", [0, 1])
def test_blurs_remove_detail_and_keep_brightness(face, angle):
    for blurred in (
        d.gaussian_blur(face, 2, 2, angle),
        d.gaussian_blur(face, 3, 0.5, angle),
        d.motion_blur(face, 9, angle),
    ):
        assert detail(blurred) < 0.8 * detail(face)
        assert blurred.mean() == pytest.approx(face.mean(), rel=0.02)


def test_a_motion_blur_smears_along_its_direction_only():
    stripes = np.zeros((64, 64, 3), np.float32)
    stripes[:, ::8] = 255  # upright lines
    across, along = d.motion_blur(stripes, 9, 0.0), d.motion_blur(stripes, 9, np.pi / 2)
    assert error(along, stripes) < 0.2 * error(across, stripes)


def test_noise_comes_in_colour_in_grey_and_as_grain_of_the_size_asked():
    flat = np.full((96, 96, 3), 128, np.float32)
    kinds = set()
    for seed in range(30):
        noise = d.random_noise(flat, rng(seed), 8) - flat
        is_grey = bool(np.allclose(noise[..., 0], noise[..., 2]))
        luma = noise.mean(axis=2)
        is_clumped = np.corrcoef(luma[:, 1:].ravel(), luma[:, :-1].ravel())[0, 1] > 0.15
        kinds.add((is_grey, is_clumped))
        assert noise.std() == pytest.approx(8, rel=0.1)
    assert kinds == {(False, False), (True, False), (True, True)}


def test_jpeg_of_lower_quality_is_farther_from_the_face(face):
    assert error(d.jpeg(face, 20), face) > 1.5 * error(d.jpeg(face, 90), face) > 0


def test_grey_sepia_and_fading_change_colours_as_named(face):
    grey = d.grey(face)
    assert np.allclose(grey[..., 0], grey[..., 2])
    sepia = d.sepia(face, 1).mean(axis=(0, 1))
    assert sepia[0] > sepia[1] > sepia[2]
    faded = d.fade(face, 0.6, np.array((200, 200, 180), np.float32))
    assert faded.std() < 0.8 * face.std()


def test_dust_and_scratches_change_few_pixels_much(face):
    for marked in (d.dust(face, rng(), 20), d.scratches(face, rng(), 2)):
        changed = np.abs(marked - face).max(axis=2)
        assert 0.002 < (changed > 10).mean() < 0.2
        assert changed.max() > 30


def test_a_grey_face_stays_grey_whatever_grey_noise_or_blur_befalls_it(face):
    grey = d.grey(face)
    for changed in (d.film_grain(grey, rng(), 8), d.random_blur(grey, rng(), 3)):
        assert np.allclose(changed[..., 0], changed[..., 2], atol=1e-3)


def test_tonality_makes_some_faces_grey_and_some_coloured(face):
    grey = [
        np.allclose(t[..., 0], t[..., 2])
        for t in (d.change_tonality(face, rng(s)) for s in range(60))
    ]
    assert 2 < sum(grey) < 25
