"""Thin things that belong to a picture: lashes, whiskers, hair, wires, spectacles, writing.

Drawn before the lens, grain and print, of which a scratch knows nothing: that is how the two can be
told apart. Seeded, on float32 (H,W,C) in levels 0-255.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

SUBPIXEL = 4  # bits
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)


def add_thin_structures(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Some of them, of one or two kinds, in tones of the picture or in white or black."""
    picture = picture.copy()
    for _ in range(1 + rng.integers(2)):
        draw = _KINDS[rng.integers(len(_KINDS))]
        lines = np.zeros(picture.shape[:2], np.float32)
        draw(lines, rng)
        lines = cv2.GaussianBlur(lines, (0, 0), rng.uniform(0.3, 0.8)) * rng.uniform(0.8, 1.5)
        picture += np.minimum(lines, 1)[:, :, None] * (_tone(picture, rng) - picture)
    return np.clip(picture, 0, 255)


def _tone(picture: np.ndarray, rng: Generator) -> np.ndarray:
    if rng.random() < 0.4:
        return picture[rng.integers(picture.shape[0]), rng.integers(picture.shape[1])].copy()
    value = rng.uniform(0, 70) if rng.random() < 0.55 else rng.uniform(185, 255)
    return np.full(picture.shape[2], value, np.float32)


def _stroke(lines: np.ndarray, points: np.ndarray, value: float, thickness: int = 1) -> None:
    fixed = np.rint(np.clip(points, -4000, 4000) * 2**SUBPIXEL).astype(np.int32)
    cv2.polylines(lines, [fixed], False, value, thickness, cv2.LINE_AA, SUBPIXEL)


def _curve(start: np.ndarray, heading: float, length: float, bend: float) -> np.ndarray:
    """(10,2) points of an arc."""
    angles = heading + bend * np.linspace(0, 1, 10)
    steps = np.stack((np.cos(angles), np.sin(angles)), 1) * length / 10
    return start + np.cumsum(steps, 0)


def _tapered(lines: np.ndarray, points: np.ndarray, value: float, thickness: int = 1) -> None:
    """A hair: thick and dense at the root, lost at its tip."""
    for place in range(len(points) - 1):
        left = 1 - place / len(points)
        width = max(1, round(thickness * left))
        _stroke(lines, points[place : place + 2], value * min(1.0, 1.6 * left), width)


def _anywhere(lines: np.ndarray, rng: Generator) -> np.ndarray:
    return rng.uniform(0, 1, 2) * lines.shape[::-1]


def _whiskers(lines: np.ndarray, rng: Generator) -> None:
    root, heading = _anywhere(lines, rng), rng.uniform(0, 2 * np.pi)
    for _ in range(rng.integers(3, 12)):
        start = root + rng.normal(0, 6, 2)
        arc = _curve(start, heading + rng.normal(0, 0.3), rng.uniform(30, 160), rng.normal(0, 0.5))
        _tapered(lines, arc, rng.uniform(0.5, 1))


def _hair(lines: np.ndarray, rng: Generator) -> None:
    root, heading = _anywhere(lines, rng), rng.uniform(0, 2 * np.pi)
    bend, spread = rng.normal(0, 0.8), rng.uniform(5, 40)
    for _ in range(rng.integers(10, 60)):
        start = root + rng.normal(0, spread, 2)
        turned, curl = heading + rng.normal(0, 0.15), bend + rng.normal(0, 0.3)
        _stroke(
            lines, _curve(start, turned, rng.uniform(30, 180), curl), float(rng.uniform(0.2, 1))
        )


def _lashes(lines: np.ndarray, rng: Generator) -> None:
    centre, radius = _anywhere(lines, rng), rng.uniform(8, 35)
    middle = rng.uniform(0, 2 * np.pi)
    turns = np.linspace(-1, 1, int(rng.integers(8, 30))) * rng.uniform(0.5, 1.2)
    for turn in turns + rng.normal(0, 0.03, len(turns)):
        heading = middle + turn
        start = centre + radius * np.array((np.cos(heading), 0.6 * np.sin(heading)))
        length = radius * rng.uniform(0.15, 0.5)
        _tapered(lines, _curve(start, heading, length, rng.normal(0, 0.5)), rng.uniform(0.5, 1), 2)


