"""Photos to measure with: one face each, 1080 x 1080, drawn anew every time.

The face is the one that comes with the program, made a little blurred and noisy, in front of
a painted background. Place, size, tilt and light differ from photo to photo.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gpen_webui.engines.quality import read_face

SIDE = 1080  # pixels, of the photos
FACE_SIDE = (440, 620)  # pixels, of the pasted picture, of which the face takes the middle half
MAX_TILT = 8  # degrees
SPOTS = 24


def make_photos(folder: Path, count: int) -> list[Path]:
    """Write `count` JPEGs into `folder`, the same ones every time; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        path = folder / f"photo-{number + 1:03}.jpg"
        cv2.imwrite(str(path), draw_photo(number), [cv2.IMWRITE_JPEG_QUALITY, 92])
        paths.append(path)
    return paths


def draw_photo(number: int) -> np.ndarray:
    """Photo `number`, (1080,1080,3) uint8 BGR."""
    random = np.random.default_rng(number)
    photo = _background(random)
    face = cv2.GaussianBlur(read_face(), (0, 0), 1.2).astype(np.float32)
    matrix, mask = _placement(random, face.shape[0])
    pasted = cv2.warpAffine(face, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC)
    photo += (pasted - photo) * cv2.warpAffine(mask, matrix, (SIDE, SIDE))[..., None]
    photo = photo * random.uniform(0.8, 1.1) + random.normal(0, 5, photo.shape)
    return np.clip(photo, 0, 255).astype(np.uint8)


def _background(random: np.random.Generator) -> np.ndarray:
    """Soft spots of colour, float32."""
    picture = np.empty((SIDE, SIDE, 3), np.float32)
    picture[:] = random.uniform(60, 160, 3)
    for _ in range(SPOTS):
        centre = tuple(int(value) for value in random.integers(0, SIDE, 2))
        colour = tuple(random.uniform(40, 200, 3))
        cv2.circle(picture, centre, int(random.integers(40, 180)), colour, -1)
    return cv2.GaussianBlur(picture, (0, 0), 25)


def _placement(random: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the face goes: its matrix (2,3), and its mask (size,size) that fades at the rim."""
    side = random.uniform(*FACE_SIDE)
    tilt, scale = random.uniform(-MAX_TILT, MAX_TILT), side / size
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), tilt, scale)
    margin = side * 0.6
    matrix[:, 2] = matrix[:, 2] + random.uniform(margin, SIDE - margin, 2) - size / 2
    mask = np.zeros((size, size), np.float32)
    cv2.ellipse(mask, (size // 2, size // 2), (size * 2 // 5, size * 9 // 20), 0, 0, 360, 1, -1)
    return matrix, cv2.GaussianBlur(mask, (0, 0), size / 30)
