"""Find faces and their five landmarks with CenterFace (Xu et al., arXiv:1911.03599).

The network sees the photo at a middle size, and mostly that is enough. Where it finds no face,
a large one or only small ones, it also looks at a small size, at which it places the landmarks
of large faces better, and what was found is merged. Only where that shows small faces, or none,
may there be smaller ones still, and another look is worth four times the time.

Weights: models/centerface.onnx, MIT licence (models/centerface.LICENSE).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.errors import UserError
from gpen_webui.folders import BUNDLED

WEIGHTS = BUNDLED / "models" / "centerface.onnx"
SMALL_PASS = 320  # long side in pixels; finds the largest faces
# Long side of the other passes: half the photo's, within these. A face is found from about 14
# pixels on, so the middle pass misses what is narrower than 1.5 to 2.2 % of a photo.
MIDDLE_PASS, LARGE_PASS = (640, 960), (960, 1920)
# Of the photo's long side. People who stand so far away that they are smaller come in groups. The
# landmarks of larger faces are up to 9 % of the face's width better placed at the small size.
SMALL_FACE, LARGE_FACE = 0.1, 0.3
BAND_PIXELS = 1_250_000  # given to the network at once: it takes 220 bytes for each
BAND_OVERLAP = 192
MIN_SCORE = 0.5
MAX_OVERLAP = 0.3  # of two boxes that share more of their union, only the better is a face
MAX_INSIDE = 0.6  # nor is one a face that lies so much inside a better one (an eye, a hand)
STRIDE = 4  # one cell of the output map is 4 x 4 input pixels
MULTIPLE = 32  # the network halves its input five times
OUTPUTS = ("537", "538", "539", "540")  # heat map, log size / 4, offset, landmarks


class DetectorError(UserError):
    """The detector's weights are missing or damaged."""


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photo.

    box: left, top, right, bottom in photo pixels, which may lie outside the photo.
    landmarks: (5,2) float32 photo pixels: left eye, right eye, nose, left and right corner of
    the mouth, left and right as seen in the picture. score: 0-1.
    """

    box: tuple[float, float, float, float]
    landmarks: np.ndarray
    score: float

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]


class FaceDetector:
    """Finds faces; may be called from many threads, each of which gets its own network."""

    def __init__(self, weights: Path = WEIGHTS):
        if not weights.is_file():
            raise DetectorError(
                f"The face detector {weights} is missing; fetch this program's files anew."
            )
        self._weights = weights
        self._of_thread = threading.local()

    def detect(self, pixels: np.ndarray) -> list[Face]:
        """All faces of a photo (H,W,3) uint8 RGB, from left to right and top to bottom.

        The same photo gives the same faces, whatever else is running.
        """
        longest = max(pixels.shape[:2])
        middle, large = (
            min(longest, float(np.clip(longest / 2, *limits)))
            for limits in (MIDDLE_PASS, LARGE_PASS)
        )
        faces = _merge(self._detect_at(pixels, middle / longest)) if middle > SMALL_PASS else []
        largest = max((face.width / longest for face in faces), default=0.0)
        if not SMALL_FACE <= largest <= LARGE_FACE:
            faces = _merge(faces + self._detect_at(pixels, min(SMALL_PASS, longest) / longest))
        has_large_faces_only = faces and min(face.width for face in faces) >= SMALL_FACE * longest
        if large > middle and not has_large_faces_only:
            faces = faces + self._detect_at(pixels, large / longest)
        return sorted(_merge(faces), key=lambda face: (face.box[0], face.box[1]))

    def _detect_at(self, pixels: np.ndarray, scale: float) -> list[Face]:
        """The faces that show at this scale, in bands of bounded memory."""
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        small = pixels
        if scale < 1:
            small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        faces = []
        for top, bottom in _bands(width, height):
            for face in self._detect_in(small[top:bottom]):
                # A face cut by a band's edge is whole in the next band, or large enough to be
                # found at a smaller scale.
                if (face.box[1] >= 0 or top == 0) and (
                    face.box[3] <= bottom - top or bottom == height
                ):
                    faces.append(_placed(face, top, scale))
        return faces

    def _detect_in(self, pixels: np.ndarray) -> list[Face]:
        """What one run of the network finds, in pixels of the picture given."""
        height, width = pixels.shape[:2]
        # Padding, not stretching: the landmarks keep their proportions.
        padded = cv2.copyMakeBorder(
            pixels, 0, -height % MULTIPLE, 0, -width % MULTIPLE, cv2.BORDER_CONSTANT
        )
        network = self._network()
        network.setInput(cv2.dnn.blobFromImage(padded))
        heat, size, offset, landmarks = (output[0] for output in network.forward(OUTPUTS))
        faces = []
        for row, column in zip(*np.nonzero(heat[0] >= MIN_SCORE), strict=True):
            face_height, face_width = np.exp(size[:, row, column]) * STRIDE
            top = (row + offset[0, row, column] + 0.5) * STRIDE - face_height / 2
            left = (column + offset[1, row, column] + 0.5) * STRIDE - face_width / 2
            points = landmarks[:, row, column].reshape(5, 2)  # each y, x in parts of the box
            x, y = left + points[:, 1] * face_width, top + points[:, 0] * face_height
            right, bottom = left + face_width, top + face_height
            box = (float(left), float(top), float(right), float(bottom))
            at = np.stack((x, y), axis=1).astype(np.float32)
            faces.append(Face(box, at, float(heat[0, row, column])))
        return faces

    def _network(self) -> cv2.dnn.Net:
        if not hasattr(self._of_thread, "network"):
            try:
                self._of_thread.network = cv2.dnn.readNetFromONNX(str(self._weights))
            except cv2.error as error:
                raise DetectorError(
                    f"The face detector {self._weights} is damaged; fetch this program's files "
                    "anew."
                ) from error
        return self._of_thread.network


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


def _placed(face: Face, top: int, scale: float) -> Face:
    """A face found in a band that begins at `top` of the photo at some scale, in the photo."""
    left, upper, right, lower = face.box
    box = (left / scale, (upper + top) / scale, right / scale, (lower + top) / scale)
    landmarks = (face.landmarks + np.array((0, top), np.float32)) / np.float32(scale)
    return Face(box, landmarks, face.score)


def _merge(faces: list[Face]) -> list[Face]:
    """Of faces that overlap keep the one with the best score (non-maximum suppression)."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: (-face.score, face.box)):
        if not any(_is_same_face(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def _is_same_face(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return False
    common = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return common > MAX_OVERLAP * (sum(areas) - common) or common > MAX_INSIDE * min(areas)
