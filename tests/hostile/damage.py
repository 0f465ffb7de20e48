"""Files cut short, files with flipped bits, and files that are not what they are called."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pillow_heif
from PIL import Image

from tests.hostile.card import CARD, encode
from tests.hostile.file import HostileFile
from tests.hostile.formats import bmp

pillow_heif.register_heif_opener()

CUTS, FLIPS = 6, 5
NOT_PHOTOS = {
    "empty.jpg": b"",
    "one-byte.png": b"\x89",
    "text.jpg": b"This is no photo.\n" * 40,
    "page.png": b"<html><script>alert(1)</script></html>",
    "drawing.jpg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "zeros.tif": bytes(5000),
    "ones.webp": b"\xff" * 5000,
    "program.bmp": b"MZ" + bytes(200),
    "archive.heic": b"PK\x03\x04" + bytes(200),
    "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "image.jpg": b"P6 9 9 255 " + bytes(243),
    "signature-only.jpg": b"\xff\xd8\xff",
    "signature-only.png": b"\x89PNG\r\n\x1a\n",
    "signature-only.tif": b"II*\0",
    "signature-only.webp": b"RIFF\x0c\0\0\0WEBP",
    "signature-only.heic": b"\0\0\0\x18ftypheic" + bytes(12),
    "signature-only.avif": b"\0\0\0\x18ftypavif" + bytes(12),
}


def damaged(seed: int) -> list[HostileFile]:
    """Every format cut at several lengths, and with flipped bits."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(-12, 13, CARD.shape)
    picture = np.clip(CARD + noise, 0, 255).astype(np.uint8)
    return [
        file
        for kind, data in originals(picture).items()
        for file in (
            HostileFile(f"intact-{kind}", data),
            *_cut(kind, data, rng),
            *_flipped(kind, data, picture, rng),
        )
    ]


def originals(picture: np.ndarray) -> dict[str, bytes]:
    """One file of each format and coding, by its kind, whose last part is its suffix."""
    others = {"save_all": True, "append_images": [Image.fromarray(picture[::-1])]}
    first = Image.fromarray(picture)
    return {
        "baseline.jpg": encode(first, "JPEG"),
        "progressive.jpg": encode(first, "JPEG", progressive=True),
        "cmyk.jpg": encode(first.convert("CMYK"), "JPEG"),
        "mpo.jpg": encode(first, "MPO", **others),
        "deflated.png": encode(first, "PNG"),
        "animated.png": encode(first, "PNG", **others),
        "lossy.webp": encode(first, "WEBP"),
        "lossless.webp": encode(first, "WEBP", lossless=True),
        "animated.webp": encode(first, "WEBP", **others),
        "raw.tif": encode(first, "TIFF"),
        "deflate.tif": encode(first, "TIFF", compression="tiff_deflate"),
        "lzw.tif": encode(first, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": encode(first, "TIFF", compression="jpeg"),
        "raw.bmp": encode(first, "BMP"),
        "rle.bmp": bmp(64, 48, (b"\x40\x07\0\0" * 48) + b"\0\1", bits=8, compression=1),
        "photo.heic": encode(first, "HEIF"),
        "photo.avif": encode(first, "AVIF"),
        "photo.gif": encode(first.quantize(16), "GIF"),
    }


def _cut(kind: str, data: bytes, rng: np.random.Generator) -> Iterator[HostileFile]:
    lengths = {len(data) // 2, len(data) - 9, *rng.integers(9, len(data) - 9, CUTS - 2).tolist()}
    for length in sorted(lengths):
        yield HostileFile(f"cut-{length}-{kind}", data[:length], cut_from=f"intact-{kind}")


def _flipped(
    kind: str, data: bytes, picture: np.ndarray, rng: np.random.Generator
) -> Iterator[HostileFile]:
    for number in range(FLIPS):
        changed = bytearray(data)
        for position in rng.integers(0, len(data), 1 + number):
            changed[position] ^= 1 << int(rng.integers(8))
        whole = picture if kind == "deflated.png" else None
        yield HostileFile(f"flipped-{number}-{kind}", bytes(changed), whole=whole)


def disguised(seed: int) -> list[HostileFile]:
    """What is no photo, and photos under the name of another format."""
    suffixes = {"JPEG": ".png", "PNG": ".jpg", "WEBP": ".tif", "TIFF": ".heic", "BMP": ".webp"}
    photos = [
        HostileFile(f"really-{format.lower()}{suffix}", encode(CARD, format), pixels=CARD,
                    tolerance=60)
        for format, suffix in suffixes.items()
    ]  # fmt: skip
    junk = np.random.default_rng(seed).bytes(20_000)
    others = {**NOT_PHOTOS, "junk.jpg": junk}
    return photos + [HostileFile(name, data, refused=True) for name, data in others.items()]
