"""How a result's pixels are packed: as those of its photo were, as far as Pillow can."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin

from gpen_webui.photo.jpeg_file import END
from gpen_webui.photo.tiff_file import JpegStrips, TiffTags

log = logging.getLogger(__name__)

FULL_COLOUR_FROM = 90  # JPEG quality from which on colour keeps its full resolution
JPEG_SUBSAMPLINGS = (0, 1, 2)  # as Pillow counts them: 4:4:4, 4:2:2, 4:2:0
# x265 so takes a tenth of its usual time, for 0.6 dB less.
FAST_X265 = {"preset": "ultrafast", "tu-intra-depth": 1}
FAST_AV1 = 9  # speed; a tenth of the time of the usual 6, for 0.7 dB less
# libheif counts otherwise: at 75 it keeps more than JPEG at 92 does, in half the bytes of its 92.
HEIF_QUALITIES = (1, 92, 100), (1, 75, 100)
TIFF_PHOTOMETRIC, TIFF_PREDICTOR, TIFF_TABLES, TIFF_SUBSAMPLING = 262, 317, 347, 530
BLACK_IS_ZERO, RGB, YCBCR = 1, 2, 6
HORIZONTAL = 2
TIFF_LOSSLESS = {"tiff_lzw": "tiff_lzw", "zstd": "zstd", "lzma": "lzma"}
TIFF_JPEG = ("jpeg", "tiff_jpeg")
BILEVEL = ("group3", "group4", "tiff_ccitt")
STRIP = 1 << 20  # bytes of pixels that are packed together
STRIP_ROWS = 1024  # of a JPEG in a TIFF; a multiple of 16
HEADER = 20_000  # bytes
# What Pillow waits for behind tables: a picture of one pixel, without its pixel.
SMALL_FRAME = b"\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0"


def on_white(image: Image.Image) -> Image.Image:
    """An LA or RGBA picture without its transparency."""
    mode = "L" if image.mode == "LA" else "RGB"
    white = Image.new(mode, image.size, "white")
    white.paste(image.convert(mode), mask=image.getchannel("A"))
    return white


def jpeg_coding(image: Image.Image) -> dict[str, object]:
    """How a JPEG packs its pixels; to be asked before they are decoded."""
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    found = JpegImagePlugin.get_sampling(image)
    tables = list(image.quantization.values())
    return {
        "subsampling": found if found in JPEG_SUBSAMPLINGS else None,
        "tables": tables if 1 <= len(tables) <= 4 else None,
        "progressive": bool(image.info.get("progressive")),
    }


def tiff_coding(image: Image.Image, tags: TiffTags | None) -> dict[str, object]:
    """How a TIFF packs its pixels; of JPEG in it also what `jpeg_coding` tells."""
    coding: dict[str, object] = {"packing": image.info.get("compression")}
    if image.mode in ("P", "PA"):
        coding["packing"] = "palette"
    elif coding["packing"] in TIFF_JPEG and tags:
        coding |= {"tables": None, "is_rgb": tags.number(TIFF_PHOTOMETRIC) == RGB}
        coding["subsampling"] = {1: 0, 2: 2}.get(tags.number(TIFF_SUBSAMPLING) or 2, 2)
        try:
            with JpegImagePlugin.JpegImageFile(io.BytesIO(_whole_header(tags))) as jpeg:
                coding |= {"tables": list(jpeg.quantization.values()) or None}
                if jpeg.layers == 3:
                    coding["subsampling"] = jpeg_coding(jpeg)["subsampling"]
        except (OSError, ValueError, KeyError, SyntaxError, IndexError) as error:
            log.info("the tables of a TIFF's JPEG cannot be read", exc_info=error)
    return coding


# Pixels of a JPEG up to which its codes are fitted to it, which saves a few percent of the file and
# takes 3 to 6 bytes for each pixel.
MOST_OPTIMIZED = 50_000_000


def jpeg_options(coding: Mapping[str, Any], image: Image.Image, quality: int) -> dict[str, object]:
    """A JPEG keeps its subsampling, and its quantization where that is finer than asked for."""
    options: dict[str, object] = {
        "subsampling": 0 if quality >= FULL_COLOUR_FROM else 2,
        "optimize": image.width * image.height <= MOST_OPTIMIZED,
        "progressive": bool(coding.get("progressive")),
        "quality": quality,
    }
    if coding.get("subsampling") is not None and image.mode == "RGB":
        options["subsampling"] = coding["subsampling"]
    tables = coding.get("tables")
    if tables and quality >= FULL_COLOUR_FROM and sum(tables[0]) < _fineness(quality):
        del options["quality"]
        options["qtables"] = tables
    return options


def webp_options(coding: Mapping[str, Any], quality: int) -> dict[str, object]:
    """A lossless WebP stays so."""
    return {"lossless": True, "exact": True} if coding.get("lossless") else {"quality": quality}


def heif_options(quality: int) -> dict[str, object]:
    """quality: as of JPEG."""
    return {
        "quality": round(float(np.interp(quality, *HEIF_QUALITIES))),
        "enc_params": FAST_X265,
    }


def avif_options(quality: int) -> dict[str, object]:
    """quality: as libavif counts it."""
    return {"quality": quality, "speed": FAST_AV1}


def tiff_options(coding: Mapping[str, Any]) -> dict[str, object]:
    """A TIFF keeps its kind of packing, if that is without losses; Deflate where it had another."""
    packing = TIFF_LOSSLESS.get(coding.get("packing") or "", "tiff_deflate")
    options: dict[str, object] = {"compression": packing, "strip_size": STRIP}
    if packing != "lzma":  # which finds more without
        options["tiffinfo"] = {TIFF_PREDICTOR: HORIZONTAL}
    return options


def stays_jpeg(coding: Mapping[str, Any], mode: str) -> bool:
    """Whether the pixels of a TIFF are packed as JPEG again. mode: of the result, as Pillow's."""
    return "is_rgb" in coding and mode in ("L", "RGB")


