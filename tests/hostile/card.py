"""The test card: twelve known colours, and how to compare a decoded picture with it."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

BLOCK = 16
COLOURS = np.array(
    [
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)],
        [(0, 0, 0), (128, 128, 128), (0, 255, 255), (255, 0, 255)],
        [(255, 255, 0), (224, 172, 140), (90, 56, 37), (250, 235, 220)],
    ],
    np.uint8,
)
GREYS = np.array([[0, 60, 120, 255], [200, 128, 30, 90], [10, 240, 180, 77]], np.uint8)


def enlarge(blocks: np.ndarray) -> np.ndarray:
    """Each value as a square of BLOCK pixels."""
    return blocks.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)


CARD = enlarge(COLOURS)  # (48,64,3)
MUTED_CARD = (CARD // 3 + 90).astype(np.uint8)  # no colour at the edge of what sRGB holds
GREY_CARD = enlarge(GREYS)  # (48,64)


def encode(picture: np.ndarray | Image.Image, format: str, **options: object) -> bytes:
    """A picture as a file."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # what we write is broken on purpose
        image.save(buffer, format, **options)
    return buffer.getvalue()


def largest_difference(pixels: np.ndarray, expected: np.ndarray) -> float:
    """Between the blocks' middles, so that what lossy formats do at edges does not count."""
    if pixels.shape != expected.shape:
        return float("inf")

    def middles(picture: np.ndarray) -> np.ndarray:
        rows, columns = (size // BLOCK for size in picture.shape[:2])
        blocks = picture.reshape(rows, BLOCK, columns, BLOCK, -1)[:, 4:-4, :, 4:-4]
        return blocks.astype(float).mean(axis=(1, 3))

    return float(np.abs(middles(pixels) - middles(expected)).max())
