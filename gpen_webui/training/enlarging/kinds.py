"""The kinds of photos that are enlarged: how each became as small as it is.

Seeded. Each takes a true picture, (2S,2S,3) float32 RGB in levels 0-255, S even, and gives the
truth and the photo (S,S,3), both in whole levels, as files hold them. All measures are in pixels,
whatever the picture's size.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from gpen_webui.training.degrade import (
    gaussian_blur,
    grey,
    jpeg,
    random_blur,
    random_noise,
    to_levels,
)
from gpen_webui.training.old_print import add_grain, halftone, scanner, toned
from gpen_webui.training.tasks import KINDS

Pair = tuple[np.ndarray, np.ndarray]

BEST_JPEG, WORST_JPEG = 90, 30
# Of the photos from the web: saved before at a larger size, saved smaller than they are, noisy.
SAVED_LARGER_SHARE, SAVED_SMALLER_SHARE, NOISY_SHARE = 0.4, 0.2, 0.5
WEB_NOISE = 4.0  # levels, at most
# Of the old prints: grey or brown, grainy, printed in dots, scanned badly, scanned into a JPEG.
TONED_SHARE, GRAIN_SHARE, HALFTONE_SHARE = 0.75, 0.85, 0.2
SCANNER_SHARE, SCAN_JPEG_SHARE = 0.7, 0.5
COARSE_GRAIN, PRINT_BLUR = 12.0, 1.0  # levels, pixels of the photo; at most
KEPT_GRAIN = 0.3  # of the grain, in the truth as well: a print without any looks painted
HALFTONE_PERIOD = (2.2, 4.5)  # pixels of the photo between the dots
GREY_SHARE = 0.1


def clean(truth: np.ndarray, rng: Generator) -> Pair:
    """Shrunk by the filters that programs use, and nothing else."""
    return _pair(truth, shrunk(truth, rng))


def web(truth: np.ndarray, rng: Generator) -> Pair:
    """Resized and saved as a JPEG of quality 30 to 90, at times more than once."""
    size = len(truth) // 2
    photo = truth
    if rng.random() < SAVED_LARGER_SHARE:
        photo = jpeg(_resized(truth, round(size * rng.uniform(1.15, 1.9))), rng.uniform(50, 95))
        photo = _resized(photo, size)
    else:
        photo = shrunk(truth, rng)
    if rng.random() < NOISY_SHARE:
        photo = random_noise(photo, rng, rng.uniform(0, WEB_NOISE))
    quality = rng.uniform(WORST_JPEG, BEST_JPEG)
    if rng.random() < SAVED_SMALLER_SHARE:
        smaller = jpeg(_resized(photo, round(size * rng.uniform(0.7, 0.95))), quality)
        photo = cv2.resize(smaller, (size, size), interpolation=cv2.INTER_CUBIC)
    else:
        photo = jpeg(photo, quality)
    return _pair(truth, photo)


def old_print(truth: np.ndarray, rng: Generator) -> Pair:
    """An old print, scanned: soft, with coarse grain, dots or the scanner's noise.

    Its tone and part of the grain belong to the truth. Scratches and stains are another stage's.
    """
    if rng.random() < TONED_SHARE:
        truth = toned(truth, rng)
    photo = random_blur(truth, rng, 2 * PRINT_BLUR * rng.uniform(0, 1) * 256 / len(truth))
    photo = shrunk(photo, rng)
    if rng.random() < GRAIN_SHARE:
        grainy = add_grain(photo, rng, COARSE_GRAIN * rng.uniform(0, 1) ** 1.5)
        grain = cv2.resize(grainy - photo, truth.shape[:2], interpolation=cv2.INTER_CUBIC)
        truth, photo = truth + KEPT_GRAIN * grain, grainy
    if rng.random() < HALFTONE_SHARE:
        photo = halftone(photo, rng, period=rng.uniform(*HALFTONE_PERIOD))
    if rng.random() < SCANNER_SHARE:
        photo = scanner(to_levels(photo).astype(np.float32), rng)
    if rng.random() < SCAN_JPEG_SHARE:
        photo = jpeg(photo, rng.uniform(70, 95))
    return _pair(truth, photo)


MAKERS: dict[str, Callable[[np.ndarray, Generator], Pair]] = dict(
    zip(KINDS, (clean, web, old_print), strict=True)
)


def shrunk(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Half as large, by one of the usual filters."""
    filter_ = rng.integers(3)
    if filter_ == 1:  # what a bicubic filter lets through; OpenCV's own would leave steps
        picture = gaussian_blur(picture, 0.7, 0.7, 0)
        return cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_CUBIC)
    if filter_ == 2:
        picture = gaussian_blur(picture, 0.9, 0.9, 0)
        return cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_LANCZOS4)
    return cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def maybe_grey(truth: np.ndarray, rng: Generator) -> np.ndarray:
    """One photo in ten without colour."""
    return grey(truth) if rng.random() < GREY_SHARE else truth


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def _pair(truth: np.ndarray, photo: np.ndarray) -> Pair:
    """Both in whole levels."""
    return np.rint(to_levels(truth)), np.rint(to_levels(photo)).astype(np.float32)
