"""EXIF blocks, which are carried byte for byte: read, and patched in place.

An EXIF block is a small TIFF file: directories of tags whose values lie anywhere in it. Maker
notes hold offsets that nobody but the maker knows, so no byte may move. Only what would be
wrong for the result is overwritten: the orientation, the size in pixels and the way to the
thumbnail. Source: TIFF 6.0, section 2; Exif 3.0 (CIPA DC-008), section 4.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

PREFIX = b"Exif\0\0"  # in front of the block in a JPEG
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
         16: 8, 17: 8, 18: 8}  # fmt: skip  # bytes of a value, by type; the last are BigTIFF's
SHORT, LONG = 3, 4
WIDTH, HEIGHT, ORIENTATION = 0x0100, 0x0101, 0x0112
EXIF, GPS, INTEROP = 0x8769, 0x8825, 0xA005
MAKER_NOTE = 0x927C
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003  # of the Exif directory
RELATED_WIDTH, RELATED_HEIGHT = 0x1001, 0x1002  # of the Interop directory


Buffer = bytes | bytearray | mmap.mmap


class Entry(NamedTuple):
    """A tag of a directory. at: where its entry lies; value: where its value does.

    values: how many of its type.
    """

    tag: int
    type: int
    values: int
    at: int
    value: int
    length: int


@dataclass(frozen=True)
class Layout:
    """How the numbers of a TIFF structure are written: byte order and sizes."""

    order: str
    is_big: bool = False

    def unpack(self, form: str, data: Buffer, at: int) -> tuple[int, ...]:
        """Numbers at a place. Raises ValueError beyond the end."""
        try:
            return struct.unpack_from(self.order + form, data, at)
        except struct.error as error:
            raise ValueError("beyond the end of the block") from error

    def directory(self, data: Buffer, at: int) -> tuple[list[Entry], int]:
        """The tags of the directory at a place, and where the place of the next one stands.

        Raises ValueError where it does not lie within the data.
        """
        head, width, entry_size = ("Q", 8, 20) if self.is_big else ("H", 2, 12)
        (count,) = self.unpack(head, data, at)
        start, inline = at + width, 8 if self.is_big else 4
        end = start + count * entry_size
        if end > len(data):
            raise ValueError("a directory beyond the end of the block")
        entries = []
        for place in range(start, end, entry_size):
            tag, kind, number = self.unpack("HHQ" if self.is_big else "HHI", data, place)
            length = SIZES.get(kind, 1) * number
            value = place + entry_size - inline
            if length > inline:
                (value,) = self.unpack("Q" if self.is_big else "I", data, value)
            entries.append(Entry(tag, kind, number, place, value, length))
        return entries, end

    def number(self, data: Buffer, entry: Entry) -> int | None:
        """The value of a tag that is one whole number."""
        form = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(entry.type)
        if form is None or entry.values != 1:
            return None
        return self.unpack(form, data, entry.value)[0]


def layout_of(data: Buffer) -> tuple[Layout, int]:
    """How a TIFF structure is written, and where its first directory lies. Raises ValueError."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None:
        raise ValueError("not a TIFF structure")
    layout = Layout(order)
    (magic,) = layout.unpack("H", data, 2)
    if magic == 43:
        return Layout(order, is_big=True), layout.unpack("Q", data, 8)[0]
    if magic != 42:
        raise ValueError("not a TIFF structure")
    return layout, layout.unpack("I", data, 4)[0]


def checked(block: bytes) -> bytes:
    """The block without its prefix. Raises ValueError where its first directory is not whole."""
    block = block.removeprefix(PREFIX)
    layout, first = layout_of(block)
    if not layout.directory(block, first)[0]:
        raise ValueError("an empty block")
    return block


def patched(block: bytes, width: int, height: int, *, keep_orientation: bool = True) -> bytes:
    """A checked block for an upright result of this size, all else byte for byte as it was.

    keep_orientation: False takes the tag out, for formats that have another place for it; the
    values stay where they are.
    """
    data = bytearray(block)
    layout, first = layout_of(data)
    entries, next_at = layout.directory(data, first)
    for entry in entries:
        if entry.tag == ORIENTATION:
            struct.pack_into(layout.order + "HIHH", data, entry.at + 2, SHORT, 1, 1, 0)
    _set_size(layout, data, entries, (WIDTH, HEIGHT), (width, height))
    if next_at + 4 <= len(data):
        struct.pack_into(layout.order + "I", data, next_at, 0)  # the thumbnail's directory
    for inner in _directory_at(layout, data, entries, EXIF):
        _set_size(layout, data, inner, (PIXEL_WIDTH, PIXEL_HEIGHT), (width, height))
        for interop in _directory_at(layout, data, inner, INTEROP):
            _set_size(layout, data, interop, (RELATED_WIDTH, RELATED_HEIGHT), (width, height))
    if not keep_orientation:
        take_out(layout, data, first, ORIENTATION)
    return bytes(data)


def value_of(block: bytes, tag: int, *, directory: int | None = None) -> bytes | None:
    """The bytes of a tag of the first directory, or of the one to which a tag of it points."""
    try:
        layout, first = layout_of(block)
        entries, _ = layout.directory(block, first)
        if directory is not None:
            entries = next(_directory_at(layout, block, entries, directory), [])
        for entry in entries:
            if entry.tag == tag:
                return bytes(block[entry.value : entry.value + entry.length])
    except ValueError:
        pass
    return None


def orientation_of(block: bytes) -> int:
    """How the picture is turned, 1 to 8; 1 where the block does not say."""
    raw = value_of(block, ORIENTATION)
    if raw is None or len(raw) != 2:
        return 1
    return struct.unpack((">" if block[:2] == b"MM" else "<") + "H", raw)[0]


def belongs_to_live_photo(block: bytes) -> bool:
    """Whether an iPhone took a video together with the photo (maker note, tag 0x11)."""
    note = value_of(block, MAKER_NOTE, directory=EXIF) or b""
    if not note.startswith(b"Apple iOS\0"):
        return False
    try:
        entries, _ = Layout(">").directory(note, 14)
    except ValueError:
        return False
    return any(entry.tag == 0x11 for entry in entries)


def _directory_at(
    layout: Layout, data: Buffer, entries: list[Entry], pointer: int
) -> Iterator[list[Entry]]:
    """The tags of the directory to which a tag points, if they are whole."""
    for entry in entries:
        if entry.tag == pointer and (at := layout.number(data, entry)):
            try:
                yield layout.directory(data, at)[0]
            except ValueError:
                continue


def _set_size(
    layout: Layout,
    data: bytearray,
    entries: list[Entry],
    tags: tuple[int, int],
    size: tuple[int, int],
) -> None:
    wanted = dict(zip(tags, size, strict=True))
    for entry in entries:
        value = wanted.get(entry.tag)
        if value is None or entry.values != 1 or entry.type not in (SHORT, LONG):
            continue
        form = "HH" if entry.type == SHORT else "I"
        numbers = (value, 0) if entry.type == SHORT else (value,)
        struct.pack_into(layout.order + form, data, entry.value, *numbers)


def take_out(layout: Layout, data: bytearray, at: int, tag: int) -> None:
    """Remove a tag from the directory at a place: what follows it there closes up."""
    entries, end = layout.directory(data, at)
    end = min(end + 4, len(data))
    for entry in reversed(entries):
        if entry.tag == tag:
            data[entry.at : end] = data[entry.at + 12 : end] + bytes(12)
            (count,) = layout.unpack("H", data, at)
            struct.pack_into(layout.order + "H", data, at, count - 1)
