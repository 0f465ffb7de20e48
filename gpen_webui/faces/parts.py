"""Of what was told of a face's pixels, a soft mask of what is face."""

from __future__ import annotations

import math

import cv2
import numpy as np

from gpen_webui.faces.blend import face_mask
from gpen_webui.parsing.recognise import CLASSES, NOT_FACE, SIDE

BLUR = 11 * math.sqrt(2)  # pixels; GPEN's authors blur by 11 twice, which is the same
LEAST_FACE = 0.1  # of what the feather shows; with less of it a face was not recognised

IS_FACE = np.array([name not in NOT_FACE for name in CLASSES], np.float32)


def soft_mask(classes: np.ndarray) -> np.ndarray | None:
    """How far each pixel is face, (512,512) float32, 0-1; None where hardly any is.

    classes: (512,512) uint8, numbers of `recognise.CLASSES`.
    """
    mask = cv2.GaussianBlur(IS_FACE[classes], (0, 0), BLUR, borderType=cv2.BORDER_REPLICATE)
    feather = face_mask(SIDE)
    if float((mask * feather).sum()) < LEAST_FACE * float(feather.sum()):
        return None
    return np.clip(mask, 0, 1)
