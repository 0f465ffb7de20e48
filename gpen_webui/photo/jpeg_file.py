"""What lies in a JPEG file around its picture. Source: ITU-T T.81, annex B."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # what cannot stand in a JPEG's pixel data
SOI, EOI, SOS, COM = 0xD8, 0xD9, 0xDA, 0xFE
APP0, APP1, APP2, APP11, APP12, APP13 = 0xE0, 0xE1, 0xE2, 0xEB, 0xEC, 0xED
PROGRESSIVE = 0xC2
FRAMES = {0xC0, 0xC1, PROGRESSIVE, 0xC9, 0xCA}  # how the picture is coded: baseline ...
END = b"\xff\xd9"
PHOTOSHOP = b"Photoshop 3.0\0"
# Resources of Photoshop that tell of the picture: IPTC, its digest, copyright flag, address.
DESCRIBING_RESOURCES = {0x0404, 0x0425, 0x040A, 0x040B}
IPTC_RESOURCE = 0x0404


@dataclass(frozen=True)
class FineScan:
    """A pass that brings nothing but details within blocks of 8x8 pixels, of one component; its
    bytes are those from begin to end."""

    component: int
    begin: int
    end: int


@dataclass
class JpegFile:
    """The first picture of a JPEG file.

    segments: (marker, content) before the pixels. scans: how many passes over the picture it
    holds. end: where the first picture ends; None where the end marker is missing.
    """

    data: bytes
    segments: list[tuple[int, bytes]] = field(default_factory=list)
    scans: int = 0
    end: int | None = None
    _refined: dict[tuple[int, int], int] = field(default_factory=dict)
    _components: tuple[int, ...] = ()
    _sampling: tuple[int, ...] = ()
    _fine_scans: list[FineScan] = field(default_factory=list)

    @classmethod
    def read(cls, data: bytes, most_scans: int) -> JpegFile:
        """Walk over the markers, until more scans than that have been counted."""
        found = cls(data)
        position, fine = 2, None
        while found.scans <= most_scans and (marker := MARKER.search(data, position)):
            code, position = data[marker.end() - 1], marker.end()
            if fine:
                found._fine_scans.append(FineScan(*fine, marker.start()))
                fine = None
            if code == EOI:
                found.end = position
                break
            length = int.from_bytes(data[position : position + 2], "big")
            content = data[position + 2 : position + length]
            if code == SOS:
                found.scans += 1
                found._note_scan(content)
                if content[:1] == b"\x01" and content[3:4] > b"\0":  # no means
                    fine = content[1], marker.start()
            elif code in FRAMES:
                found._components, found._sampling = tuple(content[6::3]), tuple(content[7::3])
            if not found.scans:
                found.segments.append((code, content))
            position += length
        return found

    def has_all_scans(self) -> bool:
        """Whether every coefficient of every component comes, to its last bit."""
        return bool(self._components) and all(
            self._refined.get((component, place), 1) == 0
            for component in self._components
            for place in range(64)
        )

    def at_an_eighth(self) -> bytes | None:
        """The file without what nobody sees of it at an eighth of its size: most passes over the
        details of its luminance. None where all that is left is needed.

        At that size a block of luminance is a pixel, its mean. Colours, which mostly have fewer
        blocks, keep their details. So does the first pass over those of luminance: where there is
        none, libjpeg guesses them, and changes the means.
        """
        if self.end is None or not self._sampling or self._sampling[0] < max(self._sampling):
            return None
        dropped = [scan for scan in self._fine_scans if scan.component == self._components[0]][1:]
        if not dropped:
            return None
        ends = [0, *(scan.end for scan in dropped)]
        begins = [*(scan.begin for scan in dropped), len(self.data)]
        return b"".join(self.data[start:end] for start, end in zip(ends, begins, strict=True))

    def first(self, code: int, signature: bytes) -> bytes | None:
        """The content of the first segment that begins so, without its signature."""
        for found, content in self.segments:
            if found == code and content.startswith(signature):
                return content[len(signature) :]
        return None

    @cached_property
    def comment(self) -> bytes | None:
        """All comments, one per line."""
        comments = [content.rstrip(b"\0") for code, content in self.segments if code == COM]
        return b"\n".join(filter(None, comments)) or None

    @cached_property
    def photoshop(self) -> bytes | None:
        """Photoshop's resources that tell of the picture: IPTC captions, keywords, rights."""
        parts = [
            content[len(PHOTOSHOP) :]
            for code, content in self.segments
            if code == APP13 and content.startswith(PHOTOSHOP)
        ]
        return describing_resources(b"".join(parts))

    @property
    def behind(self) -> bytes:
        """What follows the first picture."""
        return b"" if self.end is None else self.data[self.end :]

    def _note_scan(self, header: bytes) -> None:
        count = header[0] if header else 0
        if len(header) < 4 + 2 * count:
            return
        start, end, bits = header[1 + 2 * count : 4 + 2 * count]
        for component in header[1 : 1 + 2 * count : 2]:
            for place in range(start, min(end, 63) + 1):
                self._refined[component, place] = bits & 15


def describing_resources(
    resources: bytes, numbers: Collection[int] = DESCRIBING_RESOURCES
) -> bytes | None:
    """Of a block of Photoshop resources (8BIM) those that tell of the picture."""
    kept, at = [], 0
    while resources[at : at + 4] == b"8BIM" and at + 12 <= len(resources):
        (number,) = struct.unpack_from(">H", resources, at + 4)
        name = 1 + resources[at + 6]
        start = at + 6 + name + name % 2 + 4
        (length,) = struct.unpack(">I", resources[start - 4 : start].rjust(4, b"\0"))
        end = start + length
        if end > len(resources):
            break
        if number in numbers:
            kept.append(resources[at:end] + bytes(length % 2))
        at = end + length % 2
    return b"".join(kept) or None


def resource_of_iptc(iptc: bytes) -> bytes:
    """IPTC records as a block of Photoshop resources."""
    header = b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(iptc))
    return header + iptc + bytes(len(iptc) % 2)


def iptc_of_resources(resources: bytes) -> bytes | None:
    """The IPTC records of a block of Photoshop resources."""
    start = resources.find(b"8BIM\x04\x04\0\0")
    if start < 0 or start + 12 > len(resources):
        return None
    (length,) = struct.unpack_from(">I", resources, start + 8)
    return resources[start + 12 : start + 12 + length] or None
