"""The header of a WebP file, which Pillow reads together with the pixels. Source: RFC 9649."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CHUNKS_LOOKED_AT = 64


@dataclass(frozen=True)
class WebpFile:
    """size: width and height in pixels. is_lossless: of the (first) picture."""

    size: tuple[int, int]
    is_lossless: bool

    @classmethod
    def read(cls, path: Path) -> WebpFile | None:
        """None where it is no WebP file, or has no picture."""
        with path.open("rb") as file:
            header = file.read(12)
            if header[:4] != b"RIFF" or header[8:] != b"WEBP":
                return None
            canvas = None
            for _ in range(CHUNKS_LOOKED_AT):
                chunk = file.read(8)
                kind, length = chunk[:4], int.from_bytes(chunk[4:], "little")
                start = file.tell()
                content = file.read(min(length, 40))
                if kind == b"VP8X" and len(content) >= 10:
                    canvas = (_number(content[4:7]) + 1, _number(content[7:10]) + 1)
                elif kind == b"VP8L" and len(content) >= 5:
                    bits = _number(content[1:5])
                    return cls(canvas or ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), True)
                elif kind == b"VP8 " and len(content) >= 10:
                    size = _number(content[6:8]) & 0x3FFF, _number(content[8:10]) & 0x3FFF
                    return cls(canvas or size, False)
                elif kind == b"ANMF" and canvas and len(content) >= 20:
                    return cls(canvas, content[16:20] == b"VP8L")
                elif len(chunk) < 8:
                    break
                file.seek(start + length + length % 2)
        return None if canvas is None else cls(canvas, False)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
