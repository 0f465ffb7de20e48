"""What befalls a photograph on paper in a hundred years, and how it is scanned or printed.

Seeded, on float32 (S,S,3) RGB in levels 0-255. Part of it belongs to the picture: tone, cast, weak
contrast and fine grain are *kept* in the truth, so that a restored old print stays one. The rest
is what a restoration takes away: coarse grain, halftone dots, silvering, foxing, stains, strokes
of retouching, creases, the stripes of a scanner.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from gpen_webui.training.degrade import LUMA, dust, grey, scratches, to_levels

KEPT_GRAIN, COARSE_GRAIN = 5.0, 20.0  # levels, at most
KEPT_STROKES_SHARE = 0.5  # of retouched prints: strokes that nobody could tell from the picture
GREY_SCAN_SHARE = 0.5
# Of each kind of damage, how many of the worst kept prints have it.
GRAIN_SHARE, HALFTONE_SHARE, SILVERING_SHARE, FOXING_SHARE = 0.9, 0.4, 0.3, 0.3
STAIN_SHARE, CREASE_SHARE, SCANNER_SHARE, DUST_SHARE, SCRATCH_SHARE = 0.3, 0.25, 0.8, 0.5, 0.3
STROKES_SHARE = 0.25  # of all prints


def age(face: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """The face as an old print in good state, and the same print damaged: truth and input.

    Both (S,S,3) float32 in levels. Lens, resolution and file come after this, by `degrade`.
    """
    truth = add_grain(toned(face, rng), rng, rng.uniform(0, 1) ** 2 * KEPT_GRAIN)
    if rng.random() < STROKES_SHARE:
        strokes = retouch(truth, rng, 1 + int(rng.integers(12)))
        if rng.random() < KEPT_STROKES_SHARE:
            truth = strokes
        damaged = strokes
    else:
        damaged = truth
    wear = rng.uniform(0.1, 1)  # most prints were kept well, some lay in the attic
    for share, effect in EFFECTS:
        if rng.random() < share * wear:
            damaged = effect(damaged, rng)
    if rng.random() < GREY_SCAN_SHARE:
        truth, damaged = grey(truth), grey(damaged)
    return to_levels(truth), to_levels(damaged)


def toned(face: np.ndarray, rng: Generator) -> np.ndarray:
    """Grey laid between an ink and a paper of their own colours, often flat, paler to one side."""
    light = face @ LUMA / 255
    # Plates before about 1880 see blue alone: skin comes out darker.
    if rng.random() < 0.3:
        light = 0.5 * light + 0.5 * face[..., 2] / 255
    light = np.clip(light, 0, 1) ** np.exp(rng.normal(0, 0.25))
    ink = (5 + 75 * rng.random() ** 2) * (1 + rng.uniform(-0.06, 0.06, 3))
    paper = (250 - 100 * rng.random() ** 2) * _paper_tint(rng)
    pale = rng.uniform(0, 0.35) * rng.uniform(0, 1) * _slope(light.shape[0], rng)
    light = (light + pale * (1 - light))[:, :, None].astype(np.float32)
    return to_levels(ink + light * (paper - ink)).astype(np.float32)


def add_grain(picture: np.ndarray, rng: Generator, sigma: float) -> np.ndarray:
    """Grain of one of several kinds; sigma in levels.

    Fine (each pixel), clumps of silver, the mottle of albumen paper, or the threads of its felt.
    """
    if sigma < 0.2:
        return picture
    size = picture.shape[0]
    kind = rng.integers(4)
    grain: np.ndarray = rng.standard_normal((size, size), np.float32)
    if kind == 1:
        grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 1.5))
    elif kind == 2:
        coarse = cv2.GaussianBlur(grain, (0, 0), rng.uniform(1.5, 4))
        grain = 0.4 * grain + coarse / max(float(coarse.std()), 1e-6)
    elif kind == 3:
        along = rng.uniform(1.5, 4)
        grain = cv2.GaussianBlur(grain, (0, 0), along, sigmaY=0.6)
        grain = grain + cv2.GaussianBlur(
            rng.standard_normal((size, size), np.float32), (0, 0), 0.6, sigmaY=along
        )
    grain *= sigma / max(float(grain.std()), 1e-6)
    light = np.clip(picture @ LUMA / 255, 0, 1)
    # Silver lies in the middle tones and shadows; paper and blank plate have none.
    return picture + (grain * (0.35 + 2.6 * light * (1 - light)))[:, :, None]


def halftone(picture: np.ndarray, rng: Generator, period: float | None = None) -> np.ndarray:
    """Printed in dots, or lines, of one ink: their areas carry the tone.

    period: pixels from dot to dot; 2.2 to 6 at 256 px where not given.
    """
    size = picture.shape[0]
    y, x = np.mgrid[:size, :size].astype(np.float32)
    if period is None:
        period = rng.uniform(2.2, 6.0) * size / 256
    angle = rng.choice((0.25, 0.5, 0.08)) * np.pi
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    wave = np.cos(2 * np.pi * u / period)
    screen = wave + np.cos(2 * np.pi * v / period) if rng.random() < 0.85 else wave
    # Ranked evenly, the screen lets exactly the tone's share of ink through.
    order = np.argsort(screen, axis=None)
    threshold = np.empty(size * size, np.float32)
    threshold[order] = np.linspace(0, 1, size * size, dtype=np.float32)
    light = picture @ LUMA
    dark, pale = np.percentile(light, (1, 99))
    tone = np.clip((light - dark) / max(pale - dark, 1.0), 0.02, 0.98)
    hardness = rng.uniform(8, 24)  # softer dots would lose contrast, too
    dots = 1 / (1 + np.exp(-hardness * (tone - threshold.reshape(size, size))))
    inked = np.float32(dark) + dots[:, :, None] * np.float32(pale - dark)
    tint = picture / np.maximum(light, 1.0)[:, :, None]
    return picture + rng.uniform(0.25, 1.0) * (to_levels(inked * tint) - picture)


def silvering(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """A bluish mirror over the shadows, mostly along the edges of the print."""
    size = picture.shape[0]
    y, x = np.mgrid[:size, :size] / size
    edge = np.minimum.reduce([x, y, 1 - x, 1 - y])
    near = np.exp(-edge / rng.uniform(0.05, 0.35))
    dark = 1 - np.clip(picture @ LUMA / 255, 0, 1)
    amount = rng.uniform(0.2, 0.8) * dark * near * (0.4 + 0.6 * _clouds(size, rng, 3, 30))
    sheen = np.array((165, 172, 188), np.float32) * rng.uniform(0.8, 1.15)
    return picture + amount[:, :, None].astype(np.float32) * (sheen - picture)


def foxing(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Rusty spots with soft edges, in swarms."""
    size = picture.shape[0]
    spots = np.zeros((size, size), np.float32)
    swarm, spread = rng.uniform(0, size, 2), rng.uniform(0.1, 0.6) * size
    for _ in range(rng.integers(3, 45)):
        centre = np.rint(rng.normal(swarm, spread)).astype(int)
        radius = max(1, round(float(rng.gamma(1.5, 1.6)) * size / 256))
        cv2.circle(spots, centre.tolist(), radius, float(rng.uniform(0.3, 1)), -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(spots, (0, 0), rng.uniform(0.5, 1.6) * size / 256)
    rust = np.array((0.72, 0.55, 0.36), np.float32) * rng.uniform(0.85, 1.2)
    return picture * (1 - rng.uniform(0.3, 0.9) * soft[:, :, None] * (1 - np.minimum(rust, 1)))


def stains(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Water and light: a region is paler or darker, with a rim where the water dried."""
    size = picture.shape[0]
    field = _clouds(size, rng, 40, 150)
    region = 1 / (1 + np.exp(-(field - rng.uniform(0.4, 0.7)) * rng.uniform(5, 30)))
    rim = 4 * region * (1 - region)
    change = rng.uniform(-0.25, 0.2) * region - rng.uniform(0, 0.1) * rim
    tint = 1 + rng.uniform(-0.08, 0.08, 3)
    return to_levels(picture * (1 + change[:, :, None] * tint).astype(np.float32))


def retouch(picture: np.ndarray, rng: Generator, strokes: int) -> np.ndarray:
    """Strokes of a brush in the tone of what lies there, which cover grain and texture."""
    size = picture.shape[0]
    tones = cv2.GaussianBlur(picture, (0, 0), 3 * size / 256)
    painted = picture.copy()
    for _ in range(strokes):
        start = rng.normal(0.5, 0.22, 2) * size
        bend, length = rng.uniform(-0.6, 0.6), rng.uniform(0.02, 0.12) * size
        heading = rng.uniform(0, 2 * np.pi) + bend * np.linspace(0, 1, 6)
        points = start + np.cumsum(np.stack((np.cos(heading), np.sin(heading)), 1), 0) * length / 6
        mask = np.zeros((size, size), np.float32)
        thickness = int(rng.integers(1, max(2, round(size / 64)) + 1))
        cv2.polylines(mask, [np.rint(points).astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA)
        mask = cv2.GaussianBlur(mask, (0, 0), 0.7)[:, :, None] * np.float32(rng.uniform(0.4, 1))
        at = np.clip(np.rint(start).astype(int), 0, size - 1)
        tone = tones[at[1], at[0]] + rng.uniform(-18, 18)
        painted = painted + mask * (0.5 * (tones + tone) - painted)
    return painted


def creases(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Folds across the print: pale broken paper, a shadow beside it."""
    size = picture.shape[0]
    for _ in range(rng.integers(1, 3)):
        angle, middle = rng.uniform(0, np.pi), rng.uniform(0.15, 0.85, 2) * size
        y, x = np.mgrid[:size, :size].astype(np.float32)
        across = (x - middle[0]) * np.cos(angle) + (y - middle[1]) * np.sin(angle)
        across = across + 4 * (_clouds(size, rng, 6, 30) - 0.5)
        width = rng.uniform(0.4, 1.3) * size / 256
        broken = _clouds(size, rng, 2, 6) > rng.uniform(0.2, 0.6)
        line = np.exp(-0.5 * (across / width) ** 2) * broken * rng.uniform(0.3, 1)
        shadow = np.exp(-0.5 * ((across - 3 * width) / (2 * width)) ** 2) * rng.uniform(0, 0.25)
        paper = np.float32(np.percentile(picture, 98))
        picture = picture * (1 - shadow[:, :, None]).astype(np.float32)
        picture = picture + line[:, :, None].astype(np.float32) * (paper - picture)
    return picture


def scanner(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Stripes along the carriage's way and the sensor's noise in colour."""
    size = picture.shape[0]
    stripes = rng.standard_normal((size, 1, 1), np.float32) * np.float32(rng.uniform(0, 1.5))
    if rng.random() < 0.5:
        stripes = stripes.transpose(1, 0, 2)
    noise = rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(0, 4))
    return picture + stripes + noise


EFFECTS: list[tuple[float, Callable[[np.ndarray, Generator], np.ndarray]]] = [
    (GRAIN_SHARE, lambda x, r: add_grain(x, r, r.uniform(0.1, 1) ** 2 * COARSE_GRAIN)),
    (SILVERING_SHARE, silvering),
    (FOXING_SHARE, foxing),
    (STAIN_SHARE, stains),
    (CREASE_SHARE, creases),
    (SCRATCH_SHARE, lambda x, r: scratches(x, r, 1 + int(r.integers(5)))),
    (DUST_SHARE, lambda x, r: dust(x, r, 1 + int(r.integers(60)))),
    # Printed from the damaged photograph, and then scanned.
    (HALFTONE_SHARE, halftone),
    (SCANNER_SHARE, scanner),
]


def _paper_tint(rng: Generator) -> np.ndarray:
    """(3,), its mean about 1: cream, sepia, now and then green or violet."""
    if rng.random() < 0.15:
        return 1 + rng.uniform(-0.07, 0.07, 3)
    return 1 + rng.uniform(0, 1) * np.array((0.06, 0.0, -0.2))


def _slope(size: int, rng: Generator) -> np.ndarray:
    """(S,S), 0-1: even from one side to the other."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:size, :size] / size - 0.5
    return np.clip(0.5 + 0.7 * (x * np.cos(angle) + y * np.sin(angle)), 0, 1)


def _clouds(size: int, rng: Generator, finest: float, coarsest: float) -> np.ndarray:
    """(S,S), 0-1: smooth noise, blobs of a size in pixels (at 256 px) between the two given."""
    reach = np.exp(rng.uniform(np.log(finest), np.log(coarsest))) * size / 256
    cells = max(2, round(size / reach))
    small = rng.standard_normal((cells + 3, cells + 3), np.float32)
    field = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(0.5 + 0.3 * field, 0, 1)
