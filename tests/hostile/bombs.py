"""Small files that ask for a lot of memory or time, by what they claim or how they are packed."""

from __future__ import annotations

import struct

import numpy as np

from tests.hostile.card import CARD, encode
from tests.hostile.file import HostileFile
from tests.hostile.formats import (
    LONG,
    PNG_SIGNATURE,
    SHORT,
    bmp,
    png_chunk,
    progressive_bomb,
    tiff,
    tiff_page,
    tiff_tags,
    with_jpeg_size,
    zeros_deflated,
)

HUGE = [(65_000, 65_000), (50_000, 50_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1), (10**6, 1)]


def bombs(seed: int) -> list[HostileFile]:
    """Refused; or opened, where what they claim is allowed and cheap."""
    rng = np.random.default_rng(seed)
    return [*_claims(), *_small_files_of_many_pixels(), *_slow(rng), *_tiffs(), *_tiff_chains()]


def _claims() -> list[HostileFile]:
    """Sizes that nobody has, in headers of every format."""
    files = []
    jpeg, gif = encode(CARD, "JPEG"), encode(CARD, "GIF")
    for width, height in HUGE:
        size = f"{width}x{height}"
        claims = {
            "png": _png_claim(width, height),
            "bmp": bmp(width, height, bytes(1000)),
            "bmp-upside-down": bmp(width, -height, bytes(1000)),
            "tif": _tiff_claim(width, height),
            "avif": _box_claim("AVIF", width, height),
            "heic": _box_claim("HEIF", width, height),
        }
        if width <= 0xFFFF and height <= 0xFFFF:
            claims["jpg"] = with_jpeg_size(jpeg, width, height)
            claims["gif"] = gif[:6] + struct.pack("<HH", width, height) + gif[10:]
        if width <= 1 << 24 and height <= 1 << 24:
            claims["webp"] = _webp_claim(width, height)
        for kind, data in claims.items():
            suffix = kind.split("-")[0]
            files.append(HostileFile(f"claims-{size}-{kind}.{suffix}", data, refused=True))
    nothing = {
        "png": _png_claim(0, 0),
        "bmp": bmp(0, 0, b""),
        "tif": _tiff_claim(0, 0),
        "jpg": with_jpeg_size(jpeg, 0, 0),
    }
    for suffix, data in nothing.items():
        files.append(HostileFile(f"claims-no-size.{suffix}", data, refused=True))
    return files


def _png_claim(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = png_chunk(b"IDAT", zeros_deflated(100_000))
    return PNG_SIGNATURE + png_chunk(b"IHDR", header) + pixels + png_chunk(b"IEND")


def _tiff_claim(width: int, height: int) -> bytes:
    return tiff(tiff_tags(width, height, 1000, bits=[8, 8, 8], photometric=2), bytes(1000))


def _box_claim(format: str, width: int, height: int) -> bytes:
    """An HEIF or AVIF file whose `ispe` box tells another size."""
    data = encode(CARD, format)
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width % 2**32, height % 2**32) + data[at + 8 :]


