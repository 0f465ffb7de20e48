"""Photos to learn enlarging from, and the samples made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from torch import Tensor

from gpen_webui.enlarging.upconv import MARGIN, SCALE
from gpen_webui.training.enlarging.kinds import MAKERS, maybe_grey
from gpen_webui.training.faces import read_picture, to_tensor
from gpen_webui.training.made_ahead import MadeAhead

JPEG_CELL = 8  # a crop may begin anywhere within one
SHRUNK_SHARE, MOST_SHRUNK = 0.5, 1.7  # of the truths: a coarse photo becomes a fine one
LOOKS = 3  # places of which the busiest is taken: skies teach little


class Batch(NamedTuple):
    """inputs (B,3,H,W), truths (B,3,2(H-14),2(W-14)), both in [0,1]."""

    inputs: Tensor
    truths: Tensor


class EnlargingSamples:
    """Batches of small photos and their truths, a pure function of the step."""

    def __init__(
        self,
        files: list[Path],
        size: int,
        batch: int,
        seed: int,
        kinds: Sequence[str],
        processes: int = 0,
    ):
        """size: side of a truth, even. kinds: evenly mixed. processes: as `MadeAhead` has."""
        self._made = MadeAhead(SampleMaker(files, size, batch, seed, kinds), processes)

    def batch(self, step: int) -> Batch:
        return Batch(*(unit_tensor(part) for part in self._made.at(step)))

    def close(self) -> None:
        self._made.close()


class SampleMaker:
    """Makes the batch of a step when called."""

    def __init__(self, files: list[Path], size: int, batch: int, seed: int, kinds: Sequence[str]):
        self._input = size // SCALE + 2 * MARGIN
        self._canvas = SCALE * (self._input + JPEG_CELL)
        self._batch, self._seed, self._kinds = batch, seed, tuple(kinds)
        unique = list(dict.fromkeys(files))
        pictures = {file: read_picture(file, self._canvas) for file in unique}
        self._pictures = [pictures[file] for file in files]

    def __call__(self, step: int) -> tuple[np.ndarray, ...]:
        """Inputs (B,H,W,3) and truths (B,S,S,3) in levels."""
        samples = [self._sample(step, place) for place in range(self._batch)]
        return tuple(np.stack(parts) for parts in zip(*samples, strict=True))

    def _sample(self, step: int, place: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self._seed, step, place))
        number = step * self._batch + place
        turn, position = divmod(number, len(self._pictures))
        order = np.random.default_rng((self._seed, turn)).permutation(len(self._pictures))
        truth = maybe_grey(self._cut(self._pictures[order[position]], rng), rng)
        truth, photo = MAKERS[self._kinds[number % len(self._kinds)]](truth, rng)
        left, top = rng.integers(0, JPEG_CELL + 1, 2)
        photo = photo[top : top + self._input, left : left + self._input]
        top, left = SCALE * (top + MARGIN), SCALE * (left + MARGIN)
        side = SCALE * (self._input - 2 * MARGIN)
        return photo, truth[top : top + side, left : left + side]

    def _cut(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A square of the canvas's size, shrunk, turned and mirrored at random: float32 levels."""
        side = self._canvas
        if rng.random() < SHRUNK_SHARE:
            side = min(round(side * rng.uniform(1, MOST_SHRUNK)), *picture.shape[:2])
        height, width = picture.shape[:2]
        cuts = []
        for _ in range(LOOKS):
            top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
            cuts.append(picture[top : top + side, left : left + side])
        cut: np.ndarray = max(cuts, key=_busyness).astype(np.float32)
        if side != self._canvas:
            cut = cv2.resize(cut, (self._canvas,) * 2, interpolation=cv2.INTER_AREA)
        cut = np.rot90(cut, int(rng.integers(4)))
        return np.ascontiguousarray(cut[:, ::-1] if rng.random() < 0.5 else cut)


def middle(picture: np.ndarray, largest: int) -> np.ndarray:
    """The largest square in the middle, of at most `largest` pixels a side, a multiple of 4."""
    side = min(largest, *picture.shape[:2]) // 4 * 4
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def unit_tensor(pictures: np.ndarray) -> Tensor:
    """(N,H,W,3) levels -> (N,3,H,W) float32 in [0,1]."""
    return (to_tensor(pictures) + 1) / 2


def _busyness(cut: np.ndarray) -> float:
    green = cut[::2, ::2, 1].astype(np.int16)
    return float(np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean())
