"""Pictures that few programs open rightly, with the colours that each must give."""

from __future__ import annotations

import base64
import struct

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

from tests.hostile.card import CARD, GREY_CARD, MUTED_CARD, encode
from tests.hostile.file import HostileFile
from tests.hostile.formats import SHORT, png, png_chunk, tiff, tiff_tags

pillow_heif.register_heif_opener()

HEIGHT, WIDTH = GREY_CARD.shape
GREY = np.repeat(GREY_CARD[:, :, None], 3, axis=2)
BLACK_WHITE = np.where(GREY > 127, 255, 0).astype(np.uint8)
LOSSY = 14  # what strong colours may lose at quality 95

# The card as an arithmetic-coded JPEG (jpegtran -arithmetic), which Pillow cannot write.
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4R"
    "DgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/yQARCAAwAEADAREAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIR"
    "AxEAPwD/ANlJHFQSon83F93NBO0u2FH1kSoowM1gplN4uDiksrMlHu3/ALfJWtPd8Ex2h6+ZXv8AC2C7qs0cRSP6"
    "OrIViu7zbfimuYGIeCqXVs3QhrRtiZsHRKyoh9uaNy/eqLG24B3bDqMmTP8A1Q7F3cjbtP/Z"
)


def odd_pictures() -> list[HostileFile]:
    """Each opens with the colours of the card."""
    return [
        *_jpegs(),
        *_pngs(),
        *_tiffs(),
        *_sequences(),
        *_turned(),
        HostileFile("tiny-1x1.png", encode(CARD[:1, :1], "PNG"), pixels=CARD[:1, :1]),
        HostileFile("tiny-1x1.jpg", encode(CARD[:1, :1], "JPEG"), pixels=CARD[:1, :1], tolerance=9),
        HostileFile("tall.png", *_long(1, 60_000)),
        HostileFile("wide.png", *_long(60_000, 1)),
        HostileFile("bitmap.bmp", encode(CARD, "BMP"), pixels=CARD),
        HostileFile("palette.bmp", encode(_palette(), "BMP"), pixels=CARD),
        HostileFile("grey.bmp", encode(GREY_CARD, "BMP"), pixels=GREY),
        HostileFile("lossless.webp", encode(CARD, "WEBP", lossless=True), pixels=CARD),
        HostileFile("grey.heic", encode(GREY_CARD, "HEIF", quality=95), pixels=GREY, tolerance=4),
    ]


def _long(width: int, height: int) -> tuple[bytes, np.ndarray]:
    pixels = np.full((height, width, 3), 77, np.uint8)
    return encode(pixels, "PNG"), pixels


def _jpegs() -> list[HostileFile]:
    sharp = {"quality": 95, "subsampling": 0}
    cmyk = Image.fromarray(CARD).convert("CMYK")
    printed = np.asarray(cmyk.convert("RGB"))
    kinds = {
        "progressive.jpg": (encode(CARD, "JPEG", progressive=True, **sharp), CARD),
        "arithmetic.jpg": (ARITHMETIC, CARD),
        "grey.jpg": (encode(GREY_CARD, "JPEG", **sharp), GREY),
        "cmyk-adobe.jpg": (encode(cmyk, "JPEG", **sharp), printed),
        "ycck-adobe.jpg": (_ycck(cmyk), printed),
        "restart.jpg": (encode(CARD, "JPEG", restart_marker_blocks=1, **sharp), CARD),
        "rgb.jpg": (encode(CARD, "JPEG", keep_rgb=True, **sharp), CARD),
    }
    return [
        HostileFile(name, data, pixels=pixels, tolerance=LOSSY)
        for name, (data, pixels) in kinds.items()
    ]


def _ycck(cmyk: Image.Image) -> bytes:
    """As Adobe writes it: Y, Cb, Cr of the inks and the inverted black, so marked."""
    inks = np.asarray(cmyk)
    colours = np.asarray(Image.fromarray(inks[:, :, :3]).convert("YCbCr"))
    # Pillow inverts what it writes as CMYK; the marker says what it really is.
    bands = np.dstack((255 - colours, inks[:, :, 3]))
    data = encode(Image.fromarray(bands, "CMYK"), "JPEG", quality=95, subsampling=0)
    marker = data.index(b"Adobe") + 11
    return data[:marker] + b"\x02" + data[marker + 1 :]


def _palette() -> Image.Image:
    image = Image.fromarray(CARD).quantize(12, dither=Image.Dither.NONE)
    assert (np.asarray(image.convert("RGB")) == CARD).all()
    return image


