"""What a photo shows of itself: its light, its noise, how blurred its faces are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from gpen_webui.repairing import fade
from gpen_webui.stages.denoise import BLOCK, measure_noise

COMMON_SIDE = 128  # pixels to which faces are brought before they are compared
DETAIL = 1.5  # pixels of those: what a blur of this width takes away is fine detail
SHAPES = 12.0  # and what one of this width leaves is light and shade alone
FLATTEST = 1.1  # times the noise of a photo's flattest blocks it has elsewhere
FLAT = 4.0  # levels: in a face with less contrast nothing can be told


@dataclass(frozen=True)
class FaceMeasures:
    """width: pixels of the photo. detail: how much fine detail it shows, in parts of its contrast
    and on the scale of the face, so that a small face is a blurred one; 0 to about 0.5; None where
    that cannot be told."""

    width: float
    detail: float | None


@dataclass(frozen=True)
class PhotoMeasures:
    """size: width and height. noise: its standard deviation, in levels. is_coarse: it is grain
    rather than the noise of single pixels. is_single_tone: grey or sepia. black, white: levels
    between which its brightness lies."""

    size: tuple[int, int]
    noise: float
    is_coarse: bool
    is_single_tone: bool
    is_faded: bool
    black: float
    white: float


def measure_photo(pixels: np.ndarray) -> PhotoMeasures:
    """The measures of a photo (H,W,3) uint8 RGB."""
    levels = fade.measure(pixels)
    noise, is_coarse = _noise_of(pixels)
    height, width = pixels.shape[:2]
    return PhotoMeasures(
        size=(width, height),
        noise=noise,
        is_coarse=is_coarse,
        is_single_tone=levels.is_single_tone,
        is_faded=fade.looks_faded(levels),
        black=levels.of_all[0],
        white=levels.of_all[1],
    )


def measure_largest_face(
    pixels: np.ndarray, boxes: Sequence[Sequence[float]], noise: float
) -> FaceMeasures | None:
    """The measures of the widest of these faces; None where there are none.

    boxes: left, top, right, bottom in pixels of the photo. noise: the photo's.
    """
    if not boxes:
        return None
    return _face_of(pixels, max(boxes, key=lambda box: box[2] - box[0]), noise)


def _noise_of(pixels: np.ndarray) -> tuple[float, bool]:
    """Standard deviation of the luma's noise, and whether most of it is coarser than pixels."""
    luma = measure_noise(pixels, is_grey=False)[0].reshape(BLOCK, BLOCK)
    energy = np.square(luma.astype(np.float64))
    frequency = np.add.outer(np.arange(BLOCK), np.arange(BLOCK))
    coarse = energy[frequency < BLOCK // 2].sum()
    is_coarse = coarse > 0.5 * energy.sum()
    return math.sqrt(energy.sum() / (BLOCK**2 - 1)), bool(is_coarse)


def _face_of(pixels: np.ndarray, box: Sequence[float], noise: float) -> FaceMeasures:
    left, top, right, bottom = box
    rows = slice(max(0, round(top)), max(0, round(bottom)))
    columns = slice(max(0, round(left)), max(0, round(right)))
    part = pixels[rows, columns]
    if min(part.shape[:2]) < BLOCK:
        return FaceMeasures(right - left, None)
    luma = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY).astype(np.float32)
    scale = COMMON_SIDE / (right - left)
    size = max(1, round(luma.shape[1] * scale)), max(1, round(luma.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    face = cv2.resize(luma, size, interpolation=method)
    detail = (face - cv2.GaussianBlur(face, (0, 0), DETAIL)).std()
    contrast = (face - cv2.GaussianBlur(face, (0, 0), SHAPES)).std()
    noise_left = FLATTEST * noise * _noise_share(scale)
    if contrast < FLAT:
        return FaceMeasures(right - left, None)
    clean = math.sqrt(max(float(detail) ** 2 - noise_left**2, 0.0))
    return FaceMeasures(right - left, clean / float(contrast))


def _noise_share(scale: float) -> float:
    """How much of white noise is left as fine detail in what is resized: measured. An average has
    less of it, an enlarged picture shows it as coarser shapes."""
    return 0.945 * scale if scale <= 1 else 1.2 * math.exp(-0.345 * scale)