def jpeg_strips(coding: Mapping[str, Any], image: Image.Image, quality: int) -> JpegStrips:
    """The picture as JPEGs for a TIFF, packed with the tables of the file where they are known.

    So a picture that was scanned into JPEG grows no larger, and what nobody changed comes out
    almost as it was.
    """
    subsampling = coding["subsampling"] if image.mode == "RGB" and not coding["is_rgb"] else 0
    options: dict[str, Any] = {"optimize": True, "subsampling": subsampling}
    options["keep_rgb"] = coding["is_rgb"] and image.mode == "RGB"
    options |= {"qtables": coding["tables"]} if coding["tables"] else {"quality": quality}
    strips = []
    for top in range(0, image.height, STRIP_ROWS):
        part = image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height)))
        buffer = io.BytesIO()
        part.save(buffer, "JPEG", **options)
        strips.append(buffer.getvalue())
    if image.mode == "L":
        photometric = BLACK_IS_ZERO
    else:
        photometric = RGB if coding["is_rgb"] else YCBCR
    across, down = {0: (1, 1), 1: (2, 1), 2: (2, 2)}[subsampling]
    return JpegStrips(strips, STRIP_ROWS, image.size, photometric, (across, down))


def tiff_growth(coding: Mapping[str, Any], mode: str) -> str | None:
    """Why a result in TIFF may be larger than its file, as the end of a sentence."""
    packing = coding.get("packing")
    if packing in BILEVEL:
        return "is in black and white only; the result is grey, and may be larger"
    if packing == "palette":
        return "has a palette of few colours; the result has all, and may be larger"
    if packing in (*TIFF_JPEG, "webp") and not stays_jpeg(coding, mode):
        return "is packed with losses; the result is packed without, and is larger"
    return None


def _whole_header(tags: TiffTags) -> bytes:
    """The header of the JPEG in a TIFF, up to its pixels."""
    if tables := tags.raw(TIFF_TABLES):
        return tables.removesuffix(END) + SMALL_FRAME
    return tags.first_packed(HEADER)


@lru_cache
def _fineness(quality: int) -> int:
    """The sum of the table of luminance that libjpeg makes of a quality; less is finer."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "JPEG", quality=quality)
    buffer.seek(0)
    with JpegImagePlugin.JpegImageFile(buffer) as image:
        return sum(image.quantization[0])
