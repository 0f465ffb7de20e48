"""Parts of faces, most often around eyes and mouth: for terms that would cost too much on whole
faces."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

FACE_CENTRE, FACE_SPREAD = (0.56, 0.5), 0.23  # row and column, in parts of the crop


class Parts:
    """Which `faces` of a batch, and a square of `side` pixels in each, at random."""

    def __init__(self, rng: np.random.Generator, shape: torch.Size, faces: int, side: int):
        """shape: of the batch, (B,3,S,S). Smaller faces are taken whole."""
        batch, _, _, size = shape
        self.side = min(side, size)
        chosen = rng.permutation(batch)[:faces]
        self._boxes = [(face, *self._place(size, rng)) for face in chosen]

    def of(self, faces: Tensor) -> Tensor:
        """(B,3,S,S) -> (faces,3,side,side)."""
        return torch.stack(
            [
                faces[face, :, top : top + self.side, left : left + self.side]
                for face, top, left in self._boxes
            ]
        )

    def _place(self, size: int, rng: np.random.Generator) -> tuple[int, int]:
        """Top and left of a part."""
        centre = (np.array(FACE_CENTRE) + rng.normal(0, FACE_SPREAD, 2)) * size
        top, left = np.clip(np.rint(centre - self.side / 2), 0, size - self.side).astype(int)
        return int(top), int(left)
