"""What time, lenses and file formats do to a photo: seeded, in float32 (S,S,3) RGB, 0-255.

The blind degradation model of the paper's family. A face loses sharpness (blur), pixels
(shrunk and enlarged again), gains noise and JPEG blocks, in random order, and now and then
dust and scratches. How much is drawn once per face as a *severity*, so that a face is damaged
evenly; part of the faces stay nearly whole, since a network that never saw a good photo
softens it.

Tonality is not damage: grey, sepia and fading are applied before, to the truth as well, so
that the network learns to keep them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

UNDAMAGED_SHARE = 0.08  # of the training faces; the network must give these back as they are
USUAL_ORDER_SHARE = 0.6  # lens, sensor, file: the rest comes in any order
LEFT_OUT_SHARE = 0.12  # of each: a soft photo may have no noise, a noisy one be sharp
DUST_SHARE, SCRATCH_SHARE = 0.1, 0.08
GREY_SHARE, SEPIA_SHARE, FADED_SHARE = 0.12, 0.08, 0.1
CONTRAST = (0.6, 1.25)
LUMA = np.array((0.299, 0.587, 0.114), np.float32)
SEPIA = np.array((1.07, 0.98, 0.78), np.float32)  # tint of an old print, relative to its grey
MILDNESS = 2.0  # above 1, good photos are more frequent than ruined ones
# Damage that hides who it is without having destroyed it: there is most to learn.
MIDDLE_SHARE, MIDDLE = 0.35, (0.25, 0.55)
MAX_BLUR, MAX_SHRINK, MAX_NOISE, WORST_JPEG = 4.5, 8.0, 18.0, 20  # at severity 1


@dataclass(frozen=True)
class Level:
    """A fixed degree of damage at 256 px: blur in pixels (standard deviation), shrinking
    factor, noise in levels (standard deviation), JPEG quality."""

    blur: float
    shrink: float
    noise: float
    quality: float


LEVELS = {
    "mild": Level(0.6, 1.3, 2, 85),
    "medium": Level(1.8, 3, 6, 55),
    "heavy": Level(3, 6, 12, 35),
}
JITTER = 0.2


def degrade(face: np.ndarray, rng: Generator) -> np.ndarray:
    """A face damaged at random; the same generator state gives the same damage."""
    if rng.random() < UNDAMAGED_SHARE:
        return face
    severity = rng.uniform(0.1, 1.0) ** MILDNESS
    if rng.random() < MIDDLE_SHARE:
        severity = rng.uniform(*MIDDLE)
    steps: list[Callable[[np.ndarray, Generator], np.ndarray]] = [
        lambda x, r: random_blur(x, r, MAX_BLUR * severity * r.uniform(0.4, 1.3)),
        lambda x, r: random_shrink(x, r, severity),
        lambda x, r: random_noise(x, r, MAX_NOISE * severity * r.uniform(0.1, 1.3)),
        lambda x, r: jpeg(x, 95 - (95 - WORST_JPEG) * min(1, severity * r.uniform(0.4, 1.3))),
    ]
    steps = [step for step in steps if rng.random() >= LEFT_OUT_SHARE]
    if rng.random() > USUAL_ORDER_SHARE:
        rng.shuffle(steps)
    if rng.random() < DUST_SHARE:
        at = rng.integers(len(steps) + 1)
        steps.insert(at, lambda x, r: dust(x, r, 1 + int(r.integers(40))))
    if rng.random() < SCRATCH_SHARE:
        at = rng.integers(len(steps) + 1)
        steps.insert(at, lambda x, r: scratches(x, r, 1 + int(r.integers(4))))
    size = face.shape[0]
    for step in steps:
        face = step(face, rng)
    return to_levels(_resize(face, size, cv2.INTER_LINEAR))


def degrade_at(face: np.ndarray, level: Level, rng: Generator) -> np.ndarray:
    """A face damaged to a fixed level, each number jittered by 20 %: blur, shrink, noise,
    JPEG, enlarge. For measurements."""

    def jittered(value: float) -> float:
        return value * rng.uniform(1 - JITTER, 1 + JITTER)

    size = face.shape[0]
    face = cv2.GaussianBlur(face, (0, 0), jittered(level.blur) * size / 256)
    face = _resize(face, round(size / max(1.0, jittered(level.shrink))), cv2.INTER_AREA)
    face = face + _gaussian(rng, jittered(level.noise), face.shape)
    face = jpeg(face, min(98, jittered(level.quality)))
    return to_levels(_resize(face, size, cv2.INTER_LINEAR))


def change_tonality(face: np.ndarray, rng: Generator) -> np.ndarray:
    """Exposure, contrast and colour of another camera; some faces grey, sepia or faded."""
    gain = rng.uniform(0.7, 1.2) * rng.uniform(0.94, 1.06, 3)
    face = 255 * (np.clip(face / 255 * gain, 0, 1) ** rng.uniform(0.75, 1.35))
    middle = face.mean()
    face = to_levels(middle + rng.uniform(*CONTRAST) * (face - middle))
    chance = rng.random()
    if chance < GREY_SHARE:
        face = grey(face)
    elif chance < GREY_SHARE + SEPIA_SHARE:
        face = sepia(face, rng.uniform(0.4, 1))
    elif chance < GREY_SHARE + SEPIA_SHARE + FADED_SHARE:
        face = fade(face, rng.uniform(0.2, 0.7), rng.uniform(140, 230, 3))
    return to_levels(face.astype(np.float32))


def random_blur(face: np.ndarray, rng: Generator, sigma: float) -> np.ndarray:
    """Out of focus (round or stretched) or shaken; sigma in pixels at 256 px."""
    sigma = sigma * face.shape[0] / 256
    kind = rng.random()
    if kind < 0.5:
        return gaussian_blur(face, sigma, sigma, 0)
    if kind < 0.8:
        return gaussian_blur(face, sigma, sigma * rng.uniform(0.3, 0.9), rng.uniform(0, np.pi))
    return motion_blur(face, 2.5 * sigma, rng.uniform(0, np.pi))


def gaussian_blur(face: np.ndarray, across: float, along: float, angle: float) -> np.ndarray:
    """Blur with a Gaussian of two standard deviations, turned by `angle` radians."""
    if max(across, along) < 0.15:
        return face
    across, along = max(across, 0.1), max(along, 0.1)
    radius = max(1, int(3 * max(across, along) + 0.5))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    u = x * np.cos(angle) + y * np.sin(angle)
    v = y * np.cos(angle) - x * np.sin(angle)
    return _convolve(face, np.exp(-0.5 * ((u / across) ** 2 + (v / along) ** 2)))


def motion_blur(face: np.ndarray, length: float, angle: float) -> np.ndarray:
    """The trace of a straight movement, `length` pixels long."""
    if length < 1:
        return face
    radius = int(length / 2) + 1
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    along = np.abs(x * np.cos(angle) + y * np.sin(angle))
    across = np.abs(y * np.cos(angle) - x * np.sin(angle))
    line = np.clip(1 - across, 0, 1) * np.clip(length / 2 + 0.5 - along, 0, 1)
    return _convolve(face, line)


def random_noise(face: np.ndarray, rng: Generator, sigma: float) -> np.ndarray:
    """Noise of a sensor (in colour or grey) or the grain of film; sigma in levels."""
    if sigma < 0.3:
        return face
    kind = rng.random()
    if kind < 0.5:
        return face + _gaussian(rng, sigma, face.shape)
    if kind < 0.75:
        return face + _gaussian(rng, sigma, (*face.shape[:2], 1))
    return film_grain(face, rng, sigma)


def film_grain(face: np.ndarray, rng: Generator, sigma: float) -> np.ndarray:
    """Grey clumps about a pixel wide, strongest in the middle tones."""
    grain = _gaussian(rng, 1, face.shape[:2])
    grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 1.1))
    grain = grain * (sigma / max(float(grain.std()), 1e-6))
    light = np.clip(face @ LUMA / 255, 0, 1)
    return face + (grain * (0.4 + 2.4 * light * (1 - light)))[:, :, None]


def jpeg(face: np.ndarray, quality: float) -> np.ndarray:
    """Through a JPEG file and back."""
    bgr = np.rint(to_levels(face)).astype(np.uint8)[:, :, ::-1]
    encoded = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, round(quality)))[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None, "what was just encoded"
    return decoded[:, :, ::-1].astype(np.float32)


def grey(face: np.ndarray) -> np.ndarray:
    """Without colour: all three channels alike."""
    return np.repeat((face @ LUMA)[:, :, None], 3, axis=2)


def sepia(face: np.ndarray, amount: float) -> np.ndarray:
    """An old print's brown; amount 0-1, 0 is grey."""
    return to_levels(grey(face) * (1 + amount * (SEPIA - 1)))


