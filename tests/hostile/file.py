"""What a hostile file is, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class HostileFile:
    """name: what to call the file; data: what it holds. What must come of it:

    pixels (H,W,3): a picture whose blocks differ from these by at most `tolerance`.
    whole (H,W,3): these pixels exactly, or refused.
    cut_from: the name of the whole file. The same picture as of that one, or refused: no half
        of a photo passes for a photo.
    refused: refused, in one sentence. None of these: a picture or a refusal.
    alpha (H,W): the picture's transparency, where that matters.
    """

    name: str
    data: bytes
    pixels: np.ndarray | None = None
    tolerance: float = 0
    whole: np.ndarray | None = None
    cut_from: str | None = None
    refused: bool = False
    alpha: np.ndarray | None = None
