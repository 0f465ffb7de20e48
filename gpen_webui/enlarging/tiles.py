"""Takes a photo through a network tile by tile, so that memory does not grow with the photo.

A network that gives nothing for a margin around each tile makes every pixel of the pixels around
it alone: the tiles fit together as if the photo had gone through as a whole. Where tiles may have
any size, they share the photo evenly. Else what is left of it at its right and lower edges does not
fill a tile; such pieces share tiles, each with a margin of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

LEAST_INNER = 48  # pixels
LEVELS: Any = 255.0  # a number, which OpenCV takes for a picture, but its types do not
SHARE_OF_A_LEVEL: Any = 1 / 255

RunTiles = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TileShape:
    """side: of the tiles that a network takes, in pixels; or of the largest, where it takes any.
    margin: on each side of them it gives nothing for so many pixels. scale: what it gives is so
    many times larger. step: it works on squares of so many pixels, of which tiles and margins are
    multiples. any_size: it takes all tiles that are not larger."""

    side: int
    margin: int
    scale: int
    step: int = 1
    any_size: bool = False

    @property
    def inner(self) -> int:
        return self.side - 2 * self.margin

    @property
    def least_side(self) -> int:
        """Of a tile that is worth the work: where any size is taken, mostly margin."""
        return (
            min(self.side, 2 * self.margin + LEAST_INNER * self.step)
            if self.any_size
            else self.side
        )


@dataclass(frozen=True)
class Piece:
    """A part of a photo, and the row and the column of the tile where its margin begins."""

    top: int
    left: int
    height: int
    width: int
    row: int = 0
    column: int = 0


@dataclass(frozen=True)
class Layout:
    """height, width: of each tile. tiles: the pieces of the photo that each holds."""

    height: int
    width: int
    tiles: list[list[Piece]]


def through_tiles(
    pixels: np.ndarray, run: RunTiles, shape: TileShape, *, at_once: int = 1, shrink: int = 1
) -> Generator[float, None, np.ndarray]:
    """Take a photo (H,W,3) uint8 through a network; returns (H*s,W*s,3) uint8, where s is
    `shape.scale` / `shrink`. Yields before each run which share of them is done, 0-1.

    run: takes tiles (N,3,h,w) float32 in [0,1], gives what they show without their margins,
    enlarged `shape.scale` times, not clipped.
    at_once: how many tiles it is given. shrink: what it gives is averaged down so many times; a
    divisor of the scale. Grey stays grey. Beyond the edges the photo is mirrored.
    """
    height, width = pixels.shape[:2]
    scale = shape.scale // shrink
    result = np.empty((height * scale, width * scale, 3), np.uint8)
    is_grey = bool((pixels[:, :, :1] == pixels[:, :, 1:]).all())
    layout = lay_out(height, width, shape)
    for start in range(0, len(layout.tiles), at_once):
        yield start / len(layout.tiles)
        part = layout.tiles[start : start + at_once]
        size = layout.height, layout.width
        made = run(np.stack([_tile(pixels, pieces, size, shape.margin) for pieces in part]))
        for pieces, tile in zip(part, made, strict=True):
            for piece in pieces:
                area = result[piece.top * scale :, piece.left * scale :]
                area = area[: piece.height * scale, : piece.width * scale]
                area[:] = _levels(_planes_of(piece, tile, shape.scale), shrink, is_grey)
    return result


def lay_out(height: int, width: int, shape: TileShape) -> Layout:
    """How a photo is cut into tiles."""
    if shape.any_size:
        return _shared_evenly(height, width, shape)
    rows, columns = _parts(height, shape.inner), _parts(width, shape.inner)
    rest_down, rest_across = height % shape.inner, width % shape.inner
    pieces = [Piece(top, left, down, across) for top, down in rows for left, across in columns]
    whole = [piece for piece in pieces if piece.height == piece.width == shape.inner]
    narrow = [piece for piece in pieces if piece.width == rest_across]
    low = [piece for piece in pieces if piece.height == rest_down and piece not in narrow]
    beside = _room(rest_across, shape)
    tiles = [[piece] for piece in whole]
    tiles += [
        [replace(piece, column=place * beside) for place, piece in enumerate(group)]
        for group in _groups(narrow, shape.side // beside)
    ]
    below = _room(rest_down, shape)
    tiles += [
        [replace(piece, row=place * below) for place, piece in enumerate(group)]
        for group in _groups(low, shape.side // below)
    ]
    return Layout(shape.side, shape.side, tiles)


def _shared_evenly(height: int, width: int, shape: TileShape) -> Layout:
    down, across = (_share(length, shape) for length in (height, width))
    tiles = [
        [Piece(top, left, part_down, part_across)]
        for top, part_down in _parts(height, down)
        for left, part_across in _parts(width, across)
    ]
    return Layout(down + 2 * shape.margin, across + 2 * shape.margin, tiles)


def _share(length: int, shape: TileShape) -> int:
    """Of a side of the photo, for each of the fewest tiles."""
    count = math.ceil(length / shape.inner)
    return math.ceil(length / count / shape.step) * shape.step


def _parts(length: int, size: int) -> list[tuple[int, int]]:
    """Where each part of a side begins, and how long it is."""
    return [(begin, min(size, length - begin)) for begin in range(0, length, size)]


def _room(length: int, shape: TileShape) -> int:
    """What a piece takes of a tile's side."""
    return math.ceil(length / shape.step) * shape.step + 2 * shape.margin