def _pngs() -> list[HostileFile]:
    half = np.where(np.arange(WIDTH) < WIDTH // 2, 255, 128).astype(np.uint8)
    alpha = np.tile(half, (HEIGHT, 1))
    opaque_but_red = np.where((CARD == (255, 0, 0)).all(axis=2), 0, 255).astype(np.uint8)
    opaque_but_60 = np.where(GREY_CARD == 60, 0, 255).astype(np.uint8)
    deep = GREY_CARD.astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    rgb_rows = b"".join(b"\0" + row.tobytes() for row in CARD.astype(">u2") * 257)
    key = png_chunk(b"tRNS", struct.pack(">H", 60 * 257))
    white = np.full((32, 32), 255, np.uint8)
    palette = _palette()
    see_through = palette.copy()
    red = int(np.asarray(palette)[0, 0])
    bits = np.packbits(GREY_CARD > 127, axis=1)
    return [
        HostileFile("rgba.png", encode(np.dstack((CARD, alpha)), "PNG"), pixels=CARD, alpha=alpha),
        HostileFile(
            "grey-alpha.png", encode(np.dstack((GREY_CARD, alpha)), "PNG"), pixels=GREY, alpha=alpha
        ),
        HostileFile("palette.png", encode(palette, "PNG"), pixels=CARD),
        HostileFile(
            "palette-transparent.png",
            encode(see_through, "PNG", transparency=red),
            pixels=CARD,
            alpha=opaque_but_red,
        ),
        HostileFile(
            "rgb-key.png",
            encode(CARD, "PNG", transparency=(255, 0, 0)),
            pixels=CARD,
            alpha=opaque_but_red,
        ),
        HostileFile(
            "grey-key.png",
            encode(GREY_CARD, "PNG", transparency=60),
            pixels=GREY,
            alpha=opaque_but_60,
        ),
        HostileFile("grey-16.png", png(WIDTH, HEIGHT, rows, bits=16, colour=0), pixels=GREY),
        HostileFile(
            "grey-16-key.png",
            png(WIDTH, HEIGHT, rows, bits=16, colour=0, before=key),
            pixels=GREY,
            alpha=opaque_but_60,
        ),
        HostileFile("rgb-16.png", png(WIDTH, HEIGHT, rgb_rows, bits=16), pixels=CARD),
        HostileFile(
            "interlaced.png",
            png(32, 32, _adam7(white), colour=0, interlace=1),
            pixels=np.full((32, 32, 3), 255, np.uint8),
        ),
        HostileFile(
            "one-bit.png",
            png(WIDTH, HEIGHT, b"".join(b"\0" + row.tobytes() for row in bits), bits=1, colour=0),
            pixels=BLACK_WHITE,
        ),
    ]


def _adam7(pixels: np.ndarray) -> bytes:
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)]  # fmt: skip
    return b"".join(
        b"\0" + row.tobytes()
        for top, left, down, right in passes
        for row in pixels[top::down, left::right]
    )


def _tiffs() -> list[HostileFile]:
    def grey(values: np.ndarray, bits: int, photometric: int = 1, **more) -> bytes:
        data = values.tobytes()
        tags = tiff_tags(WIDTH, HEIGHT, len(data), bits=[bits], photometric=photometric)
        return tiff({**tags, **more.get("tags", {})}, data)

    sixteen = GREY_CARD.astype("<u2") * 257
    twelve = np.round(GREY_CARD / 255 * 4095).astype(int).reshape(HEIGHT, -1, 2)
    first, second = twelve[:, :, 0], twelve[:, :, 1]
    packed = np.dstack((first >> 4, (first & 15) << 4 | second >> 8, second & 255))
    is_float = {"tags": {339: (SHORT, [3])}}
    floats = (GREY_CARD / 255).astype("<f4")
    holed = floats.copy()
    holed[GREY_CARD == 60] = np.nan
    holed[GREY_CARD == 120] = np.inf
    holed[GREY_CARD == 10] = -np.inf
    with_holes = np.where(np.isin(GREY, (60, 120, 10)), 0, GREY).astype(np.uint8)
    signed = {"tags": {339: (SHORT, [2])}}
    high = (GREY_CARD.astype("<i4") * 257) << 15
    named = {
        "raw.tif": (encode(CARD, "TIFF"), CARD, 0),
        "deflate.tif": (encode(CARD, "TIFF", compression="tiff_deflate"), CARD, 0),
        "lzw.tif": (encode(CARD, "TIFF", compression="tiff_lzw"), CARD, 0),
        "lzma.tif": (encode(CARD, "TIFF", compression="lzma"), CARD, 0),
        "zstd.tif": (encode(CARD, "TIFF", compression="zstd"), CARD, 0),
        "packbits.tif": (encode(CARD, "TIFF", compression="packbits"), CARD, 0),
        "jpeg.tif": (encode(CARD, "TIFF", compression="jpeg", quality=95), CARD, 40),
        "fax4.tif": (encode(_one_bit(), "TIFF", compression="group4"), BLACK_WHITE, 0),
        "one-bit.tif": (encode(_one_bit(), "TIFF"), BLACK_WHITE, 0),
        "cmyk.tif": (encode(_cmyk(), "TIFF"), np.asarray(_cmyk().convert("RGB")), 0),
        "lab.tif": (encode(_lab(), "TIFF"), MUTED_CARD, 4),
        "grey-16.tif": (grey(sixteen, 16), GREY, 0),
        "grey-16-big-endian.tif": (_big_endian_grey(), GREY, 0),
        "grey-16-negative.tif": (grey(0xFFFF - sixteen, 16, photometric=0), GREY, 0),
        "grey-8-negative.tif": (grey(255 - GREY_CARD, 8, photometric=0), GREY, 0),
        "grey-12.tif": (grey(packed.astype(np.uint8), 12), GREY, 1),
        "grey-32.tif": (grey(high, 32, **signed), GREY, 1),
        "float.tif": (grey(floats, 32, **is_float), GREY, 0),
        "float-255.tif": (grey(GREY_CARD.astype("<f4"), 32, **is_float), GREY, 0),
        "float-nan.tif": (grey(holed, 32, **is_float), with_holes, 0),
    }
    return [
        HostileFile(name, data, pixels=pixels, tolerance=tolerance)
        for name, (data, pixels, tolerance) in named.items()
    ]


