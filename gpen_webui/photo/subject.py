"""Where EXIF says that a photo's subject is: moved with the picture.

The place counts on the picture as it lies in its file, before the orientation tag turns it.
Source: Exif 3.0 (CIPA DC-008), section 4.6, SubjectArea and SubjectLocation.
"""

from __future__ import annotations

import struct

from gpen_webui.photo import exif
from gpen_webui.photo.regions import SIDEWAYS, UPRIGHT, Crop

AREA, LOCATION = 0x9214, 0xA214  # of the Exif directory
LARGEST = 0xFFFF  # pixels that they can tell
KINDS = {AREA: (2, 3, 4), LOCATION: (2,)}  # a point; with a diameter; with width and height


def moved(
    block: bytes,
    size: tuple[int, int],
    *,
    orientation: int = UPRIGHT,
    crop: Crop | None = None,
    scale: tuple[float, float] = (1, 1),
) -> tuple[bytes, bool]:
    """A checked EXIF block for the picture that was turned, cropped and then enlarged, and whether
    a place was taken out of it, as it was cut off or is no place.

    size: of the picture before, width and height. orientation: as EXIF's, that turns it. crop: a
    part of the turned picture. All other bytes stay.
    """
    if orientation == UPRIGHT and crop is None and scale == (1, 1):
        return block, False
    data, lost = bytearray(block), False
    layout, first = exif.layout_of(data)
    for pointer in layout.directory(data, first)[0]:
        at = layout.number(data, pointer) if pointer.tag == exif.EXIF else None
        if not at:
            continue
        for tag in KINDS:
            place = _place_in(layout, data, at, tag)
            if place is None:
                continue
            entry, numbers = place
            told = _moved(numbers, size, orientation, crop, scale)
            if told is None:
                exif.take_out(layout, data, at, tag)
                lost = True
            else:
                struct.pack_into(f"{layout.order}{len(told)}H", data, entry.value, *told)
    return bytes(data), lost


def _place_in(
    layout: exif.Layout, data: bytearray, at: int, tag: int
) -> tuple[exif.Entry, tuple[int, ...]] | None:
    """A place's entry in the directory there, and its numbers; None where there is none."""
    try:
        for entry in layout.directory(data, at)[0]:
            if entry.tag == tag and entry.type == exif.SHORT and entry.values in KINDS[tag]:
                return entry, layout.unpack(f"{entry.values}H", data, entry.value)
    except ValueError:
        pass  # what is broken stays as it is
    return None


def _moved(
    numbers: tuple[int, ...],
    size: tuple[int, int],
    orientation: int,
    crop: Crop | None,
    scale: tuple[float, float],
) -> list[int] | None:
    """The numbers of one place; None where its middle is not in the picture."""
    width, height = size
    x, y, sides = numbers[0] + 0.5, numbers[1] + 0.5, list(numbers[2:])
    x, y = {
        1: (x, y),
        2: (width - x, y),
        3: (width - x, height - y),
        4: (x, height - y),
        5: (y, x),
        6: (height - y, x),
        7: (height - y, width - x),
        8: (y, width - x),
    }[orientation]
    if orientation in SIDEWAYS:
        sides, size = sides[::-1], size[::-1]
    left, top, *within = crop or (0, 0, *size)
    x, y = x - left, y - top
    if not (0 <= x < within[0] and 0 <= y < within[1]):
        return None
    across, down = scale
    factors = [(across * down) ** 0.5] if len(sides) == 1 else [across, down]
    told = [int(x * across), int(y * down)]
    told += [round(side * factor) for side, factor in zip(sides, factors, strict=False)]
    return told if max(told) <= LARGEST else None
