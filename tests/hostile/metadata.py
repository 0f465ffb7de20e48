"""Whole pictures with broken or monstrous metadata: it never costs the photo."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

from tests.hostile.card import CARD, GREY_CARD, encode
from tests.hostile.file import HostileFile
from tests.hostile.formats import (
    ASCII,
    after_soi,
    jpeg_segment,
    png_chunk,
    tiff,
    tiff_tags,
    zeros_deflated,
)

IHDR_END = 33  # of a PNG


def odd_metadata(seed: int) -> list[HostileFile]:
    """EXIF, ICC, XMP and text that is broken, oversized or a bomb."""
    rng = np.random.default_rng(seed)
    jpeg = encode(CARD, "JPEG", quality=95, subsampling=0)
    plain_png = encode(CARD, "PNG")
    exif = _exif()
    files = []
    for name, segments in _jpeg_segments(exif, rng).items():
        data = after_soi(jpeg, *segments)
        files.append(HostileFile(f"{name}.jpg", data, pixels=CARD, tolerance=14))
    for name, chunks in _png_chunks(exif, rng).items():
        data = plain_png[:IHDR_END] + chunks + plain_png[IHDR_END:]
        bomb = "bomb" in name
        pixels = None if bomb else CARD
        files.append(HostileFile(f"{name}.png", data, pixels=pixels, refused=bomb))
    late = png_chunk(b"eXIf", exif[6:])
    files.append(HostileFile("exif-at-the-end.png", plain_png[:-12] + late + plain_png[-12:],
                             pixels=CARD[::-1, ::-1]))  # fmt: skip
    files += [
        HostileFile("icc-of-grey.webp", _with_icc("WEBP", _profile("GRAY"), lossless=True),
                    pixels=CARD),
        HostileFile("icc-junk.webp", _with_icc("WEBP", rng.bytes(5000), lossless=True),
                    pixels=CARD),
        HostileFile("icc-junk.tif", _with_icc("TIFF", rng.bytes(5000)), pixels=CARD),
        HostileFile("icc-junk.heic", _with_icc("HEIF", rng.bytes(5000), quality=95), pixels=CARD,
                    tolerance=60),
        HostileFile("exif-junk.webp", encode(CARD, "WEBP", lossless=True, exif=rng.bytes(3000)),
                    pixels=CARD),
        HostileFile("exif-junk.avif", encode(CARD, "AVIF", quality=95, subsampling="4:4:4",
                    exif=b"Exif\0\0MM\0*\0\0\0\x08" + rng.bytes(3000)), pixels=CARD, tolerance=30),
        HostileFile("exif-large.webp", encode(CARD, "WEBP", lossless=True, exif=_large_exif()),
                    pixels=CARD),
        HostileFile("exif-large.png", encode(CARD, "PNG", exif=_large_exif()), pixels=CARD),
        HostileFile("cmyk-icc-junk.jpg", _cmyk_with(rng.bytes(9000)), pixels=_printed(),
                    tolerance=14),
        HostileFile("cmyk-icc-of-rgb.jpg", _cmyk_with(_profile("RGB ")), pixels=_printed(),
                    tolerance=14),
        HostileFile("tags-huge-count.tif", _tiff_with(0xFFFFFFF0, 8)),
        HostileFile("tags-beyond-the-end.tif", _tiff_with(400, 0x7FFFFFF0)),
        HostileFile("tags-60000.tif", _tiff_of_many_tags(60_000)),
    ]  # fmt: skip
    return files


def _exif(orientation: int = 3) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    return exif.tobytes()


def _large_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "x" * 200_000
    return exif.tobytes()


def _profile(space: str) -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[16:20] = space.encode()
    profile[24:36] = bytes(12)  # when it was made
    return bytes(profile)


def _with_icc(format: str, icc: bytes, **options: object) -> bytes:
    return encode(CARD, format, icc_profile=icc, **options)


def _printed() -> np.ndarray:
    return np.asarray(Image.fromarray(CARD).convert("CMYK").convert("RGB"))


def _cmyk_with(icc: bytes) -> bytes:
    cmyk = Image.fromarray(CARD).convert("CMYK")
    return encode(cmyk, "JPEG", quality=95, subsampling=0, icc_profile=icc)


def _jpeg_segments(exif: bytes, rng: np.random.Generator) -> dict[str, list[bytes]]:
    header = b"Exif\0\0MM\0*\0\0\0\x08"
    entry = struct.pack(">HHII", 0x010E, 2, 60_000, 8)
    looping = header + struct.pack(">HHHIII", 1, 0x8769, 4, 1, 8, 8)
    icc = b"ICC_PROFILE\0"
    junk = rng.bytes(60_000)
    return {
        "exif-junk": [jpeg_segment(0xE1, b"Exif\0\0" + junk[:3000])],
        "exif-empty": [jpeg_segment(0xE1, b"Exif\0\0")],
        "exif-cut": [jpeg_segment(0xE1, b"Exif\0\0" + exif[6:20])],
        "exif-points-at-itself": [jpeg_segment(0xE1, looping)],
        "exif-5000-overlapping-tags": [
            jpeg_segment(0xE1, header + struct.pack(">H", 5000) + entry * 5000)
        ],
        "exif-wild-offsets": [
            jpeg_segment(0xE1, header + b"\0\x01" + struct.pack(">HHII", 0x8769, 4, 1, 0xFFFFFFF0))
        ],
        "exif-orientation-99": [jpeg_segment(0xE1, _exif(99))],
        "exif-orientation-text": [
            jpeg_segment(0xE1, header + b"\0\x01" + struct.pack(">HHI4s", 0x0112, 2, 4, b"6\0\0\0"))
        ],
        "exif-50-times": [jpeg_segment(0xE1, b"Exif\0\0" + junk)] * 50,
        "xmp-junk": [jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + junk[:3000])],
        "xmp-entities": [jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _entities())],
        "icc-junk": [jpeg_segment(0xE2, icc + b"\1\1" + junk[:9000])],
        "icc-one-of-255": [jpeg_segment(0xE2, icc + b"\1\xff" + junk[:9000])],
        "icc-255-times": [jpeg_segment(0xE2, icc + bytes([n, 255]) + junk) for n in range(1, 100)],
        "icc-of-cmyk": [jpeg_segment(0xE2, icc + b"\1\1" + _profile("CMYK"))],
        "photoshop-junk": [jpeg_segment(0xED, b"Photoshop 3.0\0" + junk[:5000])],
        "mpf-junk": [jpeg_segment(0xE2, b"MPF\0" + junk[:500])],
        "comments-16-mb": [jpeg_segment(0xFE, junk)] * 280,
        "segments-200000": [jpeg_segment(0xEC, b"")] * 200_000,
    }


def _entities() -> bytes:
    """A billion laughs."""
    steps = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    return f'<!DOCTYPE x [<!ENTITY l0 "lol">{steps}]><x tiff:Orientation="&l9;">&l9;</x>'.encode()


def _png_chunks(exif: bytes, rng: np.random.Generator) -> dict[str, bytes]:
    bomb = zeros_deflated(60_000_000)
    return {
        "text-bomb": png_chunk(b"zTXt", b"Comment\0\0" + bomb),
        "text-bombs-100": png_chunk(b"zTXt", b"Comment\0\0" + bomb) * 100,
        "international-text-bomb": png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + bomb),
        "icc-bomb": png_chunk(b"iCCP", b"profile\0\0" + bomb),
        "icc-junk": png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(rng.bytes(9000))),
        "icc-not-deflated": png_chunk(b"iCCP", b"profile\0\0" + rng.bytes(900)),
        "exif-junk": png_chunk(b"eXIf", rng.bytes(9000)),
        "text-20-mb": png_chunk(b"tEXt", b"Comment\0" + bytes(20_000_000)),
        "chunks-300000": png_chunk(b"puFf") * 300_000,
        "palette-missing-gamma-zero": png_chunk(b"gAMA", bytes(4)),
    }


def _tiff_with(count: int, offset: int) -> bytes:
    """A whole grey picture whose description is of `count` bytes at `offset`."""
    data = GREY_CARD.tobytes()
    height, width = GREY_CARD.shape
    tags = tiff_tags(width, height, len(data), bits=[8], photometric=1)
    tags[270] = (ASCII, b"A description of some length")
    file = bytearray(tiff(tags, data))
    entry = file.index(struct.pack("<HH", 270, ASCII))
    file[entry + 4 : entry + 12] = struct.pack("<II", count, offset)
    return bytes(file)


def _tiff_of_many_tags(count: int) -> bytes:
    data = GREY_CARD.tobytes()
    height, width = GREY_CARD.shape
    tags = tiff_tags(width, height, len(data), bits=[8], photometric=1)
    tags |= dict.fromkeys(range(1000, 1000 + count), (ASCII, b"a much longer text"))
    return tiff(tags, data)