def fade(face: np.ndarray, amount: float, paper: np.ndarray) -> np.ndarray:
    """Colours bleach towards the paper's (3,) colour; amount 0-1."""
    bleached = 0.5 * face + 0.5 * grey(face)
    return (1 - amount) * face + amount * (0.55 * bleached + 0.45 * paper)


def dust(face: np.ndarray, rng: Generator, specks: int) -> np.ndarray:
    """Small bright or dark specks."""
    spots = np.zeros(face.shape[:2], np.float32)
    for _ in range(specks):
        centre = rng.integers(0, face.shape[0], 2)
        axes = rng.integers(1, max(2, face.shape[0] // 100) + 1, 2)
        cv2.ellipse(spots, centre.tolist(), axes.tolist(), rng.uniform(0, 180), 0, 360, 1.0, -1)
    return _paint(face, spots, rng)


def scratches(face: np.ndarray, rng: Generator, count: int) -> np.ndarray:
    """Thin bent lines, bright or dark."""
    lines = np.zeros(face.shape[:2], np.float32)
    size = face.shape[0]
    for _ in range(count):
        start, bend = rng.uniform(0, size, 2), rng.uniform(-0.15, 0.15, 2) * size
        direction = rng.uniform(-0.8, 0.8, 2) * size
        t = np.linspace(0, 1, 12)[:, None]
        points = start + t * direction + 4 * t * (1 - t) * bend
        cv2.polylines(lines, [np.rint(points).astype(np.int32)], False, 1.0, 1, cv2.LINE_AA)
    return _paint(face, lines, rng)


def to_levels(face: np.ndarray) -> np.ndarray:
    """Clipped to what 8 bits can hold."""
    return np.clip(face, 0, 255)


def random_shrink(face: np.ndarray, rng: Generator, severity: float) -> np.ndarray:
    factor = 1 + (MAX_SHRINK - 1) * min(1.0, severity * rng.uniform(0.3, 1.2))
    small = _resize(face, max(8, round(face.shape[0] / factor)), _any_filter(rng, shrink=True))
    # Most photos stay small until the end: noise and JPEG then come in large blocks.
    return small if rng.random() < 0.7 else _resize(small, face.shape[0], _any_filter(rng))


def _any_filter(rng: Generator, shrink: bool = False) -> int:
    filters = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA if shrink else cv2.INTER_LANCZOS4)
    return filters[rng.integers(3)]


def _resize(face: np.ndarray, size: int, interpolation: int) -> np.ndarray:
    if face.shape[0] == size:
        return face
    return cv2.resize(face, (size, size), interpolation=interpolation)


def _gaussian(rng: Generator, sigma: float, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, np.float32) * np.float32(sigma)


def _convolve(face: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return cv2.filter2D(face, -1, kernel, borderType=cv2.BORDER_REFLECT_101)


def _paint(face: np.ndarray, mask: np.ndarray, rng: Generator) -> np.ndarray:
    """Lay one bright or dark tone over the face where the mask, softened, is not 0."""
    mask = cv2.GaussianBlur(mask, (0, 0), 0.6)[:, :, None] * np.float32(rng.uniform(0.4, 1))
    tone = np.float32(rng.uniform(190, 255) if rng.random() < 0.6 else rng.uniform(0, 60))
    return face * (1 - mask) + tone * mask
