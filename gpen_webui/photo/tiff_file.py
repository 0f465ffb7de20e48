"""TIFF files, whose EXIF is the file itself: taken out of one, and put around pixels again."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from gpen_webui.photo.exif import (
    EXIF,
    GPS,
    INTEROP,
    LONG,
    SHORT,
    SIZES,
    Entry,
    Layout,
    layout_of,
)

# What tells how the pixels lie in the file, or comes into the result by another way.
OF_THE_PIXELS = frozenset(
    [*range(254, 260), 262, 263, 264, 265, 266, *range(273, 275), *range(277, 282), 284, 288, 289,
     290, 291, 292, 293, 297, 301, *range(317, 320), *range(320, 326), *range(330, 348), 351,
     *range(512, 522), *range(529, 533), 559, 34675, 37724, 50706, 50707, *range(50710, 50742)]
)  # fmt: skip
XMP, IPTC, PHOTOSHOP = 700, 33723, 34377  # as bytes: metadata.py asks for them by name
APART = (XMP, IPTC, PHOTOSHOP)
POINTERS = (EXIF, GPS, INTEROP)
MOST_BYTES = 1_000_000  # of one value
STRIP_OFFSETS, STRIP_LENGTHS, ROWS_PER_STRIP = 273, 279, 278
TILE_OFFSETS, JPEG_OFFSET = 324, 513
KIND = 254
WIDTH, HEIGHT, COMPRESSION, JPEG, SUBSAMPLING, POSITIONING = 256, 257, 259, 7, 530, 531
REFERENCE, REFERENCES = 532, (0, 255, 128, 255, 128, 255)  # black and white of YCbCr
YCBCR = 6
PHOTOMETRIC, SUB_PICTURES, PREDICTOR = 262, 330, 317
SENSOR = (32803, 34892)  # photometric interpretations of what a camera's sensor saw
DNG_VERSION = 50706
RATIONAL = 5  # a type
CLASSIC_TYPES = {16: LONG, 17: 9, 18: 13}  # of BigTIFF's types, those that mean the same

BIG_ENDIAN_BIG = b"MM\0\x2b"

Directory = dict[int, "tuple[int, int, bytes | Directory]"]


@dataclass(frozen=True)
class JpegStrips:
    """A picture as JPEGs one below the other, each with all its tables.

    rows: of each but the last. size: width and height. photometric: of TIFF. subsampling:
    across and down.
    """

    strips: list[bytes]
    rows: int
    size: tuple[int, int]
    photometric: int
    subsampling: tuple[int, int]

    def tags(self, order: str) -> Directory:
        """What a TIFF says of them."""

        def numbers(*values: int) -> tuple[int, int, bytes]:
            return LONG, len(values), struct.pack(f"{order}{len(values)}I", *values)

        def short(*values: int) -> tuple[int, int, bytes]:
            return SHORT, len(values), struct.pack(f"{order}{len(values)}H", *values)

        tags: Directory = {
            KIND: numbers(0),  # a whole picture: else JPEG looks like a preview
            WIDTH: numbers(self.size[0]),
            HEIGHT: numbers(self.size[1]),
            COMPRESSION: short(JPEG),
            PHOTOMETRIC: short(self.photometric),
            ROWS_PER_STRIP: numbers(min(self.rows, self.size[1])),
            STRIP_LENGTHS: numbers(*map(len, self.strips)),
        }
        if self.photometric == YCBCR:
            pairs = (number for value in REFERENCES for number in (value, 1))
            tags[SUBSAMPLING] = short(*self.subsampling)
            tags[POSITIONING] = short(1)
            tags[REFERENCE] = (RATIONAL, len(REFERENCES), struct.pack(order + "12I", *pairs))
        return tags


class TiffTags:
    """The first directory of a TIFF file, and what it points to. Raises ValueError, OSError."""

    def __init__(self, path: Path):
        self._data = _read(path)
        self.layout, self._first = layout_of(self._data)
        self._entries, _ = self.layout.directory(self._data, self._first)
        self.too_large = False

    def raw(self, tag: int) -> bytes | None:
        """The bytes of a tag."""
        for entry in self._entries:
            if entry.tag == tag:
                return self._value(entry)
        return None

    def number(self, tag: int) -> int | None:
        """The value of a tag that is a whole number, or the first of several."""
        for entry in self._entries:
            if entry.tag == tag and entry.values and SIZES.get(entry.type, 9) <= 8:
                first = entry._replace(values=1)
                if entry.length <= (8 if self.layout.is_big else 4) or entry.values > 1:
                    return self.layout.number(self._data, first)
        return None

    def first_packed(self, length: int) -> bytes:
        """The beginning of the packed pixels, or of the JPEG of an old TIFF."""
        for tag in (JPEG_OFFSET, STRIP_OFFSETS, TILE_OFFSETS):
            if at := self.number(tag):
                return bytes(self._data[at : at + length])
        return b""

    def holds_sensor_data(self) -> bool:
        """Whether the file is a camera's raw file; its first picture is a thumbnail then."""
        if self.raw(DNG_VERSION) is not None or self._data[8:10] == b"CR":
            return True
        directories = [self._entries]
        for entry in self._entries:
            if entry.tag == SUB_PICTURES and entry.values <= 16:
                form = f"{entry.values}{'Q' if SIZES.get(entry.type) == 8 else 'I'}"
                directories += map(self._inner, self.layout.unpack(form, self._data, entry.value))
        return any(
            entry.tag == PHOTOMETRIC and self.layout.number(self._data, entry) in SENSOR
            for directory in directories
            for entry in directory
        )

    def exif_block(self) -> bytes | None:
        """The tags that describe the picture as an EXIF block; None where there are none."""
        kept = self._described(self._entries, depth=2)
        if not kept:
            return None
        block = bytearray(_header(self.layout.order, 8))
        _append(block, self.layout.order, kept)
        return bytes(block)

    def all_values(self) -> Directory:
        """The first directory, without what lies behind its pointers, of the classic types."""
        values = {entry.tag: self._classic(entry) for entry in self._entries}
        return {tag: value for tag, value in values.items() if value is not None}

    def _described(self, entries: list[Entry], depth: int) -> Directory:
        kept: Directory = {}
        for entry in entries:
            if (depth == 2 and entry.tag in OF_THE_PIXELS) or entry.tag in APART:
                continue
            if entry.tag in POINTERS:
                at = self.layout.number(self._data, entry)
                if at and depth and (inner := self._described(self._inner(at), depth - 1)):
                    kept[entry.tag] = (LONG, 1, inner)
            elif (value := self._classic(entry)) is not None:
                kept[entry.tag] = value
        return kept

    def _classic(self, entry: Entry) -> tuple[int, int, bytes] | None:
        value = self._value(entry)
        if value is None or entry.type not in SIZES:
            return None
        if entry.type in CLASSIC_TYPES:
            numbers = struct.unpack(f"{self.layout.order}{entry.values}Q", value)
            if max(numbers, default=0) >= 1 << 32:
                return None
            value = struct.pack(f"{self.layout.order}{entry.values}I", *numbers)
        return CLASSIC_TYPES.get(entry.type, entry.type), entry.values, value

    def _value(self, entry: Entry) -> bytes | None:
        if entry.length > MOST_BYTES:
            self.too_large = True
            return None
        value = self._data[entry.value : entry.value + entry.length]
        return bytes(value) if len(value) == entry.length else None

    def _inner(self, at: int) -> list[Entry]:
        try:
            return self.layout.directory(self._data, at)[0]
        except ValueError:
            return []


