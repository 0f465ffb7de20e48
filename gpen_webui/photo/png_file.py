"""The chunks of a PNG file beside its pixels. Source: PNG specification, third edition."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT = (b"tEXt", b"zTXt", b"iTXt")
COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
XMP_KEYWORD = b"XML:com.adobe.xmp"
RAW_PROFILE = b"Raw profile type "
PROFILES = ("exif", "APP1", "iptc", "8bim", "xmp")
PROFILE = re.compile(r"\s*[^\n]*\n\s*(\d+)\s*\n([0-9a-fA-F\s]*)")  # its name, length, content
MOST_TEXT = 1_000_000  # bytes of all text of a file


@dataclass
class PngFile:
    """texts: whole text chunks, (kind, content). profiles: what ImageMagick packs into text, by
    name: one of PROFILES. colour: chunks by kind. too_much_text: some was left out."""

    texts: list[tuple[bytes, bytes]] = field(default_factory=list)
    profiles: dict[str, bytes] = field(default_factory=dict)
    colour: dict[bytes, bytes] = field(default_factory=dict)
    exif: bytes | None = None
    too_much_text: bool = False

    @classmethod
    def read(cls, path: Path) -> PngFile:
        """Raises OSError; what is broken is left out."""
        found, size = cls(), 0
        with path.open("rb") as file:
            file.seek(len(SIGNATURE))
            while len(header := file.read(8)) == 8:
                length, kind = struct.unpack(">I4s", header)
                if kind == b"IEND":
                    break
                if kind not in (*TEXT, *COLOUR, b"eXIf"):
                    file.seek(length + 4, 1)
                    continue
                size += length
                if size > MOST_TEXT:
                    found.too_much_text = True
                    file.seek(length + 4, 1)
                    continue
                found._take(kind, file.read(length))
                file.seek(4, 1)
        return found

    @property
    def xmp(self) -> bytes | None:
        """XMP that lies where ImageMagick puts it; that at its usual place Pillow reads."""
        about = self.profiles.get("APP1", b"")
        prefix = b"http://ns.adobe.com/xap/1.0/\0"
        return self.profiles.get("xmp") or (
            about.removeprefix(prefix) if about.startswith(prefix) else None
        )

    @property
    def photoshop(self) -> bytes | None:
        """IPTC, bare or in Photoshop's resources."""
        return self.profiles.get("8bim") or self.profiles.get("iptc")

    def _take(self, kind: bytes, content: bytes) -> None:
        if kind in COLOUR:
            self.colour[kind] = content
        elif kind == b"eXIf":
            self.exif = content
        else:
            keyword = content.partition(b"\0")[0]
            if keyword.startswith(RAW_PROFILE):
                self._take_profile(keyword[len(RAW_PROFILE) :].decode("latin-1"), kind, content)
            elif keyword != XMP_KEYWORD:
                self.texts.append((kind, content))

    def _take_profile(self, name: str, kind: bytes, content: bytes) -> None:
        found = PROFILE.match(text_of(kind, content) or "")
        if found and name in PROFILES:
            length, digits = int(found[1]), "".join(found[2].split())
            if len(digits) >= 2 * length:  # what follows is nobody's
                self.profiles[name] = bytes.fromhex(digits[: 2 * length])


def text_of(kind: bytes, content: bytes) -> str | None:
    """What a text chunk says; None where it is broken or far too long."""
    _, _, rest = content.partition(b"\0")
    try:
        if kind == b"tEXt":
            return rest.decode("latin-1")
        if kind == b"zTXt":
            return _inflated(rest[1:]).decode("latin-1")
        is_packed, rest = rest[:1] == b"\1", rest[2:]
        text = rest.split(b"\0", 2)[2]
        return (_inflated(text) if is_packed else text).decode()
    except (zlib.error, ValueError, IndexError):
        return None


def profile_text(name: str, content: bytes) -> tuple[bytes, bytes]:
    """A block of bytes as a chunk of text, as ImageMagick and ExifTool read it."""
    lines = "\n".join(re.findall("..{0,71}", content.hex()))
    text = f"\n{name}\n{len(content):8}\n{lines}\n".encode()
    return b"zTXt", RAW_PROFILE + name.encode() + b"\0\0" + zlib.compress(text)


def comment_text(comment: bytes) -> tuple[bytes, bytes]:
    """A comment as a chunk of text."""
    return b"iTXt", b"Comment\0\0\0\0\0" + comment.decode("utf-8", "replace").encode()


def packed(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Chunks in a row, to pass them on."""
    return b"".join(struct.pack(">I4s", len(content), kind) + content for kind, content in chunks)


def unpacked(data: bytes | None) -> list[tuple[bytes, bytes]]:
    """What `packed` put together."""
    chunks, at = [], 0
    while data and at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks.append((kind, data[at + 8 : at + 8 + length]))
        at += 8 + length
    return chunks


def _inflated(data: bytes) -> bytes:
    text = zlib.decompressobj()
    result = text.decompress(data, MOST_TEXT)
    if text.unconsumed_tail:
        raise ValueError("far too long")
    return result
