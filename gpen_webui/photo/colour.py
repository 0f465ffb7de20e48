"""What the colours of a picture without a colour profile mean, where the file says so by numbers.

PNG does it by gAMA, cHRM and cICP, HEIC and AVIF by nclx. Such a picture gets a profile that
says the same, and its pixels stay as they are. Only HDR (PQ and HLG, BT.2100) is converted to
sRGB, because a profile cannot say it, by this rule, which is that of Chromium on an ordinary
screen:

    Light is counted in units of reference white, 203 nits (BT.2408); HLG is shown at 1,000 nits
    peak. The largest of R, G and B in BT.2020 decides by what all three are multiplied. Up to
    reference white that is 1/2; from there a curve leads to white at 1,000 nits and beyond.

Source of the numbers: ITU-T H.273 (primaries, transfer functions), BT.2100, BT.2408.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from gpen_webui.photo.icc import (
    D65,
    SRGB_CURVE,
    SRGB_PRIMARIES,
    XY,
    grey_profile,
    primaries_matrix,
    rgb_profile,
)

Primaries = tuple[XY, XY, XY]
BT2020: Primaries = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
P3: Primaries = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
NTSC: Primaries = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
PRIMARIES: dict[int, tuple[str, Primaries, XY]] = {
    1: ("sRGB", SRGB_PRIMARIES, D65),
    4: ("BT.470 M", ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), (0.310, 0.316)),
    5: ("PAL", ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), D65),
    6: ("NTSC", NTSC, D65),
    7: ("NTSC", NTSC, D65),
    9: ("BT.2020", BT2020, D65),
    11: ("DCI-P3", P3, (0.314, 0.351)),
    12: ("Display P3", P3, D65),
    22: ("EBU", ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)), D65),
}
PQ, HLG = 16, 18
# Transfer functions that are no sRGB; those of television (1, 6, 14, 15) are shown as sRGB.
CURVES = {4: ("gamma 2.2", (2.2,)), 5: ("gamma 2.8", (2.8,)), 8: ("linear", (1.0,))}
REFERENCE_WHITE, PEAK = 203.0, 1000.0  # nits
KNEE = 0.65  # how far the curve's control point lies along the straight part
TABLE = 65  # steps per colour of the table by which pictures are converted
USUAL_GAMMA = 45455  # of PNG: 1 / 2.2, which many programs write for sRGB


@dataclass(frozen=True)
class ColourSpace:
    """What RGB samples mean. curve: as of icc.rgb_profile. hdr: PQ or HLG, or 0."""

    name: str
    primaries: Primaries
    white: XY
    curve: tuple[float, ...]
    hdr: int = 0

    def profile(self, grey: bool) -> bytes:
        """It as a colour profile, of RGB or of grey. Raises ValueError where it spans nothing."""
        if grey:
            return grey_profile(self.name, self.curve)
        return rgb_profile(self.name, self.primaries, self.white, self.curve)

    def to_srgb(self) -> Callable[[Image.Image], Image.Image]:
        """Converts an RGB picture of HDR to sRGB."""
        to_bt2020 = _between(self.primaries, self.white, BT2020, D65)
        to_srgb = _between(BT2020, D65, SRGB_PRIMARIES, D65)
        steps = np.linspace(0, 1, TABLE)
        blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
        light = _from_pq if self.hdr == PQ else _from_hlg
        values = light(np.stack((red, green, blue), axis=-1)) @ to_bt2020.T
        table = _encoded((np.maximum(values, 0) * _gain(values)) @ to_srgb.T)
        filter = ImageFilter.Color3DLUT(TABLE, table.astype(np.float32).ravel(), _copy_table=False)
        return lambda image: image.filter(filter)


def space_of_numbers(primaries: int, transfer: int) -> ColourSpace | None:
    """By the numbers of H.273; None for sRGB and what is not known."""
    name, corners, white = PRIMARIES.get(primaries, PRIMARIES[1])
    if transfer in (PQ, HLG):
        return ColourSpace(f"{name} HDR", corners, white, (), transfer)
    words, curve = CURVES.get(transfer, ("", SRGB_CURVE))
    if corners == SRGB_PRIMARIES and not words:
        return None
    return ColourSpace(f"{name} {words}".strip(), corners, white, curve)


def space_of_png(chunks: dict[bytes, bytes]) -> ColourSpace | None:
    """By a PNG's chunks: cICP counts before sRGB, and that before gAMA with cHRM."""
    if len(numbers := chunks.get(b"cICP", b"")) == 4:
        return space_of_numbers(numbers[0], numbers[1])
    if b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return None
    (gamma,) = struct.unpack(">I", chunks[b"gAMA"])
    if not 10_000 <= gamma <= 1_000_000:
        return None
    corners, white = SRGB_PRIMARIES, D65
    if len(places := chunks.get(b"cHRM", b"")) == 32:
        numbers = [number / 100_000 for number in struct.unpack(">8I", places)]
        white, *found = zip(numbers[::2], numbers[1::2], strict=True)
        corners = tuple(found)
    is_like_srgb = np.allclose((*corners, white), (*SRGB_PRIMARIES, D65), atol=0.002)
    if is_like_srgb and abs(gamma - USUAL_GAMMA) < 500:
        return None
    return ColourSpace(f"gamma {100_000 / gamma:.2f}", corners, white, (100_000 / gamma,))


def _between(source: Primaries, source_white: XY, target: Primaries, white: XY) -> np.ndarray:
    return np.linalg.inv(primaries_matrix(target, white)) @ primaries_matrix(source, source_white)


def _from_pq(values: np.ndarray) -> np.ndarray:
    """Light in units of reference white (SMPTE ST 2084)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = values ** (1 / m2)
    return (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) * 10_000 / REFERENCE_WHITE


def _from_hlg(values: np.ndarray) -> np.ndarray:
    """Light in units of reference white on a screen of PEAK nits (BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
    luminance = scene @ np.array((0.2627, 0.6780, 0.0593))
    return scene * luminance[..., None] ** 0.2 * PEAK / REFERENCE_WHITE


def _gain(values: np.ndarray) -> np.ndarray:
    """What each colour is multiplied by; see the module's rule."""
    largest = np.maximum(values.max(axis=-1, keepdims=True), 1e-9)
    top = PEAK / REFERENCE_WHITE
    # A quadratic Bezier curve from (1, 1/2), where it goes on straight, to (top, 1).
    middle_x, middle_y = 1 + KNEE, (1 + KNEE) / 2
    square, linear = 1 - 2 * middle_x + top, 2 * (middle_x - 1)
    along = np.clip(largest, 1, top) - 1
    t = (np.sqrt(linear**2 + 4 * square * along) - linear) / (2 * square)
    shown = (1 - t) ** 2 / 2 + 2 * t * (1 - t) * middle_y + t**2
    return np.where(largest <= 1, 0.5, shown / largest)


def _encoded(linear: np.ndarray) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