def as_classic(path: Path) -> bytes | None:
    """A big-endian BigTIFF, which Pillow does not know, as a classic TIFF; None for others.

    Raises ValueError where it is broken or has values that a classic one cannot hold.
    """
    with path.open("rb") as file:
        if file.read(4) != BIG_ENDIAN_BIG:
            return None
    tags = TiffTags(path)
    data = bytearray(path.read_bytes())
    data[:8] = _header(">", len(data))
    _append(data, ">", tags.all_values())
    return bytes(data)


def around_pixels(
    encoded: bytes,
    block: bytes | None,
    more: dict[int, tuple[int, bytes]],
    jpeg: JpegStrips | None = None,
) -> bytes:
    """A TIFF file of the pixels of another one, with the tags of an EXIF block.

    encoded: a classic TIFF file of one picture in 8 bits. block: stands at the beginning of the
    result, byte for byte but for the place of the first directory, so that all that it points
    to lies where it lay. more: further tags: type and value. jpeg: stands for the pixels of
    `encoded`, which then is of any size.
    """
    source, first = layout_of(encoded)
    order = layout_of(block)[0].order if block else source.order
    tags: Directory = {}
    for entry in source.directory(encoded, first)[0]:
        raw = encoded[entry.value : entry.value + entry.length]
        tags[entry.tag] = (entry.type, entry.values, _swapped(raw, entry, source.order, order))
    strips = jpeg.strips if jpeg else _strips(source, encoded, first)
    if jpeg:
        tags.pop(PREDICTOR, None)
        tags |= jpeg.tags(order)
    if block:
        layout, at = layout_of(block)
        for entry in layout.directory(block, at)[0]:
            if entry.tag not in OF_THE_PIXELS and entry.tag not in APART:
                raw = bytes(block[entry.value : entry.value + entry.length])
                tags[entry.tag] = (entry.type, entry.values, raw)
    tags |= {tag: (kind, len(value), value) for tag, (kind, value) in more.items()}
    result = bytearray(block or _header(order, 8))
    places = []
    for strip in strips:
        result += bytes(-len(result) % 2)
        places.append(len(result))
        result += strip
    tags[STRIP_OFFSETS] = (LONG, len(places), struct.pack(f"{order}{len(places)}I", *places))
    result += bytes(-len(result) % 2)
    struct.pack_into(order + "I", result, 4, len(result))
    _append(result, order, tags)
    return bytes(result)


