"""A photo of the face that comes with the program: by it machines are tried and compared."""

from __future__ import annotations

import cv2
import numpy as np

from gpen_webui.engines.quality import read_face
from gpen_webui.photo.photo import Photo


def photo_of_face(side: int, margin: int, name: str, format: str) -> Photo:
    """The face in a square of so many pixels, with a margin that continues it."""
    face = cv2.resize(read_face(), (side, side), interpolation=cv2.INTER_AREA)
    margins = (margin,) * 4
    pixels = cv2.copyMakeBorder(face[..., ::-1], *margins, cv2.BORDER_REFLECT)
    return Photo(pixels=np.ascontiguousarray(pixels), name=name, format=format)
