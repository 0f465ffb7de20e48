"""The light of every day: from one side, of two colours, through leaves, from behind.

Portraits in a studio are lit evenly. Laid over the truth before it is damaged, so that a network
learns to keep the light as it is.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from gpen_webui.training.degrade import to_levels

MOST_SLOPE = 0.9  # of the light's logarithm, from one side of the picture to the other
SHADOW_SHARE, COLOUR_SHARE, DIM_SHARE = 0.4, 0.4, 0.3
DARKEST_SHADOW = 0.35
WARM, COOL = np.array((1.18, 1.0, 0.72)), np.array((0.86, 0.98, 1.18))


def relight(face: np.ndarray, rng: Generator) -> np.ndarray:
    """A face (S,S,3) float32 in levels under another light; a new array of that kind."""
    size = face.shape[0]
    y, x = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    across = x * np.cos(angle) + y * np.sin(angle)
    light = np.exp(rng.normal(0, MOST_SLOPE / 2) * across)[:, :, None]
    if rng.random() < COLOUR_SHARE:
        light = light * _two_colours(across, rng)
    if rng.random() < SHADOW_SHARE:
        light = light * _shadow(size, rng)[:, :, None]
    if rng.random() < DIM_SHARE:
        light = light * rng.uniform(0.4, 0.8)
    # Light adds up in its own measure, not in levels.
    linear = (to_levels(face) / 255) ** 2.2 * light
    return to_levels(255 * np.clip(linear, 0, 1) ** (1 / 2.2)).astype(np.float32)


def _two_colours(across: np.ndarray, rng: Generator) -> np.ndarray:
    """(S,S,3): warm on one side, cool on the other, as beside a window in the evening."""
    share = 1 / (1 + np.exp(-across * rng.uniform(2, 14)))[:, :, None]
    strength = rng.uniform(0.2, 1)
    mixed = WARM * share + COOL * (1 - share)
    return 1 + strength * (mixed - 1)


def _shadow(size: int, rng: Generator) -> np.ndarray:
    """(S,S), down to DARKEST_SHADOW: of a brim, a hand, branches; with an edge hard or soft."""
    shade = np.zeros((size, size), np.float32)
    for _ in range(rng.integers(1, 5)):
        centre = rng.uniform(-0.1, 1.1, 2) * size
        axes = rng.uniform(0.05, 0.5, 2) * size
        cv2.ellipse(
            shade,
            np.rint(centre).astype(int).tolist(),
            np.rint(axes).astype(int).tolist(),
            rng.uniform(0, 180),
            0,
            360,
            1.0,
            -1,
        )
    soft = cv2.GaussianBlur(shade, (0, 0), np.exp(rng.uniform(0, 2.5)) * size / 256)
    return 1 - rng.uniform(0.2, 1 - DARKEST_SHADOW) * soft
