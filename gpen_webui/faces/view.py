"""A photo as a network sees it: smaller, and turned by quarters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from gpen_webui.face_numbers import Box
from gpen_webui.faces.face import Face
from gpen_webui.faces.turn import box_turned, box_turned_back, points_turned_back


@dataclass(frozen=True, eq=False)
class View:
    """pixels: (h,w,3) uint8 RGB. scale: against the photo, at most 1. turn: by how many quarters
    it is turned counterclockwise. shape: of the photo, (H,W,...)."""

    pixels: np.ndarray
    scale: float
    turn: int
    shape: tuple[int, ...]

    @classmethod
    def of(cls, photo: np.ndarray, scale: float, turn: int = 0) -> View:
        """The view of a photo (H,W,3) uint8 RGB."""
        height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
        pixels = shrunk(photo, (width, height)) if scale < 1 else photo
        return cls(pixels, scale, 0, photo.shape).turned(turn)

    def turned(self, turn: int) -> View:
        """The same view turned by so many more quarters."""
        if not turn:
            return self
        pixels = np.ascontiguousarray(np.rot90(self.pixels, turn))
        return replace(self, pixels=pixels, turn=(self.turn + turn) % 4)

    def box_of(self, face: Face) -> Box:
        """The box of a face of the photo, in pixels of the view."""
        left, top, right, bottom = box_turned(face.box, self.turn, self.shape)
        return left * self.scale, top * self.scale, right * self.scale, bottom * self.scale

    def in_photo(self, face: Face, left: int, top: int) -> Face:
        """A face of a part of the view that begins there, in pixels of the photo."""
        x, y, right, lower = face.box
        shift, scale = np.array((left, top), np.float32), self.scale
        box = ((x + left) / scale, (y + top) / scale, (right + left) / scale, (lower + top) / scale)
        landmarks = (face.landmarks + shift) / np.float32(scale)
        if self.turn:
            box = box_turned_back(box, self.turn, self.shape)
            landmarks = points_turned_back(landmarks, self.turn, self.shape)
        return replace(face, box=box, landmarks=landmarks.astype(np.float32))


def shrunk(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture (H,W,3) uint8 at a smaller size = (width, height), as a network needs it.

    Halved as often as that goes, which is many times faster than averaging over a part of a pixel,
    and interpolated from there. A last row or column that halving leaves over is left out.
    """
    height, width = pixels.shape[:2]
    while width >= 2 * size[0] and height >= 2 * size[1]:
        height, width = height // 2, width // 2
        even = pixels[: 2 * height, : 2 * width]
        pixels = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
