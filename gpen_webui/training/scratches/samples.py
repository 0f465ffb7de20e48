"""Training samples of damaged prints: grey pictures, and where they are damaged.

Every random number comes from (seed, step, place in the batch), as in `samples.py`.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from gpen_webui.errors import UserError
from gpen_webui.training.degrade import gaussian_blur, jpeg, to_levels
from gpen_webui.training.old_print import add_grain, foxing, halftone, stains
from gpen_webui.training.scratches.damage import wear
from gpen_webui.training.scratches.thin_structures import add_thin_structures

SOUND_SHARE = 0.35  # of the pictures: without any damage
THIN_SHARE, GRAIN_SHARE, HALFTONE_SHARE, STAINED_SHARE, BORDER_SHARE = 0.4, 0.7, 0.08, 0.12, 0.12
SOFT_SHARE, SCAN_BLUR_SHARE, JPEG_SHARE = 0.5, 0.5, 0.6
ZOOM = (0.45, 1.6)  # of the photo's pixels in a sample's
# Of the sound pictures that are trained on: how many are the busiest of some parts, and as they are
# in the photo; seen smaller, as large photos are looked at, more of a picture is thin and bright.
BUSIEST_SHARE, BUSIEST_OF, UNPRINTED_SHARE, SOUND_ZOOM = 0.6, 4, 0.5, (0.25, 1.6)
THIN = np.ones((5, 5), np.uint8)  # wider than what is thin


def read_grey(file: Path) -> np.ndarray:
    """A photo as (H,W) uint8. Raises UserError where it cannot be read."""
    grey = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise UserError(f"{file.name} cannot be read as a picture; take it out of the folder.")
    return grey


def printed(photo: np.ndarray, size: int, rng: Generator) -> np.ndarray:
    """A part of a photo (H,W) uint8 as an old print without damage: (S,S,1) float32 in levels."""
    return _printed(_part(photo, size, rng), rng)


def _printed(part: np.ndarray, rng: Generator) -> np.ndarray:
    """A picture (S,S) float32 as an old print: (S,S,1)."""
    picture = part[:, :, None]
    if rng.random() < THIN_SHARE:
        picture = add_thin_structures(picture, rng)
    if rng.random() < SOFT_SHARE:
        sigma = rng.uniform(0.3, 1.6)
        picture = _as_planes(gaussian_blur(picture, sigma, sigma, 0))
    picture = _toned(picture, rng)
    colours = np.repeat(picture, 3, axis=2)
    if rng.random() < STAINED_SHARE:
        colours = (stains if rng.random() < 0.6 else foxing)(colours, rng)
    if rng.random() < GRAIN_SHARE:
        colours = add_grain(colours, rng, rng.uniform(0, 1) ** 2 * 14)
    if rng.random() < HALFTONE_SHARE:
        colours = halftone(colours, rng)
    picture = to_levels(colours[:, :, :1])
    if rng.random() < BORDER_SHARE:
        _add_border(picture, rng)
    return picture.astype(np.float32)


def scanned(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """What a scanner and a file make of a print (S,S,1) float32."""
    if rng.random() < SCAN_BLUR_SHARE:
        sigma = rng.uniform(0.2, 0.9)
        picture = _as_planes(gaussian_blur(picture, sigma, sigma, 0))
    noise = rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(0, 3))
    picture = to_levels(picture + noise)
    if rng.random() < JPEG_SHARE:
        picture = jpeg(np.repeat(picture, 3, axis=2), rng.uniform(40, 96))[:, :, :1]
    return picture


def sample(
    photo: np.ndarray, size: int, rng: Generator, *, sound_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """A print (S,S) uint8 and where it is damaged (S,S) bool, from a photo (H,W) uint8.

    sound_share: how likely it has no damage.
    """
    picture = printed(photo, size, rng)
    damaged = np.zeros((size, size), bool)
    if rng.random() >= sound_share:
        picture, damaged = wear(picture, rng)
    levels = np.rint(to_levels(scanned(picture, rng)))
    return levels[:, :, 0].astype(np.uint8), damaged


def sound_sample(photo: np.ndarray, size: int, rng: Generator) -> np.ndarray:
    """A picture without damage (S,S) uint8 of a photo (H,W) uint8, such as are easily taken for
    damaged: busy ones, photos as they are, old prints."""
    count = BUSIEST_OF if rng.random() < BUSIEST_SHARE else 1
    part = max((_part(photo, size, rng, SOUND_ZOOM) for _ in range(count)), key=_busyness)
    if rng.random() < UNPRINTED_SHARE:
        picture = np.rint(to_levels(part[:, :, None]))
    else:
        picture = np.rint(to_levels(scanned(_printed(part, rng), rng)))
    return picture[:, :, 0].astype(np.uint8)


class DamageSamples:
    """Batches made ahead by a thread; batch(step) is a pure function of the step."""

    def __init__(self, files: list[Path], size: int, batch: int, seed: int):
        unique = list(dict.fromkeys(files))
        places = {file: place for place, file in enumerate(unique)}
        self._photos = [read_grey(file) for file in unique]
        self._places = [places[file] for file in files]
        self.size, self._batch, self._seed = size, batch, seed
        self._thread = ThreadPoolExecutor(1, "samples")
        self._ahead: dict[int, Future] = {}

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures (B,1,S,S) float32 in [0,1], and where they are damaged, 0 or 1."""
        future = self._ahead.pop(step, None) or self._thread.submit(self._make, step)
        if step + 1 not in self._ahead:
            self._ahead[step + 1] = self._thread.submit(self._make, step + 1)
        pictures, masks = future.result()
        return torch.from_numpy(pictures)[:, None], torch.from_numpy(masks)[:, None]

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    def _make(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        pairs = []
        for place in range(self._batch):
            rng = np.random.default_rng((self._seed, step, place))
            photo = self._photos[self._places[rng.integers(len(self._places))]]
            if rng.random() < SOUND_SHARE:
                sound = sound_sample(photo, self.size, rng)
                pairs.append((sound, np.zeros(sound.shape, bool)))
            else:
                pairs.append(sample(photo, self.size, rng, sound_share=0))
        pictures, masks = (np.stack(parts) for parts in zip(*pairs, strict=True))
        return pictures.astype(np.float32) / 255, masks.astype(np.float32)


def _part(
    photo: np.ndarray, size: int, rng: Generator, sizes: tuple[float, float] = ZOOM
) -> np.ndarray:
    """(S,S) float32: any part, at any of the sizes, turned by quarters and mirrored."""
    smallest = size / min(photo.shape)
    zoom = max(smallest, float(np.exp(rng.uniform(*np.log(sizes)))))
    side = min(round(size / zoom), *photo.shape)
    top, left = (int(rng.integers(0, length - side + 1)) for length in photo.shape)
    part = photo[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    part = cv2.resize(part, (size, size), interpolation=method)
    part = np.rot90(part, int(rng.integers(4)) if rng.random() < 0.3 else 0)
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return np.ascontiguousarray(part, np.float32)


def _busyness(part: np.ndarray) -> float:
    """How much of a picture is thin and brighter than what is around, on average."""
    return float((part - cv2.morphologyEx(part, cv2.MORPH_OPEN, THIN)).mean())


def _toned(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Between an ink and a paper of their own, often flat."""
    light = (picture / 255) ** np.exp(rng.normal(0, 0.3))
    ink, paper = 80 * rng.random() ** 2, 255 - 110 * rng.random() ** 2
    return (ink + light * (paper - ink)).astype(np.float32)


def _add_border(picture: np.ndarray, rng: Generator) -> None:
    """The paper's or the scanner's margin along one or two sides, straight and plain."""
    for _ in range(1 + rng.integers(2)):
        depth = int(rng.integers(2, max(3, len(picture) // 6)))
        tone = rng.uniform(0, 30) if rng.random() < 0.4 else rng.uniform(200, 255)
        side = np.rot90(picture, int(rng.integers(4)))
        side[:depth] = tone


def _as_planes(picture: np.ndarray) -> np.ndarray:
    """OpenCV drops the last axis of grey pictures."""
    return picture if picture.ndim == 3 else picture[:, :, None]
