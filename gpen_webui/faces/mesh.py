"""MediaPipe's face mesh: 468 points on an upright face, and whether there is one.

Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019.
Weights: models/face-mesh.tflite, Apache-2.0 (models/face-mesh.LICENSE), from the package mediapipe
0.10.21.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.errors import UserError
from gpen_webui.faces.align import crop_matrix, warp
from gpen_webui.folders import BUNDLED
from gpen_webui.thread_network import ThreadNetwork

WEIGHTS = BUNDLED / "models" / "face-mesh.tflite"
SIDE = 192  # pixels of what the mesh looks at
REGION = (0.5, 0.55, 0.7)  # of an aligned face: middle across and down, side
OUTPUTS = ("conv2d_21", "conv2d_31")  # points; the odds that they lie on a face, as a logarithm


class MeshError(UserError):
    """The mesh's weights are missing or damaged."""


class FaceMesh:
    """The network; may be called from many threads, each of which gets its own."""

    def __init__(self, weights: Path = WEIGHTS):
        self._network = ThreadNetwork(
            weights,
            # The other engine gives the points alone.
            partial(cv2.dnn.readNetFromTFLite, engine=cv2.dnn.ENGINE_CLASSIC),
            MeshError,
            missing=f"The face mesh {weights} is missing; fetch this program's files anew.",
            damaged=f"The face mesh {weights} is damaged; fetch this program's files anew.",
        )
        self._network.check()

    def presence(self, pixels: np.ndarray, landmarks: np.ndarray) -> float:
        """How sure it is, 0-1, that a face lies upright where five landmarks (5,2) of a photo
        (H,W,3) uint8 RGB say."""
        return self.look(warp(pixels, matrix_of(crop_matrix(landmarks, SIDE), SIDE), (SIDE, SIDE)))[
            1
        ]

    def look(self, seen: np.ndarray) -> tuple[np.ndarray, float]:
        """seen: (192,192,3) uint8 RGB, cut out by `matrix_of`. Points (468,2) float64 in its
        pixels, and how sure it is, 0-1, that they lie on a face."""
        network = self._network.get()
        network.setInput(cv2.dnn.blobFromImage(seen, 1 / 255))
        points, odds = network.forward(OUTPUTS)
        return points.reshape(-1, 3)[:, :2].astype(float), 1 / (1 + math.exp(-odds.item()))


def matrix_of(to_aligned: np.ndarray, size: int) -> np.ndarray:
    """From pixels of a photo to those of the mesh, (2,3), by the matrix (2,3) that leads from
    there to the aligned face of size x size pixels."""
    across, down, side = (part * size for part in REGION)
    step = SIDE / side
    moved = to_aligned * step
    moved[:, 2] += SIDE / 2 - step * np.array((across, down))
    return moved
