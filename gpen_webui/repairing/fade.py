"""Even out what has faded: blacks that turned grey, paper that yellowed.

What a print still has of dark and light is spread to what it had, gently: where a photo has
blacks of its own, nothing changes. A picture of one tone, as sepia is, keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SAMPLE_SIDE = 512  # of the small picture that is measured
RIM = 0.05  # of each side, where the print's margin or the scanner's lid may show
DARKEST, LIGHTEST = 0.5, 99.5  # percent: levels between which a picture lies
BLACK, WHITE = 12.0, 243.0  # levels to which they are brought
AMOUNT = 0.8  # of the way; the rest of the fading stays
MOST_GAIN = 1.9  # a picture of fog alone is no faded one
MOST_BRIGHTENING = 50.0  # levels of the lightest; a dusk is no faded noon
CAST_AMOUNT = 0.6  # of a colour's own way to black and white, the rest goes with all colours
ROWS = 512  # that are moved at a time
TONE_SPREAD = 6.0  # levels of colour by which a picture of one tone strays from it
# A photo has faded whose blacks are so light, or which has one tone and no white, or is yellowed.
LIGHT_BLACK, NO_WHITE = 30.0, 215.0
# From here on the page suggests it: blacks are so light and the range of levels is so small.
FADED_BLACK, FADED_RANGE, FADED_CAST = 42.0, 165.0, 28.0


@dataclass(frozen=True)
class Levels:
    """dark, light: (3,), between which levels of red, green and blue lie. of_all: those of
    brightness. is_single_tone: grey or sepia."""

    dark: np.ndarray
    light: np.ndarray
    of_all: tuple[float, float]
    is_single_tone: bool


def measure(pixels: np.ndarray) -> Levels:
    """The levels of a photo (H,W,3) uint8 RGB."""
    height, width = pixels.shape[:2]
    rows, columns = round(height * RIM), round(width * RIM)
    inner = pixels[rows : height - rows, columns : width - columns]
    scale = min(1.0, SAMPLE_SIDE / max(inner.shape[:2]))
    size = (max(1, round(inner.shape[1] * scale)), max(1, round(inner.shape[0] * scale)))
    small = cv2.resize(inner, size, interpolation=cv2.INTER_AREA)
    dark, light = np.percentile(small.reshape(-1, 3), (DARKEST, LIGHTEST), axis=0)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    black, white = np.percentile(grey, (DARKEST, LIGHTEST))
    return Levels(dark, light, (float(black), float(white)), _is_single_tone(small, grey))


def looks_faded(levels: Levels) -> bool:
    """Whether a photo of these levels would gain by `even_out`."""
    black, white = levels.of_all
    has_lost_range = black >= FADED_BLACK and white - black <= FADED_RANGE
    return has_lost_range or _has_yellowed(levels)


def even_out(pixels: np.ndarray) -> np.ndarray:
    """A photo (H,W,3) uint8 RGB with its levels spread and its cast lessened; the very same array
    where it has not faded.

    Equal values in the three colours stay equal.
    """
    return evened(pixels, measure(pixels))


def evened(pixels: np.ndarray, levels: Levels) -> np.ndarray:
    """The same of a part of a photo that has these levels."""
    if not has_faded(levels):
        return pixels
    shared = _curve(*levels.of_all)
    if levels.is_single_tone:
        return _moved(pixels, shared)
    curves = [
        (1 - CAST_AMOUNT) * shared + CAST_AMOUNT * _curve(float(dark), float(light))
        for dark, light in zip(levels.dark, levels.light, strict=True)
    ]
    table = np.clip(np.rint(np.stack(curves, axis=1)), 0, 255).astype(np.uint8)
    return cv2.LUT(pixels, table.reshape(1, 256, 3))


def has_faded(levels: Levels) -> bool:
    """Whether `even_out` changes a photo that has these levels."""
    black, white = levels.of_all
    is_pale = levels.is_single_tone and white <= NO_WHITE
    return black >= LIGHT_BLACK or is_pale or _has_yellowed(levels)


def _has_yellowed(levels: Levels) -> bool:
    """Whether blue has lost its light, and even the lightest place is no white."""
    lightest = levels.light - levels.light.mean()
    is_white = levels.of_all[1] >= WHITE
    return not levels.is_single_tone and not is_white and bool(lightest[2] < -FADED_CAST)


def _moved(pixels: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """The brightness moved along a curve, and the colours with it: sepia gets no stronger."""
    moves = np.rint(curve - np.arange(256)).astype(np.int16)
    moved = np.empty_like(pixels)
    for top in range(0, len(pixels), ROWS):
        rows = pixels[top : top + ROWS]
        brightness = cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY)
        moved[top : top + ROWS] = np.clip(rows + moves[brightness][:, :, None], 0, 255)
    return moved


def _curve(dark: float, light: float) -> np.ndarray:
    """(256,) the new levels: `dark` moves to BLACK and `light` to WHITE, most of the way."""
    x = np.arange(256, dtype=np.float64)
    to_dark = dark + AMOUNT * (min(BLACK, dark) - dark)
    wanted = min(max(WHITE, light), light + MOST_BRIGHTENING)
    to_light = light + AMOUNT * (wanted - light)
    gain = min(MOST_GAIN, (to_light - to_dark) / max(light - dark, 1.0))
    middle, to_middle = (dark + light) / 2, (to_dark + to_light) / 2
    return to_middle + gain * (x - middle)


def _is_single_tone(small: np.ndarray, grey: np.ndarray) -> bool:
    """Whether red and blue are curves of brightness, but for noise."""
    powers = np.vander(grey.ravel() / 255.0, 3)
    apart = small[:, :, ::2].reshape(-1, 2).astype(np.float64) - grey.reshape(-1, 1)
    curve = np.linalg.lstsq(powers, apart, rcond=None)[0]
    return float(np.sqrt(np.mean((powers @ curve - apart) ** 2, axis=0)).max()) <= TONE_SPREAD