def _groups(pieces: Sequence[Piece], size: int) -> list[Sequence[Piece]]:
    return [pieces[start : start + size] for start in range(0, len(pieces), size)]


def _tile(
    pixels: np.ndarray, pieces: Sequence[Piece], size: tuple[int, int], margin: int
) -> np.ndarray:
    """The tile that holds these pieces: (3,h,w) float32 in [0,1]. A piece alone is continued with
    what surrounds it up to the tile's end."""
    height, width = size
    tile = np.zeros((height, width, 3), np.uint8)
    for piece in pieces:
        down, across = piece.height + 2 * margin, piece.width + 2 * margin
        if len(pieces) == 1:
            down, across = height, width
        top, left = piece.top - margin, piece.left - margin
        rows = _within(np.arange(top, top + down), pixels.shape[0])
        columns = _within(np.arange(left, left + across), pixels.shape[1])
        tile[piece.row :, piece.column :][:down, :across] = pixels[rows][:, columns]
    planes = cv2.split(tile)
    return np.stack([cv2.multiply(plane, SHARE_OF_A_LEVEL, dtype=cv2.CV_32F) for plane in planes])


def _within(places: np.ndarray, length: int) -> slice | np.ndarray:
    """Places along a side as an index: a plain range where all lie within it."""
    if places[0] >= 0 and places[-1] < length:
        return slice(places[0], places[-1] + 1)
    return mirrored(places, length)


def mirrored(places: np.ndarray, length: int) -> np.ndarray:
    """Places along a side of `length` pixels, of which those beyond its ends are mirrored at its
    first or last pixel, again and again."""
    if length == 1:
        return np.zeros_like(places)
    places = np.abs(places) % (2 * length - 2)
    return np.minimum(places, 2 * length - 2 - places)


def _planes_of(piece: Piece, tile: np.ndarray, scale: int) -> np.ndarray:
    """What the network made of a piece, of what it made of a whole tile."""
    planes = tile[:, piece.row * scale :, piece.column * scale :]
    return planes[:, : piece.height * scale, : piece.width * scale]


def _levels(planes: np.ndarray, shrink: int, is_grey: bool) -> np.ndarray:
    """Planes (3,H,W) float32 about [0,1] as pixels (H/shrink,W/shrink,3) uint8."""
    if is_grey:
        planes = np.repeat(planes.mean(axis=0, keepdims=True), 3, axis=0)
    if shrink > 1:
        size = planes.shape[2] // shrink, planes.shape[1] // shrink
        planes = np.stack(
            [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
        )
    # OpenCV rounds to the nearest level and cuts off what lies outside, in one pass.
    return cv2.merge([cv2.multiply(plane, LEVELS, dtype=cv2.CV_8U) for plane in planes])
