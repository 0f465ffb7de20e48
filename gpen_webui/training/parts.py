"""Parts of faces: for terms that would cost too much on whole ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SPREAD = 0.45  # standard deviation of their middles around the crop's, in parts of the crop


class Parts:
    """A square of `side` pixels in each face of a batch, at random."""

    def __init__(self, rng: np.random.Generator, shape: torch.Size, side: int):
        """shape: of the batch, (B,3,S,S). Smaller faces are taken whole."""
        batch, _, _, size = shape
        self.side = min(side, size)
        self._corners = [self._place(size, rng) for _ in range(batch)]

    def of(self, faces: Tensor) -> Tensor:
        """(B,3,S,S) -> (B,3,side,side)."""
        return torch.stack(
            [
                face[:, top : top + self.side, left : left + self.side]
                for face, (top, left) in zip(faces, self._corners, strict=True)
            ]
        )

    def _place(self, size: int, rng: np.random.Generator) -> tuple[int, int]:
        """Top and left of a part."""
        centre = rng.normal(0.5, SPREAD, 2) * size
        top, left = np.clip(np.rint(centre - self.side / 2), 0, size - self.side).astype(int)
        return int(top), int(left)
