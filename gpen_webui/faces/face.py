"""A face in a photo."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gpen_webui.face_numbers import DrawnBox


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