def _wires(lines: np.ndarray, rng: Generator) -> None:
    height, width = lines.shape
    slope, sag = rng.uniform(-0.8, 0.8) * height, rng.uniform(-0.1, 0.4) * height
    at = np.linspace(-0.1, 1.1, 24)
    start, gap = rng.uniform(0, height), rng.uniform(4, 40)
    upright = rng.random() < 0.4
    for number in range(rng.integers(1, 5)):
        y = start + number * gap + slope * (at - 0.5) + sag * 4 * at * (1 - at)
        points = np.stack((at * width, y), 1)
        if upright:
            points = points[:, ::-1]
        _stroke(lines, points, rng.uniform(0.6, 1), int(rng.integers(1, 4)))


def _spectacles(lines: np.ndarray, rng: Generator) -> None:
    centre, radius = _anywhere(lines, rng), rng.uniform(12, 45)
    tilt, thickness = rng.normal(0, 0.3), int(rng.integers(1, 4))
    side = np.array((np.cos(tilt), np.sin(tilt)))
    for sign in (-1, 1):
        lens = np.rint(centre + sign * 1.25 * radius * side).astype(int)
        axes = (round(radius), round(radius * rng.uniform(0.6, 1)))
        cv2.ellipse(
            lines,
            lens.tolist(),
            axes,
            float(np.degrees(tilt)),
            0,
            360,
            1.0,
            thickness,
            cv2.LINE_AA,
        )
        ends = centre + sign * np.outer((2.2 * radius, 4 * radius), side)
        _stroke(lines, ends, 1.0, thickness)
    bridge = centre + np.outer((-0.3 * radius, 0.3 * radius), side)
    _stroke(lines, bridge, 1.0, thickness)


def _bars(lines: np.ndarray, rng: Generator) -> None:
    """Fences, blinds, pleats: straight and evenly apart."""
    height, width = lines.shape
    angle, gap = rng.uniform(0, np.pi), rng.uniform(5, 40)
    along = np.array((np.cos(angle), np.sin(angle))) * (height + width)
    across = np.array((-np.sin(angle), np.cos(angle)))
    centre, thickness = _anywhere(lines, rng), int(rng.integers(1, 4))
    for number in range(int(rng.integers(3, 14))):
        middle = centre + number * gap * across
        _stroke(lines, np.stack((middle - along, middle + along)), 1.0, thickness)


def _writing(lines: np.ndarray, rng: Generator) -> None:
    letters = "".join(chr(97 + letter) for letter in rng.integers(0, 26, int(rng.integers(3, 12))))
    at = np.rint(_anywhere(lines, rng) * (0.6, 1)).astype(int).tolist()
    font = FONTS[rng.integers(len(FONTS))]
    text = np.zeros(lines.shape, np.uint8)  # OpenCV writes on nothing else
    cv2.putText(text, letters, at, font, rng.uniform(0.35, 1.3), 255, 1, cv2.LINE_AA)
    np.maximum(lines, text / np.float32(255), out=lines)


def _beads(lines: np.ndarray, rng: Generator) -> None:
    """A necklace, buttons, catchlights: dots of a size in a row."""
    arc = _curve(_anywhere(lines, rng), rng.uniform(0, 6.3), rng.uniform(20, 150), rng.normal())
    radius = rng.uniform(0.6, 3) * 2**SUBPIXEL
    for point in np.rint(arc * 2**SUBPIXEL).astype(int):
        cv2.circle(lines, point.tolist(), round(radius), 1.0, -1, cv2.LINE_AA, SUBPIXEL)


_KINDS: tuple[Callable[[np.ndarray, Generator], None], ...] = (
    _whiskers,
    _hair,
    _lashes,
    _wires,
    _spectacles,
    _bars,
    _writing,
    _beads,
)
