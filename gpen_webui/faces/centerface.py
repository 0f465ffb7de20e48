"""CenterFace (Xu et al., arXiv:1911.03599): faces and their five landmarks in one look at a photo.

Weights: models/centerface.onnx, MIT licence (models/centerface.LICENSE).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.errors import UserError
from gpen_webui.face_numbers import Box, DrawnBox
from gpen_webui.faces.turn import box_turned_back, points_turned_back
from gpen_webui.folders import BUNDLED
from gpen_webui.thread_network import ThreadNetwork

WEIGHTS = BUNDLED / "models" / "centerface.onnx"
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
    the mouth, left and right as seen with the face upright. score: 0-1. doubt: why it is better
    left alone; None for a face that may be restored. drawn: the box that the user drew around it.
    is_guess: nothing was recognised in that, so the landmarks only say that a face fills it.
    """

    box: tuple[float, float, float, float]
    landmarks: np.ndarray
    score: float
    doubt: str | None = None
    drawn: DrawnBox | None = None
    is_guess: bool = False

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def roll(self) -> float:
        """By how many degrees the line of the eyes is turned clockwise, -180 to 180."""
        across, down = self.landmarks[1] - self.landmarks[0]
        return math.degrees(math.atan2(down, across))


class CenterFace:
    """The network; may be called from many threads, each of which gets its own."""

    def __init__(self, weights: Path = WEIGHTS):
        self._network = ThreadNetwork(
            weights,
            cv2.dnn.readNetFromONNX,
            DetectorError,
            missing=f"The face detector {weights} is missing; fetch this program's files anew.",
            damaged=f"The face detector {weights} is damaged; fetch this program's files anew.",
        )
        self._network.check()

    def look_at(
        self, pixels: np.ndarray, scale: float, least: float = MIN_SCORE, turn: int = 0
    ) -> list[Face]:
        """The faces that show in a photo (H,W,3) uint8 RGB, in its pixels.

        scale: at which it is looked at, at most 1. least: the score from which on a face counts.
        turn: by how many quarters the photo is turned counterclockwise first. In bands of bounded
        memory.
        """
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        small = pixels
        if scale < 1:
            small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        if turn:
            small = np.ascontiguousarray(np.rot90(small, turn))
        height, width = small.shape[:2]
        faces = []
        for top, bottom in _bands(width, height):
            for face in self.look(small[top:bottom], least):
                # A face cut by a band's edge is whole in the next band, or large enough to be
                # found at a smaller scale.
                if (face.box[1] >= 0 or top == 0) and (
                    face.box[3] <= bottom - top or bottom == height
                ):
                    faces.append(_placed(face, top, scale))
        if not turn:
            return faces
        return [_turned_back(face, turn, pixels.shape) for face in faces]

    def look(self, pixels: np.ndarray, least: float = MIN_SCORE) -> list[Face]:
        """What one run of the network finds in a picture (H,W,3) uint8 RGB, in its pixels; a face
        may be found more than once."""
        height, width = pixels.shape[:2]
        # Padding, not stretching: the landmarks keep their proportions.
        padded = cv2.copyMakeBorder(
            pixels, 0, -height % MULTIPLE, 0, -width % MULTIPLE, cv2.BORDER_CONSTANT
        )
        network = self._network.get()
        network.setInput(cv2.dnn.blobFromImage(padded))
        heat, size, offset, landmarks = (output[0] for output in network.forward(OUTPUTS))
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
        """Give back what this thread's network holds, 220 bytes for each pixel of the largest
        picture that it was given; the next look takes a tenth of a second longer."""
        self._network.free()


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
    common, areas = areas_of(first.box, second.box)
    return common > MAX_OVERLAP * (sum(areas) - common) or common > MAX_INSIDE * min(areas)


def areas_of(a: Box, b: Box) -> tuple[float, tuple[float, float]]:
    """The area that two boxes have in common, and that of each."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    first, second = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height, (first, second)


def _turned_back(face: Face, turn: int, shape: tuple[int, ...]) -> Face:
    """A face of the turned photo in the photo as it was."""
    box = box_turned_back(face.box, turn, shape)
    landmarks = points_turned_back(face.landmarks, turn, shape)
    return replace(face, box=box, landmarks=landmarks.astype(np.float32))
