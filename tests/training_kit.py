"""What the tests of training's damage share; the face itself is in conftest."""

import cv2
import numpy as np


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def detail(picture: np.ndarray) -> float:
    """How much there is that a blur of one pixel would take away."""
    return float((picture - cv2.GaussianBlur(picture, (0, 0), 1.0)).std())
