"""PNG, TIFF, BMP and JPEG written byte by byte: what no well-behaved encoder would write."""

from __future__ import annotations

import struct
import zlib

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
BYTE, ASCII, SHORT, LONG, FLOAT = 1, 2, 3, 4, 11  # TIFF types


def png_chunk(kind: bytes, data: bytes = b"") -> bytes:
    """One chunk with its right checksum."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(
    width: int,
    height: int,
    rows: bytes,
    *,
    bits: int = 8,
    colour: int = 2,
    interlace: int = 0,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A PNG file. rows: with their filter bytes. before, after: chunks around the pixels."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    return (
        PNG_SIGNATURE
        + png_chunk(b"IHDR", header)
        + before
        + png_chunk(b"IDAT", zlib.compress(rows, 9))
        + after
        + png_chunk(b"IEND")
    )


def zeros_deflated(count: int) -> bytes:
    """`count` zero bytes as a zlib stream, a thousandth of their size."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(count >> 20)]
    return b"".join(parts) + packer.compress(bytes(count & 0xFFFFF)) + packer.flush()


def tiff(tags: dict[int, tuple[int, list[int] | bytes]], pixels: bytes, next_ifd: int = 0) -> bytes:
    """A little-endian TIFF of one page; its pixels lie at offset 8 and end on an even offset."""
    pixels += bytes(len(pixels) % 2)
    start = 8 + len(pixels)
    return b"II*\0" + struct.pack("<I", start) + pixels + tiff_page(tags, start, next_ifd)


def tiff_page(
    tags: dict[int, tuple[int, list[int] | bytes]], start: int, next_ifd: int = 0
) -> bytes:
    """An image file directory that lies at `start`, and the values that do not fit in it."""
    directory = struct.pack("<H", len(tags))
    beyond = b""
    for tag, (kind, values) in sorted(tags.items()):
        if isinstance(values, bytes):
            count, data = len(values), values
        else:
            layout = {BYTE: "B", SHORT: "H", LONG: "I", FLOAT: "f"}[kind]
            count, data = len(values), struct.pack(f"<{len(values)}{layout}", *values)
        if len(data) > 4:
            offset = start + 2 + 12 * len(tags) + 4 + len(beyond)
            beyond += data + bytes(len(data) % 2)
            data = struct.pack("<I", offset)
        directory += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
    return directory + struct.pack("<I", next_ifd) + beyond


def tiff_tags(
    width: int, height: int, length: int, *, bits: list[int], photometric: int, compression: int = 1
) -> dict[int, tuple[int, list[int] | bytes]]:
    """The tags that every TIFF has, for one strip of `length` bytes at offset 8."""
    return {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, bits),
        259: (SHORT, [compression]),
        262: (SHORT, [photometric]),
        273: (LONG, [8]),
        277: (SHORT, [len(bits)]),
        278: (LONG, [height]),
        279: (LONG, [length]),
    }


def bmp(width: int, height: int, pixels: bytes, *, bits: int = 24, compression: int = 0) -> bytes:
    """A BMP file; with 8 bits or fewer, with a grey palette."""
    palette = bytes(v for i in range(1 << bits) for v in (i, i, i, 0)) if bits <= 8 else b""
    start = 54 + len(palette)
    header = struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start)
    info = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 2835, 2835, 0, 0
    )
    return header + info + palette + pixels


def jpeg_segment(marker: int, data: bytes) -> bytes:
    """One segment with its length."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def after_soi(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments at its beginning."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def with_jpeg_size(jpeg: bytes, width: int, height: int) -> bytes:
    """A JPEG that claims another size."""
    position = 2
    while jpeg[position + 1] not in (0xC0, 0xC1, 0xC2):
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
    size = struct.pack(">HH", height, width)
    return jpeg[: position + 5] + size + jpeg[position + 9 :]


def progressive_bomb(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG of one component, whose scans each pass over the picture for nothing.

    After a first scan of the means each further one is empty: an end-of-band run that covers
    32,767 blocks at a time.
    """
    blocks = -(-width // 8) * -(-height // 8)
    table = jpeg_segment(0xDB, b"\0" + bytes([1]) * 64)
    frame = jpeg_segment(0xC2, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0))
    # Code 0 of one bit: a mean that does not change, or EOB14: a run of 2^14 + 14 more bits.
    means = jpeg_segment(0xC4, b"\x00" + bytes([1] + [0] * 15) + b"\x00")
    runs = jpeg_segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\xe0")
    first = jpeg_segment(0xDA, b"\x01\x01\x00\x00\x00\x00") + bytes(-(-blocks // 8))
    # 15 bits are one code: 0, then fourteen 1s: 2^14 + 2^14 - 1 = 32767 blocks.
    codes = "0" + "1" * 14
    bits = codes * -(-blocks // 32767)
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    scan = jpeg_segment(0xDA, b"\x01\x01\x00\x01\x3f\x00") + data.replace(b"\xff", b"\xff\0")
    return b"\xff\xd8" + table + frame + means + runs + first + scan * scans + b"\xff\xd9"
