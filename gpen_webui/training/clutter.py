"""Shapes around the face that portraits in a studio lack: hats, hands, flags, bright windows.

The leaves of the *dead leaves* model (Lee, Mumford and Huang, 2001) have the edges and sizes of
natural pictures. A network that only saw plain backgrounds draws ripples beside strong contours.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

FACE_CENTRE, FACE_RADIUS = (0.5, 0.55), 0.27  # of the side; free of clutter
MIN_LEAF, MAX_LEAF = 0.012, 0.3  # half an axis, of the side
MOST_LEAVES = 60
STRIPED_SHARE = 0.4
SUBPIXEL = 4  # bits
SOFT_EDGE = 12  # pixels around a leaf that its blur may reach


def clutter(face: np.ndarray, rng: Generator) -> np.ndarray:
    """Cover what surrounds the face with leaves of its own colours and of others, some striped.

    face: aligned, (S,S,3) float32 RGB in levels 0-255; a new array of that kind comes back.
    """
    face = face.copy()
    for _ in range(rng.integers(5, MOST_LEAVES)):
        _lay_leaf(face, rng)
    return face


def _lay_leaf(face: np.ndarray, rng: Generator) -> None:
    size = face.shape[0]
    # Areas are spread as in natural pictures: as many leaves in each octave of area.
    long = size * np.exp(rng.uniform(np.log(MIN_LEAF), np.log(MAX_LEAF)))
    centre = rng.uniform(-0.1, 1.1, 2) * size
    if np.hypot(*(centre - np.multiply(FACE_CENTRE, size))) < long + FACE_RADIUS * size:
        return
    axes = long * np.array((1, rng.uniform(0.3, 1)))
    # Most leaves are small: only the box around one is touched.
    left, top = np.clip(centre - long - SOFT_EDGE, 0, size).astype(int)
    right, bottom = np.clip(centre + long + SOFT_EDGE, 0, size).astype(int)
    box = face[top:bottom, left:right]
    if not box.size:
        return
    leaf = np.zeros(box.shape[:2], np.float32)
    scale = 1 << SUBPIXEL
    cv2.ellipse(
        leaf,
        np.rint((centre - (left, top)) * scale).astype(int).tolist(),
        np.rint(axes * scale).astype(int).tolist(),
        rng.uniform(0, 180),
        0,
        360,
        1.0,
        -1,
        cv2.LINE_8,
        SUBPIXEL,
    )
    leaf = cv2.GaussianBlur(leaf, (0, 0), rng.uniform(0.5, 1.2))[:, :, None]
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    box += leaf * (_leaf_colours(face, x, y, rng) - box)


def _leaf_colours(face: np.ndarray, x: np.ndarray, y: np.ndarray, rng: Generator) -> np.ndarray:
    """One colour, (3,), or stripes of it at x and y, (H,W) each, as (H,W,3)."""
    size = face.shape[0]
    own = face[rng.integers(size), rng.integers(size)]
    colour = own + rng.uniform(0, 0.6) * (rng.uniform(0, 255, 3) - own)
    if rng.random() >= STRIPED_SHARE:
        return colour.astype(np.float32)
    angle, wave = rng.uniform(0, np.pi), rng.uniform(2.5, 14)
    phase = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / wave)
    stripes = colour + rng.uniform(5, 50) * np.sin(phase)[:, :, None]
    return np.clip(stripes, 0, 255).astype(np.float32)
