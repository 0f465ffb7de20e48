"""Colour profiles made for pictures whose colours are given by numbers instead of a profile.

LittleCMS, through Pillow, converts by profiles and checks them, but makes none but sRGB.
Source: ICC.1:2022 (profile version 4.4).
"""

from __future__ import annotations

import struct

import numpy as np

XY = tuple[float, float]
D50 = np.array((0.9642, 1.0, 0.8249))
BRADFORD = np.array(
    ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
)
D65: XY = (0.3127, 0.3290)
SRGB_PRIMARIES: tuple[XY, XY, XY] = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
FIXED = 65536


def primaries_matrix(primaries: tuple[XY, XY, XY], white: XY) -> np.ndarray:
    """(3,3): linear RGB of these primaries to CIE XYZ, white at Y = 1. Raises ValueError."""
    corners = np.stack([_xyz(point) for point in primaries], axis=1)
    try:
        return corners * np.linalg.solve(corners, _xyz(white))
    except np.linalg.LinAlgError as error:
        raise ValueError("these primaries span no colours") from error


def rgb_profile(
    name: str, primaries: tuple[XY, XY, XY], white: XY, curve: tuple[float, ...]
) -> bytes:
    """A profile of RGB. curve: of `curveType` para: one exponent, or five numbers as of sRGB."""
    cone = BRADFORD @ _xyz(white)
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / cone) @ BRADFORD
    colorants = adapt @ primaries_matrix(primaries, white)
    tags = {
        b"rXYZ": _colour(colorants[:, 0]),
        b"gXYZ": _colour(colorants[:, 1]),
        b"bXYZ": _colour(colorants[:, 2]),
        b"chad": b"sf32\0\0\0\0" + _fixed(adapt.ravel()),
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(curve))
    return _profile(b"RGB ", name, tags)


def grey_profile(name: str, curve: tuple[float, ...]) -> bytes:
    """A profile of grey. curve: as of rgb_profile."""
    return _profile(b"GRAY", name, {b"kTRC": _curve(curve)})


def space_of(profile: bytes) -> bytes:
    """`RGB `, `GRAY`, `CMYK` ...: which samples a profile is for."""
    return profile[16:20]


def rgb_of_grey(profile: bytes) -> bytes | None:
    """A profile of RGB in which equal samples look as they do in a profile of grey.

    None where the profile has no curve.
    """
    curve = _tag(profile, b"kTRC")
    if curve is None:
        return None
    srgb = rgb_profile("", SRGB_PRIMARIES, D65, SRGB_CURVE)
    tags = {tag: _tag(srgb, tag) or b"" for tag in (b"rXYZ", b"gXYZ", b"bXYZ", b"chad")}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _profile(b"RGB ", "grey as RGB", tags)


def _profile(space: bytes, name: str, tags: dict[bytes, bytes]) -> bytes:
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _colour(D50),
    } | tags
    table, body, places = b"", b"", {}
    start = 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        if content not in places:
            body += bytes(-len(body) % 4)
            places[content] = start + len(body)
            body += content
        table += tag + struct.pack(">II", places[content], len(content))
    body += bytes(-len(body) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x04400000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _tag(profile: bytes, wanted: bytes) -> bytes | None:
    (count,) = struct.unpack_from(">I", profile, 128)
    for number in range(min(count, 100)):
        tag, at, length = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if tag == wanted and at + length <= len(profile):
            return profile[at : at + length]
    return None


def _xyz(point: XY) -> np.ndarray:
    x, y = point
    if y <= 0:
        raise ValueError("no colour")
    return np.array((x / y, 1.0, (1 - x - y) / y))


def _fixed(numbers: np.ndarray) -> bytes:
    values = np.rint(np.asarray(numbers) * FIXED).astype(np.int64)
    return struct.pack(f">{len(values)}i", *values)


def _colour(xyz: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(xyz)


def _curve(numbers: tuple[float, ...]) -> bytes:
    kind = 0 if len(numbers) == 1 else 3
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _fixed(np.array(numbers))


def _text(text: str) -> bytes:
    content = text.encode("utf-16-be")
    return (
        b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(content), 28) + content
    )
