"""Shapes that portraits in a studio lack: hats, hands, flags, bright windows.

The leaves of the *dead leaves* model (Lee, Mumford and Huang, 2001) have the edges and sizes of
natural pictures. A network that only saw plain backgrounds draws ripples beside strong contours.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from gpen_webui.training.degrade import to_levels

FACE_CENTRE, FACE_RADIUS = (0.5, 0.55), 0.27  # of the side; free of clutter
MIN_LEAF, MAX_LEAF = 0.012, 0.3  # half an axis, of the side
MOST_LEAVES = 60
STRIPED_SHARE = 0.4
SUBPIXEL = 4  # bits
SOFT_EDGE = 12  # pixels around a leaf that its blur may reach
# A brim's row, a hand's reach, in parts of the side: brows lie at 0.4, the mouth ends at 0.77.
BRIM = (0.2, 0.37)
FINGER = (0.025, 0.045)  # half their width
# Where a fingertip may lie: on the cheeks and the chin, beside the features.
FINGERTIPS = ((0.27, 0.66), (0.73, 0.66), (0.33, 0.84), (0.5, 0.88), (0.67, 0.84))


def clutter(face: np.ndarray, rng: Generator) -> np.ndarray:
    """Cover what surrounds the face with leaves of its own colours and of others, some striped.

    face: aligned, (S,S,3) float32 RGB in levels 0-255; a new array of that kind comes back.
    """
    face = face.copy()
    for _ in range(rng.integers(5, MOST_LEAVES)):
        _lay_leaf(face, rng)
    return to_levels(face)


def put_on_hat(face: np.ndarray, rng: Generator) -> np.ndarray:
    """Cover the top of the head down to a brim above the brows, with its shadow below.

    face and what comes back: as for `clutter`.
    """
    size = face.shape[0]
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    tilt, bend = rng.normal(0, 0.08), rng.uniform(-0.5, 0.8)
    brim = rng.uniform(*BRIM) + tilt * (x - 0.5) - bend * (x - 0.5) ** 2
    below = y - np.minimum(brim, BRIM[1])
    soft = rng.uniform(0.002, 0.006)
    shade = np.exp(-np.maximum(below, 0) / rng.uniform(0.02, 0.15)) * rng.uniform(0, 0.6)
    face = face * (1 - shade)[:, :, None]
    cloth = _leaf_colours(face, x * size, y * size, rng)
    folds = 1 + 0.15 * np.sin(2 * np.pi * (x * rng.uniform(-3, 3) + y * rng.uniform(2, 9)))
    cover = (1 / (1 + np.exp(np.clip(below / soft, -60, 60))))[:, :, None]
    return to_levels(face + cover * (cloth * folds[:, :, None] - face)).astype(np.float32)


def hold_hand_to(face: np.ndarray, rng: Generator) -> np.ndarray:
    """Fingers of the face's own skin on a cheek or the chin; eyes and mouth stay free.

    face and what comes back: as for `clutter`.
    """
    size = face.shape[0]
    tip = np.add(FINGERTIPS[rng.integers(len(FINGERTIPS))], rng.normal(0, 0.015, 2))
    cheek = face[round(0.6 * size) : round(0.66 * size), round(0.3 * size) : round(0.4 * size)]
    colour = np.median(cheek, axis=(0, 1)) * rng.uniform(0.75, 1.15)
    side = np.sign(tip[0] - 0.5) or 1.0
    root = np.array((0.5 + side * rng.uniform(0.1, 0.6), 1.15))
    half, count = rng.uniform(*FINGER), rng.integers(1, 5)
    away = np.array((side, rng.uniform(0, 0.5))) * 2 * half
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    for finger in range(count)[::-1]:
        end = tip + finger * away + rng.normal(0, 0.01, 2)
        distance = _distance_to_line(x, y, end, root + finger * away) / half
        round_ = np.sqrt(np.maximum(1 - np.minimum(distance, 1) ** 2, 0))
        tone = colour * (0.55 + 0.45 * round_)[:, :, None]
        shadow = np.exp(-np.maximum(distance - 1, 0) / 0.35) * 0.35
        cover = np.clip((1 - distance) * half * size / 1.5 + 0.5, 0, 1)[:, :, None]
        face = face * (1 - shadow)[:, :, None]
        face = face + cover * (tone - face)
    return to_levels(face).astype(np.float32)


def _distance_to_line(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each place from the piece between a and b, in the places' own measure."""
    along = b - a
    t = ((x - a[0]) * along[0] + (y - a[1]) * along[1]) / max(float(along @ along), 1e-9)
    t = np.clip(t, 0, 1)
    return np.hypot(x - a[0] - t * along[0], y - a[1] - t * along[1])


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
    cover = cv2.GaussianBlur(leaf, (0, 0), rng.uniform(0.5, 1.2))[:, :, None]
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    box += cover * (_leaf_colours(face, x, y, rng) - box)


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
    return to_levels(stripes).astype(np.float32)
