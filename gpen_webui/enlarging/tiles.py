"""Takes a photo through a network tile by tile, so that memory does not grow with the photo.

A network that gives nothing for a margin around each tile makes every pixel of the pixels around
it alone: the tiles fit together as if the photo had gone through as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

RunTiles = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TileShape:
    """side: of the tiles that a network takes, in pixels. margin: on each side of them it gives
    nothing for so many pixels. scale: what it gives is so many times larger."""

    side: int
    margin: int
    scale: int

    @property
    def inner(self) -> int:
        return self.side - 2 * self.margin


def through_tiles(
    pixels: np.ndarray, run: RunTiles, shape: TileShape, *, at_once: int = 1, shrink: bool = False
) -> Generator[float, None, np.ndarray]:
    """Take a photo (H,W,3) uint8 through a network; returns uint8. Yields before each run of it
    which share of them is done, 0-1.

    run: takes (N,3,side,side) float32 in [0,1], gives (N,3,inner*scale,inner*scale), not clipped.
    at_once: how many tiles it is given. shrink: average the result down to the photo's own size;
    else it is (H*scale,W*scale,3). Grey stays grey. Beyond the edges the photo is mirrored.
    """
    height, width = pixels.shape[:2]
    scale = 1 if shrink else shape.scale
    result = np.empty((height * scale, width * scale, 3), np.uint8)
    is_grey = bool((pixels[:, :, :1] == pixels[:, :, 1:]).all())
    places = [(y, x) for y in range(0, height, shape.inner) for x in range(0, width, shape.inner)]
    for start in range(0, len(places), at_once):
        yield start / len(places)
        part = places[start : start + at_once]
        made = run(np.stack([_tile(pixels, place, shape) for place in part]))
        for (top, left), tile in zip(part, made, strict=True):
            if shrink:
                tile = _averaged(tile, shape.scale)
            if is_grey:
                tile = np.broadcast_to(tile.mean(axis=0, keepdims=True), tile.shape)
            levels = np.clip(np.rint(tile * 255), 0, 255).astype(np.uint8).transpose(1, 2, 0)
            area = result[top * scale :, left * scale :][: len(levels), : levels.shape[1]]
            area[:] = levels[: area.shape[0], : area.shape[1]]
    return result


def _tile(pixels: np.ndarray, place: tuple[int, int], shape: TileShape) -> np.ndarray:
    """The tile whose inner part begins at `place`: (3,side,side) float32 in [0,1]."""
    rows, columns = (
        mirrored(np.arange(begin - shape.margin, begin - shape.margin + shape.side), length)
        for begin, length in zip(place, pixels.shape[:2], strict=True)
    )
    part = pixels[rows[:, None], columns]
    return np.ascontiguousarray(part.transpose(2, 0, 1), np.float32) / 255


def mirrored(places: np.ndarray, length: int) -> np.ndarray:
    """Places along a side of `length` pixels, of which those beyond its ends are mirrored at its
    first or last pixel, again and again."""
    if length == 1:
        return np.zeros_like(places)
    places = np.abs(places) % (2 * length - 2)
    return np.minimum(places, 2 * length - 2 - places)


def _averaged(tile: np.ndarray, step: int) -> np.ndarray:
    channels, height, width = tile.shape
    parts = tile.reshape(channels, height // step, step, width // step, step)
    return parts.mean(axis=(2, 4))