def _webp_claim(width: int, height: int) -> bytes:
    """An extended WebP whose canvas is so large, with a small animation in it."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size
    animation = b"ANIM" + struct.pack("<I", 6) + bytes(6)
    picture = encode(CARD, "WEBP")[12:]
    frame_header = bytes(6) + b"\x3f\0\0\x2f\0\0" + b"\x64\0\0\0"
    frame = frame_header + picture
    body = b"WEBP" + canvas + animation + b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _small_files_of_many_pixels() -> list[HostileFile]:
    """Well-formed files that a thousand times fewer bytes would not hold as a photo."""

    def png(width: int, height: int, bits: int, colour: int) -> bytes:
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
        row = 1 + -(-width * bits * channels // 8)
        header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
        return (
            PNG_SIGNATURE
            + png_chunk(b"IHDR", header)
            + png_chunk(b"IDAT", zeros_deflated(row * height))
            + png_chunk(b"IEND")
        )

    flat = np.zeros((6_000, 9_000), np.uint8)
    wide = np.zeros((1_000, 65_000), np.uint8)
    made = {
        "flat-30-megapixels.png": png(5_000, 6_000, 8, 2),
        "flat-26-megapixels-16-bit.png": png(5_000, 5_200, 16, 2),
        "flat-99-megapixels-one-bit.png": png(9_900, 9_999, 1, 0),
        "flat-400-megapixels.png": png(20_000, 20_000, 1, 0),
        "flat-54-megapixels.jpg": encode(flat, "JPEG"),
        "flat-81-megapixels-progressive.jpg": progressive_bomb(9_000, 9_000, 10),
        "flat-65-megapixels.tif": encode(wide, "TIFF", compression="tiff_deflate"),
        "flat-65-megapixels-fax.tif": encode(wide > 0, "TIFF", compression="group4"),
        "flat-54-megapixels-zstd.tif": encode(flat, "TIFF", compression="zstd"),
    }
    files = [HostileFile(name, data, refused=True) for name, data in made.items()]
    black = np.zeros((5_000, 4_800, 3), np.uint8)
    files.append(HostileFile("flat-24-megapixels.png", png(4_800, 5_000, 8, 2), pixels=black))
    files.append(HostileFile("flat-24-megapixels-16-bit.png", png(4_800, 5_000, 16, 0),
                             pixels=black))  # fmt: skip
    return files


def _slow(rng: np.random.Generator) -> list[HostileFile]:
    """What takes decoders minutes where nobody looks at the clock."""
    width, height = 3_000, 2_000
    rle = b"\x01\x07" * width + b"\0\0"
    return [
        HostileFile("scans-99.jpg", progressive_bomb(4_000, 3_000, 98)),
        HostileFile("scans-5000.jpg", progressive_bomb(4_000, 3_000, 5_000), refused=True),
        HostileFile("scans-50000.jpg", progressive_bomb(1_000, 1_000, 50_000), refused=True),
        HostileFile("runs-of-one.bmp", bmp(width, height, rle * height, bits=8, compression=1)),
        HostileFile("fill-bytes.jpg", encode(CARD, "JPEG")[:2] + b"\xff" * 20_000_000),
        HostileFile("noise-after-soi.jpg", b"\xff\xd8\xff\xe0" + rng.bytes(20_000_000)),
    ]


def _tiffs() -> list[HostileFile]:
    def with_tags(changes: dict, pixels: bytes = bytes(3072)) -> bytes:
        tags = tiff_tags(32, 32, len(pixels), bits=[8, 8, 8], photometric=2) | changes
        return tiff({tag: value for tag, value in tags.items() if value is not None}, pixels)

    tiles = {273: None, 279: None, 278: None, 324: (LONG, [8]), 325: (LONG, [3072])}
    packed = zeros_deflated(100_000_000)
    ones = [1] * 60_000
    return [
        HostileFile(name, data)
        for name, data in {
            "tile-of-60000.tif": with_tags(tiles | {322: (LONG, [60_000]), 323: (LONG, [60_000])}),
            "tile-of-20000-deflated.tif": with_tags(
                tiles
                | {322: (LONG, [20_000]), 323: (LONG, [20_000]), 259: (SHORT, [8]),
                   325: (LONG, [len(packed)])},
                packed,
            ),
            "tile-of-0.tif": with_tags(tiles | {322: (LONG, [0]), 323: (LONG, [0])}),
            "rows-per-strip-4-billion.tif": with_tags({278: (LONG, [2**32 - 1])}),
            "strip-of-100-megabytes.tif": with_tags(
                {259: (SHORT, [8]), 279: (LONG, [len(packed)])}, packed
            ),
            "strips-60000.tif": with_tags({273: (LONG, [8] * 60_000), 279: (LONG, ones)}),
            "samples-60000.tif": with_tags({258: (SHORT, [8] * 60_000), 277: (SHORT, [60_000])}),
            "bits-65535.tif": with_tags({258: (SHORT, [65_535] * 3)}),
            "compression-unknown.tif": with_tags({259: (SHORT, [12_345])}),
            "compression-old-jpeg.tif": with_tags({259: (SHORT, [6])}),
            "planes.tif": with_tags({284: (SHORT, [2]), 273: (LONG, [8, 8, 8]),
                                     279: (LONG, [1024] * 3)}),
        }.items()
    ]  # fmt: skip


def _tiff_chains() -> list[HostileFile]:
    """Pages that point to pages; only the first one is anybody's business."""
    pixels = bytes(np.ascontiguousarray(CARD))
    height, width = CARD.shape[:2]
    tags = tiff_tags(width, height, len(pixels), bits=[8, 8, 8], photometric=2)
    start = 8 + len(pixels)
    page = tiff_page(tags, start)
    after = start + len(page)

    def chain(pages: int) -> bytes:
        parts = [tiff(tags, pixels, next_ifd=after)]
        for number in range(pages):
            following = after + 6 * (number + 1)
            parts.append(struct.pack("<HI", 0, following if number < pages - 1 else 0))
        return b"".join(parts)

    itself = tiff(tags, pixels, next_ifd=start)
    beyond = tiff(tags, pixels, next_ifd=0x7FFFFFFF)
    return [
        HostileFile("pages-300000.tif", chain(300_000), pixels=CARD),
        HostileFile("page-after-itself.tif", itself, pixels=CARD),
        HostileFile("page-beyond-the-end.tif", beyond, pixels=CARD),
    ]
