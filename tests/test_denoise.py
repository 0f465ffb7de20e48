"""Noise is removed, and nothing else."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.stages import denoise
from gpen_webui.stages.denoise import without_noise
from gpen_webui.stages.restorer import last
from tests.test_restore import restorer


@pytest.fixture(scope="module")
def portrait(project: Path) -> np.ndarray:
    return open_photo(project / "tests" / "data" / "astronaut.jpg").pixels[:300, 60:361]


def noisy(pixels: np.ndarray, levels: float, blur: float = 0) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, pixels.shape)
    if blur:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
    noise *= levels / noise.std()
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def psnr(pixels: np.ndarray, truth: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.square(pixels.astype(float) - truth).mean())


@pytest.mark.parametrize(("levels", "blur"), [(3, 0), (10, 0), (20, 0), (10, 0.8)])
def test_what_is_left_is_nearer_to_the_truth_than_non_local_means_come(
    portrait: np.ndarray, levels: float, blur: float
):
    photo = noisy(portrait, levels, blur)
    theirs = [
        cv2.fastNlMeansDenoisingColored(photo, None, strength, strength, 5, 15)
        for strength in (0.8 * levels, 1.2 * levels)
    ]
    ours = psnr(last(without_noise(photo)), portrait)
    assert ours > psnr(photo, portrait) + 3
    assert ours > max(psnr(other, portrait) for other in theirs)


def test_a_clean_photo_stays_as_it_is(portrait: np.ndarray):
    assert psnr(last(without_noise(portrait)), portrait) > 45
    assert np.array_equal(
        last(without_noise(np.full((9, 9, 3), 7, np.uint8))), np.full((9, 9, 3), 7)
    )


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (101, 33)])
def test_photos_of_any_size_keep_their_size(size: tuple[int, int]):
    photo = noisy(np.full((*size, 3), 120, np.uint8), 10)
    assert last(without_noise(photo)).shape == photo.shape


def test_grey_stays_grey(portrait: np.ndarray):
    grey = noisy(np.full((120, 150, 3), 120, np.uint8), 10)
    grey = np.repeat(grey[:, :, :1], 3, axis=2)
    result = last(without_noise(grey))
    assert (result == result[:, :, :1]).all()
    assert result.std() < 0.4 * grey.std()


def test_bands_leave_no_seam_on_any_number_of_threads(portrait: np.ndarray, monkeypatch):
    photo = noisy(portrait, 10)
    whole = last(without_noise(photo))
    monkeypatch.setattr(denoise, "BAND_PIXELS", 64 * photo.shape[1])
    monkeypatch.setattr(cv2, "getNumThreads", lambda: 3)
    stops = list(without_noise(photo))
    assert len(stops) == 2  # five bands, three at a time
    assert np.array_equal(last(without_noise(photo)), whole)


def test_another_amount_is_blended_from_what_is_kept(portrait: np.ndarray, monkeypatch):
    photo = Photo(noisy(portrait, 10), "noisy.png", "png")
    kept, ours = KeptIntermediates().of("noisy"), restorer(lambda crops: crops)
    options = [RestoreOptions(strength=0, denoise=amount) for amount in (0, 50, 100)]
    before, _, all_of_it = (ours.restore(photo, how, reuse=kept).pixels for how in options)
    monkeypatch.setattr("gpen_webui.stages.denoise.without_noise", None)  # not again
    half = ours.restore(photo, options[1], reuse=kept).pixels
    assert np.array_equal(before, photo.pixels)
    assert np.abs(half - (before.astype(float) + all_of_it) / 2).max() <= 1
