"""What a HEIC or AVIF file says of its pictures. Source: ISO/IEC 14496-12 and 23008-12.

Pillow and libheif decode the picture; they do not tell how an AVIF's colours are meant, nor
what else lies in the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

MOST_META = 32_000_000  # bytes
MOST_EXIF = 10_000_000
PICTURES = {"hvc1", "av01", "grid", "iden", "iovl", "jpeg", "avc1", "unci", "j2k1"}


@dataclass
class HeifFile:
    """cicp: primaries and transfer function as numbers of ITU-T H.273, where the file names
    them. peak: the brightest part of HDR, in nits, where the file says so. bits: per colour.
    exif: its block. besides: what lies beside the picture, in words."""

    cicp: tuple[int, int] | None = None
    peak: float | None = None
    bits: int = 8
    exif: bytes | None = None
    besides: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> HeifFile:
        """What cannot be read is left out. Raises OSError."""
        try:
            return _Reader(path).read()
        except (struct.error, ValueError, IndexError, KeyError, UnicodeDecodeError):
            return cls()


class _Reader:
    def __init__(self, path: Path):
        self._path = path
        self._types: dict[int, str] = {}
        self._hidden: set[int] = set()
        self._places: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        self._properties: list[tuple[bytes, bytes]] = []
        self._property_numbers: dict[int, list[int]] = {}
        self._references: list[tuple[bytes, int, list[int]]] = []
        self._own_data = b""
        self._primary = 0

    def read(self) -> HeifFile:
        meta, kinds = self._meta()
        for kind, content in _boxes(meta[4:]):
            reader = {
                b"pitm": self._read_primary,
                b"iinf": self._read_items,
                b"iloc": self._read_places,
                b"iprp": self._read_properties,
                b"iref": self._read_references,
            }.get(kind)
            if kind == b"idat":
                self._own_data = content
            elif reader:
                reader(content)
        found = HeifFile(exif=self._exif(), besides=self._besides(kinds))
        for kind, content in self._of(self._primary):
            if kind == b"colr" and content[:4] == b"nclx":
                found.cicp = struct.unpack(">HH", content[4:8])
            elif kind == b"clli" and (brightest := struct.unpack(">H", content[:2])[0]):
                found.peak = float(brightest)
            elif kind == b"pixi":
                found.bits = max(content[5:])
            elif kind == b"av1C" and content[2] & 0x40:
                found.bits = max(found.bits, 12 if content[2] & 0x20 else 10)
        return found

    def _meta(self) -> tuple[bytes, set[bytes]]:
        """The content of the box that describes the pictures; the kinds of all boxes."""
        meta, kinds = b"", set()
        with self._path.open("rb") as file:
            while len(header := file.read(8)) == 8:
                size, kind = struct.unpack(">I4s", header)
                start = 8
                if size == 1:
                    (size,), start = struct.unpack(">Q", file.read(8)), 16
                if kind == b"meta" and 0 < size <= MOST_META:
                    meta = file.read(size - start)
                elif size < start:  # 0: up to the end
                    break
                else:
                    file.seek(size - start, 1)
                kinds.add(kind)
        return meta, kinds

    def _read_primary(self, content: bytes) -> None:
        self._primary = int.from_bytes(content[4 : 6 if content[0] == 0 else 8], "big")

    def _read_items(self, content: bytes) -> None:
        for kind, item in _boxes(content[6 if content[0] == 0 else 8 :]):
            if kind != b"infe" or item[0] < 2:
                continue
            wide = item[0] > 2
            number = int.from_bytes(item[4 : 8 if wide else 6], "big")
            at = 10 if wide else 8
            self._types[number] = item[at : at + 4].decode("latin-1")
            if item[3] & 1:
                self._hidden.add(number)

    def _read_places(self, content: bytes) -> None:
        version, sizes = content[0], int.from_bytes(content[4:6], "big")
        offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
        numbers = _Numbers(content, 6)
        wide = 4 if version == 2 else 2
        for _ in range(numbers.take(wide)):
            item = numbers.take(wide)
            method = numbers.take(2) & 15 if version else 0
            numbers.take(2)
            start = numbers.take(base)
            extents = []
            for _ in range(numbers.take(2)):
                if version and index:
                    numbers.take(index)
                extents.append((start + numbers.take(offset), numbers.take(length)))
            self._places[item] = (method, extents)

    def _read_properties(self, content: bytes) -> None:
        for kind, inner in _boxes(content):
            if kind == b"ipco":
                self._properties = list(_boxes(inner))
            elif kind == b"ipma":
                numbers = _Numbers(inner, 4)
                for _ in range(numbers.take(4)):
                    item = numbers.take(2 if inner[0] == 0 else 4)
                    wide = inner[3] & 1
                    linked = [numbers.take(1 + wide) for _ in range(numbers.take(1))]
                    mask = 0x7FFF if wide else 0x7F
                    self._property_numbers[item] = [link & mask for link in linked]

    def _read_references(self, content: bytes) -> None:
        wide = 2 if content[0] == 0 else 4
        for kind, inner in _boxes(content[4:]):
            numbers = _Numbers(inner, 0)
            source = numbers.take(wide)
            targets = [numbers.take(wide) for _ in range(numbers.take(2))]
            self._references.append((kind, source, targets))

    def _of(self, item: int) -> list[tuple[bytes, bytes]]:
        numbers = self._property_numbers.get(item, [])
        return [self._properties[n - 1] for n in numbers if 0 < n <= len(self._properties)]

    def _exif(self) -> bytes | None:
        about_it = {source for kind, source, items in self._references if self._primary in items}
        items = [item for item, kind in self._types.items() if kind == "Exif"]
        for item in sorted(items, key=lambda item: item not in about_it):
            if data := self._data(item):
                (skipped,) = struct.unpack(">I", data[:4])
                return data[4 + skipped :]
        return None

    def _data(self, item: int) -> bytes:
        method, extents = self._places[item]
        if sum(length for _, length in extents) > MOST_EXIF or method > 1:
            return b""
        if method == 1:
            return b"".join(self._own_data[at : at + length] for at, length in extents)
        with self._path.open("rb") as file:
            parts = []
            for at, length in extents:
                file.seek(at)
                parts.append(file.read(length))
        return b"".join(parts)

    def _besides(self, kinds: set[bytes]) -> list[str]:
        besides, not_whole = [], set()
        for kind, source, targets in self._references:
            if kind in (b"thmb", b"auxl"):
                not_whole.add(source)
            elif kind == b"dimg":
                not_whole |= set(targets)
        for item in self._types:
            for kind, content in self._of(item):
                if kind == b"auxC":
                    not_whole.add(item)
                    besides.append(_auxiliary(content[4:].split(b"\0")[0].decode("latin-1")))
        if "tmap" in self._types.values():
            besides.append("gain map (HDR)")
        whole = [
            item
            for item, kind in self._types.items()
            if kind in PICTURES and item not in not_whole | self._hidden | {self._primary}
        ]
        if whole:
            besides.append("further pictures")
        if b"moov" in kinds:
            besides.append("film or sequence of pictures")
        if b"mpvd" in kinds:
            besides.append("motion video")
        return [words for words in dict.fromkeys(besides) if words]


def _auxiliary(kind: str) -> str:
    """What an auxiliary picture is, in words; nothing for transparency, which is carried."""
    if kind.endswith((":alpha", "auxid:1")):
        return ""
    if "depth" in kind or kind.endswith("auxid:2") or "disparity" in kind:
        return "depth map"
    if "gainmap" in kind:
        return "gain map (HDR)"
    if "matte" in kind:
        return "masks of people"
    return "auxiliary picture"


class _Numbers:
    def __init__(self, data: bytes, at: int):
        self._data, self._at = data, at

    def take(self, width: int) -> int:
        """The next number of so many bytes. Raises ValueError at the end."""
        number = self._data[self._at : self._at + width]
        if len(number) < width:
            raise ValueError("cut short")
        self._at += width
        return int.from_bytes(number, "big")


def _boxes(data: bytes):
    """Yields (kind, content) of the boxes that lie in a row."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        start = 8
        if size == 1:
            (size,), start = struct.unpack_from(">Q", data, at + 8), 16
        elif size == 0:
            size = len(data) - at
        if size < start:
            return
        yield kind, data[at + start : at + size]
        at += size
