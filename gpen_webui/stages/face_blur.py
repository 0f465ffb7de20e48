"""How blurred a face is: by which blur the network's face becomes most like it.

That a face has noise or not makes no difference, as noise is like no face; a measure of edges alone
would take it for detail.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from gpen_webui.faces.align import warp

SIDE = 128  # pixels of the crops that are compared
FACE_WIDTH = 0.48 * SIDE  # of the detector's boxes in them, on average
ROWS, COLUMNS = slice(36, 102), slice(36, 92)  # where an upright crop shows the face itself
SIGMAS = (0.0, *np.geomspace(0.35, 10, 18).tolist())
COARSE = 10.0  # what is coarser is light and shade, which no blur changes


def sharp_face(restored: np.ndarray) -> np.ndarray:
    """What other crops of the same face are compared with: (128,128) float32, of the network's
    (S,S,3) float32 RGB, 0-255."""
    grey = cv2.cvtColor(restored, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def blurs_in(
    views: Sequence[tuple[np.ndarray, np.ndarray]], size: int, sharp: np.ndarray
) -> list[float]:
    """The standard deviation of a face's blur in percent of its width, in each view of it.

    views: pixels, (H,W,3) uint8 RGB, and the matrix, (2,3), from there to the crop of `size`
    pixels. sharp: by `sharp_face`.
    """
    details = _details(sharp)
    stack = [_blurred(details, sigma) for sigma in SIGMAS]
    blurs = []
    for pixels, matrix in views:
        crop = warp(pixels, matrix * (SIDE / size), (SIDE, SIDE))
        wanted = _details(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32))
        errors = [_apart(blurred, wanted) for blurred in stack]
        blurs.append(round(100 * SIGMAS[int(np.argmin(errors))] / FACE_WIDTH, 2))
    return blurs


def _details(grey: np.ndarray) -> np.ndarray:
    return grey - _blurred(grey, COARSE)


def _blurred(grey: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(grey, (0, 0), sigma) if sigma else grey


def _apart(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.mean((first[ROWS, COLUMNS] - second[ROWS, COLUMNS]) ** 2))
