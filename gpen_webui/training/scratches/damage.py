"""What tears, dirt and a hundred years in a drawer do to the surface of a print, and where.

Seeded, on float32 (H,W,C) in levels 0-255. Unlike what `old_print.py` does to a photograph as a
whole, all of this hides the picture in places, which a mask tells: scratches, cracks, folds,
tears, dust, hairs, lost emulsion, missing corners. Sizes are in pixels of a print of about a
megapixel.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

SUBPIXEL = 4  # bits
COVERED = 0.2  # opacity from which a place counts as damaged
VISIBLE = 7.0  # levels by which it must differ from the picture around
GAP = 5  # pixels; where a scratch cannot be seen for so long, it goes on all the same
MOST_KINDS = 4  # of damage on one print
BRIGHT_SHARE = 0.75  # of scratches and specks: paper shows through; the others are dirt


def wear(picture: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """The picture damaged at random, and where that can be seen: (H,W,C) float32, (H,W) bool."""
    names = list(KINDS)
    shares = np.array([share for share, _ in KINDS.values()])
    count = 1 + int(rng.integers(MOST_KINDS))
    kinds = rng.choice(names, size=count, replace=False, p=shares / shares.sum())
    damaged = picture
    covered = np.zeros(picture.shape[:2], np.float32)
    for kind in kinds:
        damaged, opacity = KINDS[kind][1](damaged, rng)
        covered = np.maximum(covered, opacity)
    return np.clip(damaged, 0, 255), seen(picture, damaged, covered)


def seen(picture: np.ndarray, damaged: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """(H,W) bool: the places that are covered and can be told from the picture.

    Short stretches between such places count too: nobody repairs a scratch in dots.
    """
    change = np.abs(damaged - picture).max(axis=2)
    is_seen = (covered > COVERED) & (cv2.GaussianBlur(change, (0, 0), 0.8) > VISIBLE)
    closing = np.ones((GAP, GAP), np.uint8)
    closed = cv2.morphologyEx(is_seen.astype(np.uint8), cv2.MORPH_CLOSE, closing)
    return (closed > 0) & (covered > COVERED)


def scratches(picture: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Hairlines, nearly straight and thin; several side by side where something rubbed along."""
    height, width = picture.shape[:2]
    lines = np.zeros((height, width), np.float32)
    reach = max(height, width)
    heading = rng.uniform(0, np.pi)
    together = rng.random() < 0.4
    for _ in range(1 + rng.integers(6)):
        angle = heading + rng.normal(0, 0.03) if together else rng.uniform(0, np.pi)
        length = reach * rng.uniform(0.08, 1.3)
        along = np.linspace(-0.5, 0.5, 16)[:, None] * length
        bend = rng.normal(0, 0.04) * reach * (4 * np.linspace(-0.5, 0.5, 16)[:, None] ** 2)
        direction = np.array((np.cos(angle), np.sin(angle)))
        across = np.array((-direction[1], direction[0]))
        points = rng.uniform(0, 1, 2) * (width, height) + along * direction + bend * across
        _draw(lines, points, 1 + int(rng.random() < 0.2), rng.uniform(0.5, 1))
    lines = cv2.GaussianBlur(lines, (0, 0), rng.uniform(0.35, 0.7)) * rng.uniform(0.9, 1.7)
    opacity = np.minimum(lines, 1) * _broken(lines.shape, rng, rng.uniform(0, 0.8))
    return _laid(picture, opacity, _tone(picture, rng)), opacity


