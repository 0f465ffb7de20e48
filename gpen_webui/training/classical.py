"""What photographers did before networks, tuned: the least that a model must beat.

A filter works on one face (S,S,3) uint8. Tuning tries each value on faces of other people
and keeps the one with the least mean squared error.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from gpen_webui.training.faces import to_tensor

Filter = Callable[[np.ndarray, float], np.ndarray]


def bicubic(face: np.ndarray, factor: float) -> np.ndarray:
    """Shrunk by area and enlarged bicubically: smooths noise and blocks."""
    size = face.shape[0]
    small = cv2.resize(face, (round(size / factor),) * 2, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)


def unsharp_mask(face: np.ndarray, amount: float) -> np.ndarray:
    """The difference to a blurred copy, added on."""
    blurred = cv2.GaussianBlur(face, (0, 0), 2.0)
    return cv2.addWeighted(face, 1 + amount, blurred, -amount, 0)


def non_local_means(face: np.ndarray, strength: float) -> np.ndarray:
    """Each pixel the mean of those whose surroundings look alike."""
    return cv2.fastNlMeansDenoisingColored(face, None, strength, strength, 5, 15)


CLASSICAL: dict[str, tuple[Filter, tuple[float, ...]]] = {
    "bicubic": (bicubic, (1.0, 1.25, 1.5, 2.0, 2.5, 3.0)),
    "unsharp mask": (unsharp_mask, (0.1, 0.25, 0.5, 0.8, 1.2)),
    "non-local means": (non_local_means, (1.0, 2.0, 4.0, 7.0, 11.0)),
}


def tuned(name: str, inputs: Tensor, truths: Tensor) -> Callable[[Tensor], Tensor]:
    """The filter with the value that brings these inputs nearest to their truths."""
    filter_, values = CLASSICAL[name]
    errors = [(apply(filter_, value, inputs) - truths).square().mean().item() for value in values]
    best = values[int(np.argmin(errors))]
    return lambda faces: apply(filter_, best, faces)


def apply(filter_: Filter, value: float, faces: Tensor) -> Tensor:
    """(N,3,S,S) in [-1,1] -> the same."""
    levels = ((faces.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    pictures = levels.permute(0, 2, 3, 1).numpy()
    return to_tensor(np.stack([filter_(np.ascontiguousarray(face), value) for face in pictures]))
