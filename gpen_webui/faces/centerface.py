"""CenterFace (Xu et al., arXiv:1911.03599): faces and their five landmarks in one look at a photo.

Weights: models/centerface.onnx, MIT licence (models/centerface.LICENSE).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.face_numbers import Box
from gpen_webui.faces.centerface_network import CenterFaceNetwork
from gpen_webui.faces.face import Face
from gpen_webui.faces.view import View
from gpen_webui.folders import BUNDLED

WEIGHTS = BUNDLED / "models" / "centerface.onnx"
RANGES = BUNDLED / "models" / "centerface.ranges.json"
BAND_PIXELS = 1_250_000  # given to the network at once: it takes 220 bytes for each
BAND_OVERLAP = 192
MIN_SCORE = 0.5
MAX_OVERLAP = 0.3  # of two boxes that share more of their union, only the better is a face
MAX_INSIDE = 0.6  # nor is one a face that lies so much inside a better one (an eye, a hand)
STRIDE = 4  # one cell of the output map is 4 x 4 input pixels
MULTIPLE = 32  # the network halves its input five times
# What is shown of a face by itself: so many times its longer side, or the next larger of these.
SURROUNDINGS = 1.6
SHOWN_WHOLE = 320  # pixels of a view's longer side up to which all of it is shown
NEAR_SIDES = (96, 128, 192, 256, 320, 448, 640, 960)


class CenterFace:
    """Looks at pictures; may be called from many threads.

    workers: how many will call at once. cache: folder of compiled models, or None. finds: it is
    computed in 8 bits where that is faster, which finds the same faces, but places their landmarks
    by 1 to 3 % of the width elsewhere. Raises DetectorError where the weights are missing, and
    whoever uses it, where they are damaged.
    """

    def __init__(
        self,
        weights: Path = WEIGHTS,
        workers: int = 1,
        cache: Path | None = None,
        *,
        finds: bool = False,
    ):
        self._network = CenterFaceNetwork(weights, RANGES if finds else None, workers, cache)

    def prepare(self) -> None:
        """Open the network now, instead of with the first look."""
        self._network.prepare()

    def look_at(self, view: View, least: float = MIN_SCORE) -> list[Face]:
        """The faces that show in a view of a photo, in the photo's pixels.

        least: the score from which on a face counts. In bands of bounded memory.
        """
        height, width = view.pixels.shape[:2]
        faces = []
        for top, bottom in _bands(width, height):
            for face in self.look(view.pixels[top:bottom], least):
                # A face cut by a band's edge is whole in the next band, or large enough to be
                # found at a smaller scale.
                if (face.box[1] >= 0 or top == 0) and (
                    face.box[3] <= bottom - top or bottom == height
                ):
                    faces.append(view.in_photo(face, 0, top))
        return faces

    def look_near(self, view: View, face: Face) -> Face | None:
        """What shows of a face that was found in the view, in the photo's pixels, if it does.

        The network is shown no more than what lies around it.
        """
        left, top, right, bottom = surroundings(view, face)
        seen = merged(self.look(view.pixels[top:bottom, left:right]))
        placed = (view.in_photo(other, left, top) for other in seen)
        return next((other for other in placed if is_same_face(other, face)), None)

    def look(self, pixels: np.ndarray, least: float = MIN_SCORE) -> list[Face]:
        """What one run of the network finds in a picture (H,W,3) uint8 RGB, in its pixels; a face
        may be found more than once."""
        height, width = pixels.shape[:2]
        # Padding, not stretching: the landmarks keep their proportions.
        padded = cv2.copyMakeBorder(
            pixels, 0, -height % MULTIPLE, 0, -width % MULTIPLE, cv2.BORDER_CONSTANT
        )
        heat, size, offset, landmarks = self._network.run(padded)
        rows, columns = np.nonzero(heat[0] >= least)
        heights, widths = np.exp(size[:, rows, columns]) * STRIDE
        tops = (rows + offset[0, rows, columns] + 0.5) * STRIDE - heights / 2
        lefts = (columns + offset[1, rows, columns] + 0.5) * STRIDE - widths / 2
        boxes = np.stack((lefts, tops, lefts + widths, tops + heights), axis=1).tolist()
        # Five landmarks a face, each y, x in parts of its box.
        parts = landmarks[:, rows, columns].T.reshape(-1, 5, 2)[:, :, ::-1]
        corners, sides = np.stack((lefts, tops), axis=1), np.stack((widths, heights), axis=1)
        points = (corners[:, None] + parts * sides[:, None]).astype(np.float32)
        scores = heat[0, rows, columns].tolist()
        return [
            Face(tuple(box), at, score)
            for box, at, score in zip(boxes, points, scores, strict=True)
        ]

    def free_memory(self) -> None:
        """Give back what the network holds for the next look, up to 220 bytes for each pixel of
        the largest picture that it was given."""
        self._network.free_memory()


def surroundings(view: View, face: Face) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what a view shows around a face, in its pixels.

    Squares of a few sizes, as each new one costs some time, and in steps of what the network
    divides a picture into, so that it sees the same as in the whole view.
    """
    height, width = view.pixels.shape[:2]
    if max(height, width) <= SHOWN_WHOLE:
        return 0, 0, width, height
    left, top, right, bottom = view.box_of(face)
    wanted = SURROUNDINGS * max(right - left, bottom - top)
    side = next((side for side in NEAR_SIDES if side >= wanted), NEAR_SIDES[-1])
    x, y = (
        max(0, min(round((middle - side / 2) / MULTIPLE) * MULTIPLE, most - side))
        for middle, most in (((left + right) / 2, width), ((top + bottom) / 2, height))
    )
    return x, y, min(x + side, width), min(y + side, height)


def _bands(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Top and bottom of overlapping bands that cover a picture, evenly high."""
    rows = max(3 * BAND_OVERLAP, BAND_PIXELS // width)
    if height <= rows:
        yield 0, height
        return
    count = math.ceil((height - BAND_OVERLAP) / (rows - BAND_OVERLAP))
    step = (height - BAND_OVERLAP) / count
    for number in range(count):
        yield round(number * step), round((number + 1) * step) + BAND_OVERLAP


def merged(faces: list[Face]) -> list[Face]:
    """Of faces that overlap the one with the best score (non-maximum suppression); one without
    doubt comes before one with it."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: (face.doubt is not None, -face.score, face.box)):
        if not any(is_same_face(face, other) for other in kept):
            kept.append(face)
    return kept


def is_same_face(first: Face, second: Face) -> bool:
    """Whether two boxes have too much in common to be two faces."""
    common, areas = _areas_of(first.box, second.box)
    return common > MAX_OVERLAP * (sum(areas) - common) or common > MAX_INSIDE * min(areas)


def overlap(first: Box, second: Box) -> float:
    """The part of two boxes' union that they have in common."""
    common, areas = _areas_of(first, second)
    return common / (sum(areas) - common)


def _areas_of(a: Box, b: Box) -> tuple[float, tuple[float, float]]:
    """The area that two boxes have in common, and that of each."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    first, second = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height, (first, second)
