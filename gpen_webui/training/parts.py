"""Parts of faces: for terms that would cost too much on whole ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

FEATURES_SHARE = 0.5  # of the parts: around a place on the eyes or lips
SPREAD = 0.45  # standard deviation of their middles around the crop's, in parts of it


class Parts:
    """A square of `side` pixels in each face of a batch, at random, often around features."""

    def __init__(self, rng: np.random.Generator, features: Tensor, side: int):
        """features: of the batch, (B,1,S,S). Smaller faces are taken whole."""
        self.side = min(side, features.shape[-1])
        self._corners = [self._place(face.numpy(force=True), rng) for face in features[:, 0]]

    def of(self, faces: Tensor) -> Tensor:
        """(B,3,S,S) -> (B,3,side,side)."""
        return torch.stack(
            [
                face[:, top : top + self.side, left : left + self.side]
                for face, (top, left) in zip(faces, self._corners, strict=True)
            ]
        )

    def _place(self, features: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
        """Top and left of a part."""
        size = len(features)
        centre = rng.normal(0.5, SPREAD, 2) * size
        weights = features.ravel().cumsum(dtype=np.float64)
        if weights[-1] > 0 and rng.random() < FEATURES_SHARE:
            place = np.searchsorted(weights, rng.random() * weights[-1])
            centre = np.array(divmod(int(place), size))
        top, left = np.clip(np.rint(centre - self.side / 2), 0, size - self.side).astype(int)
        return int(top), int(left)