def cracks(picture: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Emulsion that broke: jagged branching lines of bare paper, here and there with a shadow."""
    mask = np.zeros(picture.shape[:2], np.float32)
    size = np.array(picture.shape[1::-1])
    for _ in range(1 + rng.integers(3)):
        width = rng.uniform(0.8, 4.5)
        ways = [(_border_point(size, rng), rng.uniform(0, 2 * np.pi), width)]
        if rng.random() < 0.5:
            ways = [(rng.uniform(0, 1, 2) * size, rng.uniform(0, 2 * np.pi), width)]
        for _ in range(12):  # branches at most
            if not ways:
                break
            _walk(mask, ways, rng)
    opacity = _ragged(mask, rng)
    return _broken_paper(picture, opacity, rng)


def craquelure(picture: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """A net of fine cracks over a part of the print: the borders of irregular cells."""
    height, width = picture.shape[:2]
    cell = rng.uniform(18, 70)
    seeds = rng.uniform(-cell, (width + cell, height + cell), (_count(picture, cell), 2))
    plan = cv2.Subdiv2D((-4096, -4096, 8192, 8192))
    plan.insert(seeds.astype(np.float32).tolist())
    facets, _ = plan.getVoronoiFacetList([])
    mask = np.zeros((height, width), np.float32)
    for facet in facets:
        _draw(mask, np.vstack((facet, facet[:1])), 1, rng.uniform(0.2, 1))
    region = _clouds((height, width), rng, rng.uniform(40, 200)) > rng.uniform(0.3, 0.6)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 0.8)) * rng.uniform(1, 1.8)
    mask = mask * cv2.GaussianBlur(region.astype(np.float32), (0, 0), 4)
    opacity = np.minimum(_displaced(mask, rng, rng.uniform(1, 4)), 1)
    opacity = opacity * _broken(mask.shape, rng, rng.uniform(0.2, 0.8))
    return _laid(picture, opacity, _tone(picture, rng)), opacity


def folds(picture: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """A crease from edge to edge: bare paper where it broke, the print bent beside it."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.choice((0, np.pi / 2)) + rng.normal(0, 0.25)
    middle = rng.uniform(0.05, 0.95, 2) * (width, height)
    across = (x - middle[0]) * np.cos(angle) + (y - middle[1]) * np.sin(angle)
    across = across + 3 * (_clouds((height, width), rng, 25) - 0.5) * rng.uniform(0, 2)
    half = rng.uniform(0.5, 3.5)
    line = np.clip(half + 0.7 - np.abs(across), 0, 1)
    opacity = line * _broken((height, width), rng, rng.uniform(0.1, 0.8))
    side = rng.choice((-1, 1))
    bent = np.exp(-np.abs(across) / rng.uniform(3, 14)) * (side * across > 0)
    picture = picture * (1 - rng.uniform(0, 0.3) * bent[:, :, None])
    return _laid(picture, opacity, _paper(picture, rng)), opacity


def tears(picture: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """From an edge inwards, wide where it begins: white fibres, or the scanner's dark lid."""
    mask = np.zeros(picture.shape[:2], np.float32)
    size = np.array(picture.shape[1::-1])
    for _ in range(1 + rng.integers(2)):
        point = _border_point(size, rng)
        heading = np.arctan2(*(size / 2 - point)[::-1]) + rng.normal(0, 0.4)
        width, steps = rng.uniform(3, 12), int(rng.integers(6, 24))
        for step in range(steps):
            heading += rng.normal(0, 0.3)
            end = point + rng.uniform(4, 12) * np.array((np.cos(heading), np.sin(heading)))
            thick = max(1, round(width * (1 - step / steps)))
            _draw(mask, np.stack((point, end)), thick, 1.0)
            point = end
    return _broken_paper(picture, _ragged(mask, rng), rng)


def dust(picture: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Specks of a pixel to some, irregular, bright or dark, with the odd hair or fibre."""
    height, width = picture.shape[:2]
    damaged, covered = picture, np.zeros((height, width), np.float32)
    for _ in range(1 + rng.integers(2)):
        spots = np.zeros((height, width), np.float32)
        most = rng.choice((1.2, 2.0, 3.5))
        for _ in range(int(rng.integers(2, 4 + _count(picture, 40)))):
            centre = rng.uniform(0, 1, 2) * (width, height) * 2**SUBPIXEL
            axes = rng.uniform(0.5, most, 2) * 2**SUBPIXEL
            cv2.ellipse(
                spots,
                np.rint(centre).astype(int).tolist(),
                np.rint(axes).astype(int).tolist(),
                rng.uniform(0, 180),
                0,
                360,
                rng.uniform(0.4, 1),
                -1,
                cv2.LINE_AA,
                SUBPIXEL,
            )
        for _ in range(rng.integers(4)):
            _draw(spots, _fibre(rng, width, height), 1, rng.uniform(0.4, 1))
        opacity = cv2.GaussianBlur(spots, (0, 0), rng.uniform(0.3, 0.7)) * 1.2
        opacity = np.minimum(opacity, 1)
        damaged = _laid(damaged, opacity, _tone(picture, rng))
        covered = np.maximum(covered, opacity)
    return damaged, covered


def lost_emulsion(picture: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Patches where the picture flaked off or was blotted: irregular, with hard edges."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.float32)
    for _ in range(1 + rng.integers(6)):
        centre = rng.uniform(0, 1, 2) * (width, height)
        radius = rng.uniform(2, 9) * (2.5 if rng.random() < 0.15 else 1)
        turn = np.linspace(0, 2 * np.pi, 9)[:-1]
        reach = radius * rng.uniform(0.5, 1.3, 8)
        points = centre + np.stack((np.cos(turn), np.sin(turn)), 1) * reach[:, None]
        cv2.fillPoly(mask, [np.rint(points * 2**SUBPIXEL).astype(np.int32)], 1.0, 8, SUBPIXEL)
    return _broken_paper(picture, _ragged(mask, rng), rng)


def missing_corners(picture: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """A corner or a piece of the edge is gone: the scanner's lid shows, along it torn paper."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.float32)
    corner = rng.integers(0, 2, 2) * (width - 1, height - 1)
    inwards = np.where(corner > 0, -1, 1)
    reach = rng.uniform(0.08, 0.4, 2) * (width, height)
    turn = np.linspace(0, np.pi / 2, 7)
    bulge = rng.uniform(0.6, 1.0) * rng.uniform(0.92, 1.08, 7)
    rim = corner + inwards * np.stack((np.cos(turn), np.sin(turn)), 1) * reach * bulge[:, None]
    points = np.vstack((corner, rim))
    cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1.0)
    hole = _displaced(mask, rng, rng.uniform(1, 4))
    torn = np.clip(cv2.GaussianBlur(_grown(hole, rng.uniform(1, 4)), (0, 0), 0.7), 0, 1)
    lid = rng.choice((0.0, 255.0)) + rng.uniform(-25, 25)
    damaged = _laid(picture, torn, _paper(picture, rng))
    return _laid(damaged, hole, np.full(picture.shape[2], lid, np.float32)), torn


_Effect = Callable[[np.ndarray, Generator], tuple[np.ndarray, np.ndarray]]
# How often each kind is met, beside the others.
KINDS: dict[str, tuple[float, _Effect]] = {
    "scratches": (0.22, scratches),
    "cracks": (0.24, cracks),
    "craquelure": (0.08, craquelure),
    "folds": (0.12, folds),
    "tears": (0.08, tears),
    "dust": (0.16, dust),
    "lost emulsion": (0.08, lost_emulsion),
    "missing corners": (0.02, missing_corners),
}


def _draw(mask: np.ndarray, points: np.ndarray, thickness: int, value: float) -> None:
    fixed = np.rint(np.clip(points, -4000, 4000) * 2**SUBPIXEL).astype(np.int32)
    cv2.polylines(mask, [fixed], False, value, thickness, cv2.LINE_AA, SUBPIXEL)


def _walk(mask: np.ndarray, ways: list, rng: Generator) -> None:
    """Follow the last way to its end, drawing it; side ways are added to the list."""
    point, heading, width = ways.pop()
    size = np.array(mask.shape[::-1])
    for _ in range(int(rng.integers(5, 40))):
        heading += rng.normal(0, 0.3) + (rng.uniform(-1.2, 1.2) if rng.random() < 0.1 else 0)
        end = point + rng.uniform(3, 11) * np.array((np.cos(heading), np.sin(heading)))
        thick = width * rng.uniform(0.5, 1.5)
        _draw(mask, np.stack((point, end)), max(1, round(thick)), min(1.0, 0.35 + 0.5 * thick))
        point = end
        if rng.random() < 0.08:
            ways.append((point, heading + rng.choice((-1, 1)) * rng.uniform(0.4, 1.4), 0.7 * width))
        if (point < -8).any() or (point > size + 8).any():
            return


def _broken_paper(
    picture: np.ndarray, opacity: np.ndarray, rng: Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rough paper where the mask is, the shadow of its edge beside it."""
    shift = rng.uniform(-2, 2, 2)
    moved = np.array(((1, 0, shift[0]), (0, 1, shift[1])), np.float32)
    shadow = cv2.warpAffine(opacity, moved, opacity.shape[::-1])
    shadow = cv2.GaussianBlur(shadow, (0, 0), 1.0) * np.float32(rng.uniform(0, 0.6))
    rough = rng.standard_normal(opacity.shape, np.float32) * np.float32(rng.uniform(0, 14))
    tone = _paper(picture, rng) if rng.random() < 0.85 else _tone(picture, rng)
    damaged = picture * (1 - shadow[:, :, None])
    return _laid(damaged, opacity, tone + rough[:, :, None]), np.maximum(opacity, shadow)


def _laid(picture: np.ndarray, opacity: np.ndarray, tone: np.ndarray) -> np.ndarray:
    return picture + opacity[:, :, None] * (tone - picture)


def _paper(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """(C,) the bare paper's colour: as bright as the brightest of the print, or brighter."""
    bright = np.percentile(picture, 97, axis=(0, 1))
    return (bright + rng.uniform(-0.15, 1) * (255 - bright)).astype(np.float32)


def _tone(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """(C,) of paper as a rule, else of dirt."""
    if rng.random() < BRIGHT_SHARE:
        return _paper(picture, rng)
    return np.full(picture.shape[2], rng.uniform(0, 70), np.float32)


def _ragged(mask: np.ndarray, rng: Generator) -> np.ndarray:
    """The mask with torn edges."""
    moved = cv2.GaussianBlur(_displaced(mask, rng, rng.uniform(0.5, 2.5)), (0, 0), 0.6)
    noise = cv2.GaussianBlur(rng.standard_normal(mask.shape, np.float32), (0, 0), 1.0)
    return np.clip(1.6 * moved + 0.9 * noise * (moved > 0.02) - 0.25, 0, 1) * (moved > 0.02)


def _displaced(mask: np.ndarray, rng: Generator, amount: float) -> np.ndarray:
    """The mask with each place moved by some pixels, neighbours alike."""
    height, width = mask.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    dx, dy = (amount * 4 * (_clouds(mask.shape, rng, 7) - 0.5) for _ in range(2))
    return cv2.remap(mask, x + dx, y + dy, cv2.INTER_LINEAR)


def _broken(shape: tuple[int, ...], rng: Generator, amount: float) -> np.ndarray:
    """(H,W), 0-1: how much is left of what lies there; amount 0-1, of 0 everything."""
    clouds = _clouds(shape, rng, rng.uniform(8, 40))
    return np.clip(1 - amount + 5 * (clouds - 0.5 * amount - 0.15), 1 - amount, 1)


def _grown(mask: np.ndarray, pixels: float) -> np.ndarray:
    side = 2 * round(pixels) + 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def _fibre(rng: Generator, width: int, height: int) -> np.ndarray:
    """(12,2) points of a curl."""
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.35, 12) + rng.normal(0, 0.15))
    steps = rng.uniform(1, 7) * np.stack((np.cos(heading), np.sin(heading)), 1)
    return rng.uniform(0, 1, 2) * (width, height) + np.cumsum(steps, 0)


def _border_point(size: np.ndarray, rng: Generator) -> np.ndarray:
    point = rng.uniform(0, 1, 2) * size
    axis = rng.integers(2)
    point[axis] = rng.choice((0, size[axis]))
    return point


def _count(picture: np.ndarray, cell: float) -> int:
    """How many cells of that side a picture has."""
    return max(4, round(picture.shape[0] * picture.shape[1] / cell**2))


def _clouds(shape: tuple[int, ...], rng: Generator, reach: float) -> np.ndarray:
    """(H,W), 0-1: smooth noise, blobs of about `reach` pixels."""
    cells = [max(2, round(side / reach)) + 3 for side in shape[:2]]
    small = rng.standard_normal(cells, np.float32)
    field = cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(0.5 + 0.3 * field, 0, 1)
