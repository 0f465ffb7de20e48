"""Find where a print is damaged: scratches, cracks, folds, tears, dust, lost emulsion.

A small network of this project looks at the photo in grey at about a megapixel, part by part, and
again at half and quarter the size, at which wide cracks and folds look like those that it knows
(models/scratches.md tells what it is and how it was trained).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.errors import UserError
from gpen_webui.faces.centerface import CenterFace, merged
from gpen_webui.faces.view import View
from gpen_webui.folders import BUNDLED
from gpen_webui.repairing.face_details import without_face_details
from gpen_webui.thread_network import ThreadNetwork

WEIGHTS = BUNDLED / "models" / "scratches.onnx"
WORKING_PIXELS = 1_500_000  # larger photos are shrunk to this before the network sees them
LEAST_PIXELS = 60_000  # of the smallest size at which it looks
PART, MARGIN = 640, 64  # of the network's runs: side of what each decides, and what it sees around
MULTIPLE = 32  # of which the sides must be
# From which a pixel counts as damaged, at the first size and at the smaller ones, at which more of
# a sound photo is thin and bright.
PROBABILITY, COARSE_PROBABILITY = 0.8, 0.95
FACES_SIDE = 960  # long side of a look for faces
RIM = 1  # working pixels around damage that its blur reaches


class ScratchDetectorError(UserError):
    """The network's file is missing or damaged."""


class ScratchDetector:
    """Finds damage; may be called from many threads, each of which gets its own network.

    faces: looks for faces, exactly; without it one is opened for the first photo with damage.
    """

    def __init__(self, weights: Path = WEIGHTS, faces: CenterFace | None = None):
        self._given_faces = faces
        self._network = ThreadNetwork(
            weights,
            cv2.dnn.readNetFromONNX,
            ScratchDetectorError,
            missing=f"{weights}, which finds scratches, is missing; fetch this program's files "
            "anew.",
            damaged=f"{weights}, which finds scratches, is damaged; fetch this program's files "
            "anew.",
        )

    def find(self, pixels: np.ndarray, rim: int = RIM) -> Generator[float, None, np.ndarray]:
        """Where a photo (H,W,3) uint8 RGB is damaged, (H,W) bool. Yields before each part which
        share of them is done, 0-1.

        rim: how many pixels, of those that the network sees, are taken in around the damage.
        The same photo gives the same mask, whatever else is running. Raises
        ScratchDetectorError, and DetectorError of the network that finds faces.
        """
        sizes = list(_sizes(working_grey(pixels)))
        total, done = sum(grey.size for grey, _ in sizes), 0
        found = np.zeros(sizes[0][0].shape, bool)
        for grey, limit in sizes:
            here = np.zeros(grey.shape, np.uint8)
            for rows, columns in _parts(grey.shape):
                yield done / total
                part = self._probability(grey, rows, columns) > limit
                here[rows, columns] = part
                done += part.size
            found |= enlarged(cv2.dilate(here, disc(rim)) > 0, found.shape)
        if found.any():
            found = without_face_details(found, self._faces_in(pixels, found.shape))
        return enlarged(found, pixels.shape[:2])

    @cached_property
    def _faces(self) -> CenterFace:
        return self._given_faces or CenterFace()

    def _faces_in(self, pixels: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
        """Landmarks (5,2) of the faces of a photo, in pixels of its mask of that shape."""
        longest = max(pixels.shape[:2])
        seen = self._faces.look_at(View.of(pixels, min(longest, FACES_SIDE) / longest))
        scale = shape[1] / pixels.shape[1]
        return [(face.landmarks + 0.5) * scale - 0.5 for face in merged(seen)]

    def _probability(self, grey: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        seen = tuple(
            slice(max(0, part.start - MARGIN), min(side, part.stop + MARGIN))
            for part, side in zip((rows, columns), grey.shape, strict=True)
        )
        window = grey[seen]
        height, width = window.shape
        padded = cv2.copyMakeBorder(
            window, 0, -height % MULTIPLE, 0, -width % MULTIPLE, cv2.BORDER_REPLICATE
        )
        network = self._network.get()
        network.setInput(padded[None, None].astype(np.float32) / 255)
        damage = network.forward()[0, 0, :height, :width]
        top, left = rows.start - seen[0].start, columns.start - seen[1].start
        return damage[top:, left:][: rows.stop - rows.start, : columns.stop - columns.start]


def _sizes(grey: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """The sizes at which the network looks at a photo, and from which probability on it counts."""
    yield grey, PROBABILITY
    while grey.size >= 4 * LEAST_PIXELS:
        half = (max(1, grey.shape[1] // 2), max(1, grey.shape[0] // 2))
        grey = cv2.resize(grey, half, interpolation=cv2.INTER_AREA)
        yield grey, COARSE_PROBABILITY


def working_grey(pixels: np.ndarray) -> np.ndarray:
    """What the network sees of a photo (H,W,3) uint8 RGB: (h,w) uint8."""
    height, width = pixels.shape[:2]
    scale = min(1.0, (WORKING_PIXELS / (height * width)) ** 0.5)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def enlarged(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A mask (h,w) bool at another size (H,W), its edges smooth."""
    if mask.shape == tuple(shape):
        return mask
    levels = mask.astype(np.uint8) * 255
    return cv2.resize(levels, shape[1::-1], interpolation=cv2.INTER_LINEAR) >= 128


def disc(radius: int) -> np.ndarray:
    """(2r+1,2r+1) uint8, to grow masks with."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _parts(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    height, width = shape
    for top in range(0, height, PART):
        for left in range(0, width, PART):
            yield (
                slice(top, min(top + PART, height)),
                slice(left, min(left + PART, width)),
            )
