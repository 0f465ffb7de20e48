"""Checks of a reduced precision against float32, on real crops."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.enlarging.tiles import RunTiles

HALF_PRECISION_PSNR = 45.0  # dB against float32; half a step of 8-bit colour is 53
# Eileen Collins, NASA, public domain: the face of scikit-image's `astronaut`, aligned.
FACE = Path(__file__).with_name("check_face.jpg")
FACES = Path(__file__).with_name("check_faces.jpg")  # of sixteen people; check_faces.md
FACES_ACROSS = 4


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of images in [-1,1]; 0 where a value is not finite."""
    if not np.isfinite(image).all():
        return 0.0
    difference = np.clip(image, -1, 1).astype(np.float64) - np.clip(reference, -1, 1)
    error = np.square(difference).mean()
    return 10 * math.log10(4 / error) if error > 0 else math.inf


def read_face() -> np.ndarray:
    """A real face that comes with the program: (S,S,3) uint8 BGR."""
    return _read(FACE)


def read_faces() -> list[np.ndarray]:
    """Sixteen real faces that come with the program, of people as different as could be:
    (S,S,3) uint8 BGR each."""
    sheet = _read(FACES)
    rows = np.split(sheet, FACES_ACROSS)
    return [face for row in rows for face in np.split(row, FACES_ACROSS, axis=1)]


def real_crops(size: int) -> np.ndarray:
    """A real face as good, small, noisy and grey photos show it: (4,3,size,size) in [-1,1]."""
    return _as_photos_show(read_face(), size)


def many_crops(size: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Sixteen people, each in a good, a small, a noisy or a grey photo in turn: crops
    (3,size,size) in [-1,1], and the true face of each; None where the crop is grey and it not."""
    for number, face in enumerate(read_faces()):
        crops = _as_photos_show(face, size)
        kind = number % len(crops)
        yield crops[kind], None if kind == len(crops) - 1 else crops[0]


def _read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path))
    if picture is None:
        raise FileNotFoundError(f"{path} is missing or damaged; install the program anew.")
    return picture


def _as_photos_show(face: np.ndarray, size: int) -> np.ndarray:
    """A face (S,S,3) uint8 BGR in a good, a small, a noisy and a grey photo."""
    face = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA)
    small = cv2.resize(face, (size // 6, size // 6), interpolation=cv2.INTER_AREA)
    small = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 18, face.shape)
    noisy = np.clip(cv2.GaussianBlur(face, (0, 0), size / 200) + noise, 0, 255).astype(np.uint8)
    grey = cv2.cvtColor(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    photos = np.stack([face, small, noisy, grey])[..., ::-1]
    return np.ascontiguousarray(photos.transpose(0, 3, 1, 2), np.float32) / 127.5 - 1


def worst_tile_psnr(fast: RunTiles, exact: RunTiles, side: int) -> float:
    """The PSNR, in dB, of the check photo that a network that enlarges computes most differently.

    fast, exact: two ways to compute tiles (1,3,side,side) float32 in [0,1].
    """
    tiles = (real_crops(side) + 1) / 2
    return min(psnr(2 * fast(tile[None]) - 1, 2 * exact(tile[None]) - 1) for tile in tiles)


def perceptual_distance(image: np.ndarray, reference: np.ndarray) -> float:
    """How different two crops (3,S,S) in [-1,1] look: 0 for equal, towards 1.

    One minus the structural similarity of their luminance (Wang et al., 2004), the mean over
    three scales. It sees lost or invented structure, which PSNR forgives where it is faint.
    """
    a, b = ((np.clip(x, -1, 1).transpose(1, 2, 0) + 1) * 127.5 for x in (image, reference))
    a, b = (cv2.cvtColor(x.astype(np.float32), cv2.COLOR_RGB2GRAY) for x in (a, b))
    distances = []
    for _ in range(3):
        distances.append(1 - _structural_similarity(a, b))
        a, b = cv2.pyrDown(a), cv2.pyrDown(b)
    return float(np.mean(distances))


def _structural_similarity(a: np.ndarray, b: np.ndarray) -> float:
    def local_mean(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5)

    mean_a, mean_b = local_mean(a), local_mean(b)
    variances = local_mean(a * a) - mean_a**2 + local_mean(b * b) - mean_b**2
    covariance = local_mean(a * b) - mean_a * mean_b
    brightness = (2 * mean_a * mean_b + 6.5) / (mean_a**2 + mean_b**2 + 6.5)
    structure = (2 * covariance + 58.5) / (variances + 58.5)
    return float((brightness * structure).mean())