def _one_bit() -> Image.Image:
    return Image.fromarray(GREY_CARD > 127)


def _cmyk() -> Image.Image:
    return Image.fromarray(CARD).convert("CMYK")


def _lab() -> Image.Image:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    image = ImageCms.applyTransform(Image.fromarray(MUTED_CARD), to_lab)
    del image.info["icc_profile"]  # which tells the time
    return image


def _big_endian_grey() -> bytes:
    data = (GREY_CARD.astype(">u2") * 257).tobytes()
    tags = [
        (256, 3, 1, WIDTH << 16), (257, 3, 1, HEIGHT << 16), (258, 3, 1, 16 << 16),
        (259, 3, 1, 1 << 16), (262, 3, 1, 1 << 16), (273, 4, 1, 8), (277, 3, 1, 1 << 16),
        (278, 3, 1, HEIGHT << 16), (279, 4, 1, len(data)),
    ]  # fmt: skip
    page = struct.pack(">H", len(tags)) + b"".join(struct.pack(">HHII", *tag) for tag in tags)
    return b"MM\0*" + struct.pack(">I", 8 + len(data)) + data + page + bytes(4)


def _sequences() -> list[HostileFile]:
    """Of several pictures the first one counts."""
    first, others = Image.fromarray(CARD), [Image.new("RGB", (WIDTH, HEIGHT), "white")] * 2
    several = {"save_all": True, "append_images": others}
    return [
        HostileFile("animated.webp", encode(first, "WEBP", lossless=True, **several), pixels=CARD),
        HostileFile("animated.png", encode(first, "PNG", **several), pixels=CARD),
        HostileFile("pages.tif", encode(first, "TIFF", **several), pixels=CARD),
        HostileFile(
            "sequence.heic",
            encode(first, "HEIF", quality=100, chroma=444, **several),
            pixels=CARD,
            tolerance=LOSSY,
        ),
        HostileFile(
            "sequence.avif",
            encode(first, "AVIF", quality=100, subsampling="4:4:4", **several),
            pixels=CARD,
            tolerance=LOSSY,
        ),
        HostileFile(
            "multi-picture.jpg",
            encode(first, "MPO", quality=95, subsampling=0, **several),
            pixels=CARD,
            tolerance=LOSSY,
        ),
    ]


def _turned() -> list[HostileFile]:
    """The card turned on its side, with the orientation that says so."""
    turned = {
        2: CARD[:, ::-1],
        3: CARD[::-1, ::-1],
        4: CARD[::-1],
        5: CARD.transpose(1, 0, 2),
        6: np.rot90(CARD),
        7: np.rot90(CARD, 2).transpose(1, 0, 2),
        8: np.rot90(CARD, 3),
    }
    files = []
    for orientation, pixels in turned.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        block = exif.tobytes()
        pixels = np.ascontiguousarray(pixels)
        files.append(
            HostileFile(f"turned-{orientation}.png", encode(pixels, "PNG", exif=block), pixels=CARD)
        )
        files.append(
            HostileFile(
                f"turned-{orientation}.jpg",
                encode(pixels, "JPEG", exif=block, quality=95, subsampling=0),
                pixels=CARD,
                tolerance=LOSSY,
            )
        )
    grey = np.rot90(GREY_CARD)
    for bits, values in ((8, grey), (16, grey.astype("<u2") * 257)):
        data = values.tobytes()
        tags = tiff_tags(HEIGHT, WIDTH, len(data), bits=[bits], photometric=1)
        tags[274] = (SHORT, [6])
        files.append(HostileFile(f"turned-grey-{bits}.tif", tiff(tags, data), pixels=GREY))
    return files
