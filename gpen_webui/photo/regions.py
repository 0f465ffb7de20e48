"""Faces that somebody has marked in a photo, by their places (XMP, mwg-rs:Regions).

The places count on the picture as it lies in the file; where that is turned upright, they turn
with it. Source: Metadata Working Group, Guidelines for Handling Image Metadata 2.0, section 5.9.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

REGIONS = "http://www.metadataworkinggroup.com/schemas/regions/"
AREA = "{http://ns.adobe.com/xmp/sType/Area#}"
SIZE = "{http://ns.adobe.com/xap/1.0/sType/Dimensions#}"
ITEM = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
UPRIGHT = 1
SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height

Crop = tuple[int, int, int, int]  # left, top, width, height, in pixels of the upright picture


def move(
    regions: Element, orientation: int, size: tuple[int, int], crop: Crop | None = None
) -> bool:
    """Turn all places within an element, and count them on what is left of the picture.

    crop: that part of the upright picture; None for all of it. Otherwise as `turn`. Places whose
    middle is cut off are taken out.
    """
    if orientation != UPRIGHT and not turn(regions, orientation, size):
        return False
    if crop is None:
        return True
    upright = size[::-1] if orientation in SIDEWAYS else size
    return _crop(regions, upright, crop)


def has_any(regions: Element) -> bool:
    """Whether there is a place within an element."""
    return next(regions.iter(f"{{{REGIONS}}}Area"), None) is not None


def turn(regions: Element, orientation: int, size: tuple[int, int]) -> bool:
    """Turn all places within an element as EXIF's orientation turns the picture.

    size: the picture's in the file, width and height. False, and then they are of no use, where
    some place is not given in parts of the picture's sides.
    """
    areas = [part for part in regions.iter() if part.tag == f"{{{REGIONS}}}Area"]
    if _counts_on_upright(regions, orientation, size):
        return bool(areas)
    if not areas or not all(_turn_area(area, orientation) for area in areas):
        return False
    for part in regions.iter(f"{{{REGIONS}}}AppliedToDimensions"):
        if orientation in SIDEWAYS:
            width, height = _value(part, SIZE + "w"), _value(part, SIZE + "h")
            _set(part, SIZE + "w", height)
            _set(part, SIZE + "h", width)
    return True


def _counts_on_upright(regions: Element, orientation: int, size: tuple[int, int]) -> bool:
    """Whether the places were marked in a picture whose sides were swapped already."""
    if orientation not in SIDEWAYS or size[0] == size[1]:
        return False
    for part in regions.iter(f"{{{REGIONS}}}AppliedToDimensions"):
        return (_value(part, SIZE + "w"), _value(part, SIZE + "h")) == (str(size[1]), str(size[0]))
    return False


def _turn_area(area: Element, orientation: int) -> bool:
    if _value(area, AREA + "unit") not in (None, "normalized"):
        return False
    try:
        x, y = (float(_value(area, AREA + name) or "") for name in "xy")
    except ValueError:
        return False
    x, y = {
        1: (x, y),
        2: (1 - x, y),
        3: (1 - x, 1 - y),
        4: (x, 1 - y),
        5: (y, x),
        6: (1 - y, x),
        7: (1 - y, 1 - x),
        8: (y, 1 - x),
    }[orientation]
    _set(area, AREA + "x", f"{x:.6g}")
    _set(area, AREA + "y", f"{y:.6g}")
    if orientation in SIDEWAYS:
        width, height = _value(area, AREA + "w"), _value(area, AREA + "h")
        _set(area, AREA + "w", height)
        _set(area, AREA + "h", width)
    return True


def _crop(regions: Element, size: tuple[int, int], crop: Crop) -> bool:
    """The same for a crop alone. size: of the upright picture."""
    for parent in list(regions.iter()):
        for item in [child for child in parent if child.tag == ITEM]:
            area = next(item.iter(f"{{{REGIONS}}}Area"), None)
            if area is None:
                continue
            if _value(area, AREA + "unit") not in (None, "normalized"):
                return False
            try:
                is_inside = _crop_area(area, size, crop)
            except ValueError:
                return False
            if not is_inside:
                parent.remove(item)
    for part in regions.iter(f"{{{REGIONS}}}AppliedToDimensions"):
        _set(part, SIZE + "w", str(crop[2]))
        _set(part, SIZE + "h", str(crop[3]))
    return True


def _crop_area(area: Element, size: tuple[int, int], crop: Crop) -> bool:
    """Whether an area's middle is in the crop; then it is the part of it that is.

    Raises ValueError where it has no numbers.
    """
    sides = []
    for axis, (place, extent) in enumerate((("x", "w"), ("y", "h"))):
        middle = float(_value(area, AREA + place) or "")
        half = float(_value(area, AREA + extent) or 0) / 2  # a point has no sides
        start, length = crop[axis], crop[axis + 2]
        low, high, centre = (
            ((middle + offset) * size[axis] - start) / length for offset in (-half, half, 0)
        )
        if not 0 <= centre <= 1:
            return False
        sides.append((place, extent, max(low, 0), min(high, 1)))
    for place, extent, low, high in sides:
        _set(area, AREA + place, f"{(low + high) / 2:.6g}")
        if _value(area, AREA + extent) is not None:
            _set(area, AREA + extent, f"{high - low:.6g}")
    return True


def _value(part: Element, name: str) -> str | None:
    """A property, which may be written as an attribute or as an element."""
    if (value := part.get(name)) is not None:
        return value
    return next((inner.text for inner in part.iter(name)), None)


def _set(part: Element, name: str, value: str | None) -> None:
    if value is None:
        return
    inner = next(part.iter(name), None)
    if inner is not None:
        inner.text = value
    else:
        part.set(name, value)
