"""A smaller network for faces that have no more pixels than it can use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from gpen_webui.faces.align import scale_of

if TYPE_CHECKING:
    from gpen_webui.engines.base import Engine
    from gpen_webui.models.folder import InstalledModel


@dataclass(frozen=True)
class SmallFaces:
    """The network, beside the one for all other faces, and its model."""

    engine: Engine
    model: InstalledModel

    def take(self, matrix: np.ndarray, size: int) -> bool:
        """Whether a face is this network's: matrix (2,3) leads from the photo to the other's crop,
        which is `size` pixels wide."""
        return size / scale_of(matrix) <= self.engine.size

    def run(self, crops: np.ndarray) -> np.ndarray:
        """Restore crops (N,3,S,S) float32 of the other network's size, as `Engine.run` does.

        They were enlarged from fewer pixels than this network takes, so nothing is lost.
        """
        small = np.stack([_resize(crop, self.engine.size, cv2.INTER_AREA) for crop in crops])
        restored = self.engine.run(small)
        return np.stack([_resize(crop, crops.shape[3], cv2.INTER_CUBIC) for crop in restored])


def _resize(crop: np.ndarray, size: int, method: int) -> np.ndarray:
    planes = [cv2.resize(plane, (size, size), interpolation=method) for plane in crop]
    return np.stack(planes).astype(np.float32)