def _read(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _header(order: str, first: int) -> bytes:
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, first)


def _append(file: bytearray, order: str, directory: Directory) -> int:
    """Write a directory and what it holds behind the file; returns its place."""
    at = len(file)
    file += struct.pack(order + "H", len(directory)) + bytes(12 * len(directory) + 4)
    for number, (tag, (kind, count, value)) in enumerate(sorted(directory.items())):
        if isinstance(value, dict):
            file += bytes(-len(file) % 2)
            value = struct.pack(order + "I", _append(file, order, value))
        if len(value) > 4:
            file += bytes(-len(file) % 2)
            place = struct.pack(order + "I", len(file))
            file += value
        else:
            place = value.ljust(4, b"\0")
        entry = struct.pack(order + "HHI", tag, kind, count) + place
        file[at + 2 + 12 * number : at + 14 + 12 * number] = entry
    return at


def _strips(layout: Layout, encoded: bytes, first: int) -> list[bytes]:
    found = {}
    for entry in layout.directory(encoded, first)[0]:
        if entry.tag in (STRIP_OFFSETS, STRIP_LENGTHS):
            form = f"{entry.values}{'H' if SIZES[entry.type] == 2 else 'I'}"
            found[entry.tag] = layout.unpack(form, encoded, entry.value)
    pairs = zip(found[STRIP_OFFSETS], found[STRIP_LENGTHS], strict=True)
    return [encoded[at : at + length] for at, length in pairs]


def _swapped(raw: bytes, entry: Entry, source: str, target: str) -> bytes:
    """A value in another byte order."""
    width = {5: 4, 10: 4}.get(entry.type, SIZES.get(entry.type, 1))
    if source == target or width == 1:
        return raw
    form = f"{len(raw) // width}{ {2: 'H', 4: 'I', 8: 'Q'}[width] }".replace(" ", "")
    return struct.pack(target + form, *struct.unpack(source + form, raw))
