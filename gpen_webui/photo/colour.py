"""What the colours of a picture without a colour profile mean, where the file says so by numbers.

PNG does it by gAMA, cHRM and cICP, HEIC and AVIF by nclx. Such a picture gets a profile that
says the same, and its pixels stay as they are. Only HDR (PQ and HLG, BT.2100) is converted to
sRGB, because a profile cannot say it, by this rule, which is that of Chromium on an ordinary
screen:

    Light is counted in units of reference white, 203 nits (BT.2408); HLG is shown at 1,000 nits
    peak. The largest of R, G and B in BT.2020 decides by what all three are multiplied. Up to
    reference white that is 1/2; from there a curve leads to white at 1,000 nits and beyond.
    Where the file says how bright its brightest part is, that is instead of the 1,000 nits, and
    reference white is lowered less, the nearer it is to that.

Source of the numbers: ITU-T H.273 (primaries, transfer functions), BT.2100, BT.2408.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

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
LUMINANCE = np.array((0.2627, 0.6780, 0.0593), np.float32)  # of BT.2020
PART = 1 << 14  # pixels converted at a time, so that they stay in the cache
STEPS = 8192  # of the table by which linear values are encoded
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

    def to_srgb(self, samples: np.ndarray, bits: int, peak: float | None = None) -> np.ndarray:
        """Converts HDR, (H,W,3) RGB samples of so many bits, to sRGB, (H,W,3) uint8.

        peak: the brightest part of a picture in PQ, in nits; None where nobody knows.
        """
        nits = PEAK if peak is None or self.hdr == HLG else max(peak, REFERENCE_WHITE * 1.001)
        brightest = nits / REFERENCE_WHITE
        light = (_light_of_pq if self.hdr == PQ else _light_of_hlg)(2**bits)
        to_bt2020 = _between(self.primaries, self.white, BT2020, D65)
        to_srgb = _between(BT2020, D65, SRGB_PRIMARIES, D65)
        encoded = _encoded(np.linspace(0, 1, STEPS + 1))

        def convert(part: np.ndarray) -> np.ndarray:
            values = light[np.minimum(part, len(light) - 1)]
            if self.hdr == HLG:
                values *= (values @ LUMINANCE)[..., None] ** 0.2 * (PEAK / REFERENCE_WHITE)
            values = np.maximum(values @ to_bt2020.T, 0)
            values *= _gain(values.max(axis=-1, keepdims=True), brightest)
            values = np.clip(values @ to_srgb.T, 0, 1)
            return encoded[(np.sqrt(values) * STEPS + 0.5).astype(np.uint16)]

        result = np.empty(samples.shape, np.uint8)
        rows = max(1, PART // samples.shape[1])
        for top in range(0, len(samples), rows):
            result[top : top + rows] = convert(samples[top : top + rows])
        return result


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
        x = [number / 100_000 for number in struct.unpack(">8I", places)]
        white = (x[0], x[1])
        corners = ((x[2], x[3]), (x[4], x[5]), (x[6], x[7]))
    is_like_srgb = np.allclose((*corners, white), (*SRGB_PRIMARIES, D65), atol=0.002)
    if is_like_srgb and abs(gamma - USUAL_GAMMA) < 500:
        return None
    return ColourSpace(f"gamma {100_000 / gamma:.2f}", corners, white, (100_000 / gamma,))


def _between(source: Primaries, source_white: XY, target: Primaries, white: XY) -> np.ndarray:
    matrix = np.linalg.inv(primaries_matrix(target, white)) @ primaries_matrix(source, source_white)
    return matrix.astype(np.float32)


def _light_of_pq(steps: int) -> np.ndarray:
    """(steps,): light in units of reference white (SMPTE ST 2084)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = np.linspace(0, 1, steps) ** (1 / m2)
    light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return (light * 10_000 / REFERENCE_WHITE).astype(np.float32)


def _light_of_hlg(steps: int) -> np.ndarray:
    """(steps,): light of the scene, 0 to 1 (BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    values = np.linspace(0, 1, steps)
    light = np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
    return light.astype(np.float32)


def _gain(largest: np.ndarray, top: float) -> np.ndarray:
    """What the colours are multiplied by, by the largest of each three; see the module's rule.

    top: the brightest part of the picture, in units of reference white; more than 1. Source of
    the curve: SMPTE ST 2094-50, the tone mapping by reference white.
    """
    white = 1 - 0.5 * min(np.log(top) / np.log(PEAK / REFERENCE_WHITE), 1)
    largest = np.maximum(largest, 1)
    # A quadratic Bezier curve from (1, white), where it goes on straight, to (top, 1).
    middle_x, middle_y = 1 + KNEE * (1 / white - 1), white + KNEE * (1 - white)
    square, linear = 1 - 2 * middle_x + top, 2 * (middle_x - 1)
    root = np.sqrt(np.maximum(linear**2 + 4 * square * (np.minimum(largest, top) - 1), 0))
    # So written it also holds where `square` is nearly nothing.
    t = 2 * (np.minimum(largest, top) - 1) / np.maximum(linear + root, 1e-9)
    t = np.minimum(t, 1)
    return ((1 - t) ** 2 * white + 2 * t * (1 - t) * middle_y + t**2) / largest


def _encoded(roots: np.ndarray) -> np.ndarray:
    """sRGB samples, uint8, of the square roots of linear values."""
    linear = roots**2
    samples = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(samples * 255).astype(np.uint8)
