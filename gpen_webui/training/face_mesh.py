"""Where eyes and lips lie on an aligned face: outlines by the face mesh (faces/mesh.py).

Of its 468 points those around the openings of the eyes and around the lips are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from gpen_webui.faces.mesh import SIDE, FaceMesh, matrix_of

MIN_SCORE = 0.5
EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
LIDS, EDGE = 0.012, 0.008  # of the side: lids belong to an eye; how soft an outline's edge is


@dataclass(frozen=True)
class Outlines:
    """eyes: two of (16,2), lips: (20,2); x and y in pixels of the face they were found on."""

    eyes: tuple[np.ndarray, np.ndarray]
    lips: np.ndarray

    def moved(self, matrix: np.ndarray) -> Outlines:
        """On a face that was moved by a (2,3) matrix, as cv2.warpAffine does."""
        left, right, lips = (
            points @ matrix[:, :2].T + matrix[:, 2] for points in (*self.eyes, self.lips)
        )
        return Outlines((left, right), lips)

    def drawn(self, size: int) -> np.ndarray:
        """(S,S) float32: 1 within eyes with their lids, half within lips, 0 elsewhere; soft."""
        mask = np.zeros((size, size), np.float32)
        cv2.fillPoly(mask, [_pixels(self.lips)], 0.5, cv2.LINE_AA)
        eyes = [_pixels(eye) for eye in self.eyes]
        cv2.fillPoly(mask, eyes, 1.0, cv2.LINE_AA)
        cv2.polylines(mask, eyes, True, 1.0, max(1, round(2 * LIDS * size)), cv2.LINE_AA)
        return cv2.GaussianBlur(mask, (0, 0), EDGE * size)


class OutlineFinder:
    """Finds outlines on aligned faces; a face takes a few milliseconds on a CPU."""

    def __init__(self):
        self._mesh = FaceMesh()

    def outlines(self, face: np.ndarray) -> Outlines | None:
        """face: aligned, (S,S,3) uint8 RGB. None where the mesh sees no face."""
        matrix = matrix_of(np.eye(2, 3), face.shape[0])
        points, score = self._mesh.look(cv2.warpAffine(face, matrix, (SIDE, SIDE)))
        if score < MIN_SCORE:
            return None
        back = cv2.invertAffineTransform(matrix)
        places = points @ back[:, :2].T + back[:, 2]
        left, right = (places[list(eye)] for eye in EYES)
        return Outlines((left, right), places[list(LIPS)])


def _pixels(points: np.ndarray) -> np.ndarray:
    return np.rint(points).astype(np.int32)
