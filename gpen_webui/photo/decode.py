"""Make pixels of a photo file's bytes: formats, orientation, colours, transparency, limits.

decoder_process.py runs this in a process of its own, so that what a hostile file does to a
decoder it does to that process and to no other.

Rules: 16-bit and float pictures are reduced to 8 bits. Of animations and many-page files the
first picture is taken. CMYK and Lab are converted to sRGB, CMYK through its own profile. Other
profiles are kept, and the pixels stay in them. Pictures are converted in bands: a large one
exists once as Pillow decoded it and once as the result, and nowhere else.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from gpen_webui.photo import metadata
from gpen_webui.photo.errors import PhotoError

log = logging.getLogger(__name__)

pillow_heif.register_heif_opener(thumbnails=False)
# The limit is ours, on the declared size, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "HEIF", "AVIF")  # MPO opens as a JPEG does
SAVED_AS = {"mpo": "jpeg"}
MAX_SIDE = 65_500  # what JPEG can hold
BAND = 1 << 21  # pixels converted at a time
# No photo is packed so well; a file that claims so many pixels in so few bytes is a bomb.
LARGE = 25_000_000
MIN_BITS_PER_PIXEL = 0.1
# Each scan of a JPEG is a pass over the whole picture; the usual progressive one has ten.
MAX_SCANS = 100
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # what cannot stand in a JPEG's pixel data
SOS, EOI = 0xDA, 0xD9
ORIENTATIONS = {  # EXIF value: mirrored left to right first?, then quarter turns to the left
    2: (True, 0),
    3: (False, 2),
    4: (True, 2),
    5: (True, 1),
    6: (False, 3),
    7: (True, 3),
    8: (False, 1),
}
MIN_IS_WHITE, TAG_BITS, TAG_PHOTOMETRIC = 0, 258, 262  # of TIFF

OnSize = Callable[[int], None]


@dataclass(eq=False)
class Decoded:
    """Field by field as in photo.Photo."""

    pixels: np.ndarray
    alpha: np.ndarray | None
    format: str
    grey: bool
    icc: bytes | None
    warnings: list[str]
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None


def decode(path: Path, name: str, max_megapixels: int, on_size: OnSize) -> Decoded:
    """Decode a photo file; its content decides what it is, not its suffix.

    on_size: told the number of pixels as soon as it is known, before they are decoded.
    Raises PhotoError, naming the file and the remedy, for whatever is no whole photo.
    """
    with _explaining(path, name):
        with _opened(path) as image:
            _check(image, path, name, max_megapixels)
            on_size(image.width * image.height)
            image.load()
            _check(image, path, name, max_megapixels)  # some know their size only now
            decoded = _to_rgb(image, path, name)
            orientation = _orientation(image)
            _add_metadata(decoded, image, name, turned=orientation in ORIENTATIONS)
        decoded.pixels = _upright(decoded.pixels, orientation)
        if decoded.alpha is not None:
            decoded.alpha = _upright(decoded.alpha, orientation)
        return decoded


def shrink(path: Path, name: str, side: int, max_megapixels: int, on_size: OnSize) -> bytes:
    """A JPEG of a photo file, upright, its longer side at most `side` pixels, no metadata.

    Raises PhotoError as `decode` does.
    """
    with _explaining(path, name), _opened(path) as image:
        _check(image, path, name, max_megapixels)
        on_size(image.width * image.height)
        image.draft("RGB", (side, side))  # JPEG: decode at a fraction of the size
        image.load()
        _check(image, path, name, max_megapixels)
        decoded = _to_rgb(image, path, name)
        orientation = _orientation(image)
    small = Image.fromarray(decoded.pixels)
    if decoded.alpha is not None:
        small.putalpha(Image.fromarray(decoded.alpha))
    small.thumbnail((side, side))
    if decoded.alpha is not None:
        small = on_white(small)
    upright = Image.fromarray(_upright(np.asarray(small), orientation))
    buffer = io.BytesIO()
    upright.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def on_white(image: Image.Image) -> Image.Image:
    """An LA or RGBA picture without its transparency."""
    mode = "L" if image.mode == "LA" else "RGB"
    white = Image.new(mode, image.size, "white")
    white.paste(image.convert(mode), mask=image.getchannel("A"))
    return white


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    # Not by its path: Pillow would map the file into memory, and read turned TIFFs wrongly.
    with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
        yield image
        image.close()  # gives its pixels back, which leaving the block does not


def _check(image: Image.Image, path: Path, name: str, max_megapixels: int) -> None:
    width, height = image.size
    pixels = width * height
    if pixels > max_megapixels * 1e6:
        raise PhotoError(
            f"{name} has {width} x {height} pixels ({pixels / 1e6:.0f} megapixels), and the limit "
            f"is {max_megapixels}; make it smaller or raise the limit with --max-megapixels."
        )
    if max(width, height) > MAX_SIDE:
        raise PhotoError(
            f"{name} is {width} x {height} pixels, and no side may exceed {MAX_SIDE}; crop it."
        )
    if pixels > LARGE and path.stat().st_size * 8 < MIN_BITS_PER_PIXEL * pixels:
        raise PhotoError(
            f"{name} claims {width} x {height} pixels in {path.stat().st_size / 1000:.0f} kB, "
            "which no photo does; open it in another program and save it anew."
        )
    if image.format in ("JPEG", "MPO") and _count_scans(path) > MAX_SCANS:
        raise PhotoError(
            f"{name} is a JPEG of more than {MAX_SCANS} scans, made to take long; "
            "open it in another program and save it anew."
        )


def _count_scans(path: Path) -> int:
    """How many scans the first picture of a JPEG file has, MAX_SCANS + 1 for more than allowed."""
    data = path.read_bytes()
    scans, position = 0, 2
    while scans <= MAX_SCANS and (marker := MARKER.search(data, position)):
        code, position = data[marker.end() - 1], marker.end()
        if code == EOI:
            break
        scans += code == SOS
        position += int.from_bytes(data[position : position + 2], "big")
    return scans


def _to_rgb(image: Image.Image, path: Path, name: str) -> Decoded:
    """The decoded picture, as it lies in the file, without its metadata."""
    file_format = image.format.lower()
    warnings = []
    if getattr(image, "is_animated", False) and file_format != "mpo":
        warnings.append(f"{name} holds several pictures; only the first is restored.")
    if _bits(image, path) > 8:
        warnings.append(f"{name} has more than 8 bits per colour; the result has 8.")
    icc = image.info.get("icc_profile") or None
    if icc and not _is_usable(icc, image.mode):
        warnings.append(f"{name} has a damaged colour profile, which is left out.")
        icc = None
    grey = image.mode in ("1", "L", "LA", "La") or _is_deep(image)
    if _is_deep(image):
        pixels, alpha = _reduce(image)
    elif image.mode in ("CMYK", "LAB"):
        pixels, alpha = _fill(image, _colour_transform(image.mode, icc)), None
        warnings.append(
            f"{name} was made for print (CMYK); the result is sRGB."
            if image.mode == "CMYK" and icc
            else f"{name} was converted to sRGB; colours may look different."
        )
        icc = None
    elif image.has_transparency_data:
        rgba = _fill(image, lambda band: band.convert("RGBA"), bands=4)
        pixels, alpha = np.ascontiguousarray(rgba[:, :, :3]), rgba[:, :, 3].copy()
        alpha = None if (alpha == 255).all() else alpha
    else:
        pixels, alpha = _fill(image, lambda band: band.convert("RGB")), None
    if image.mode in ("P", "PA"):
        grey = _is_grey(pixels)
    return Decoded(
        pixels=pixels,
        alpha=alpha,
        format=SAVED_AS.get(file_format, file_format),
        grey=grey,
        icc=icc,
        warnings=warnings,
    )


def _add_metadata(decoded: Decoded, image: Image.Image, name: str, turned: bool) -> None:
    if turned and metadata.marks_people(image):
        decoded.warnings.append(
            f"{name} is turned upright; the places of marked faces are left out."
        )
    exif = metadata.exif_without_orientation(image)
    xmp = metadata.describing_xmp(image, turned)
    if any(metadata.is_oversized(block) for block in (exif, xmp)):
        decoded.warnings.append(f"{name} has more metadata than a photo can carry; it is left out.")
    decoded.exif = None if metadata.is_oversized(exif) else exif
    decoded.xmp = None if metadata.is_oversized(xmp) else xmp
    decoded.dpi = metadata.resolution(image)


def _bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    width, height = image.size
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        yield slice(top, bottom), image.crop((0, top, width, bottom))


def _fill(
    image: Image.Image, convert: Callable[[Image.Image], Image.Image], bands: int = 3
) -> np.ndarray:
    """(H,W,bands) uint8: the whole picture, converted band by band."""
    pixels = np.empty((image.height, image.width, bands), np.uint8)
    for rows, band in _bands(image):
        pixels[rows] = np.asarray(convert(band))
    return pixels


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _bits(image: Image.Image, path: Path) -> int:
    if _is_deep(image):
        return 16
    if image.format == "TIFF":
        return max(image.tag_v2.get(TAG_BITS, (8,)))
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]
    return int(image.info.get("bit_depth", 8))


def _reduce(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """A grey picture in 16 or 32 bits, scaled to 0-255, and its alpha.

    Floats are scaled from 0 to their largest value, or to 1 where that is larger; whole numbers
    by the range of their 12 or 16 bits, those of 32 bits to their largest value where that
    lies beyond 16 bits.
    """
    top = 1.0 if image.mode == "F" else float(2 ** min(16, _whole_bits(image)) - 1)
    for _, band in _bands(image):
        values = np.asarray(band)
        top = max(top, float(values.max(where=np.isfinite(values), initial=0)))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    key = image.info.get("transparency")
    alpha = None if key is None else np.empty(pixels.shape[:2], np.uint8)
    for rows, band in _bands(image):
        values = np.asarray(band)
        scaled = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0) * (255 / top)
        if image.format == "TIFF" and image.tag_v2.get(TAG_PHOTOMETRIC) == MIN_IS_WHITE:
            scaled = 255 - scaled
        pixels[rows] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)[:, :, None]
        if alpha is not None:
            alpha[rows] = np.where(values == key, 0, 255)
    return pixels, alpha


def _whole_bits(image: Image.Image) -> int:
    """Bits of a grey picture in whole numbers; of those of 12 bits the upper four are not used."""
    return image.tag_v2.get(TAG_BITS, (16,))[0] if image.format == "TIFF" else 16


def _colour_transform(mode: str, icc: bytes | None) -> Callable[[Image.Image], Image.Image]:
    """From CMYK, through its own profile where it has one, or Lab to sRGB."""
    if mode == "CMYK" and icc is None:
        return lambda band: band.convert("RGB")
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc)) if icc else ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(source, srgb, mode, "RGB")
    return lambda band: ImageCms.applyTransform(band, transform)


def _is_usable(icc: bytes, mode: str) -> bool:
    """Whether it is a whole profile, and for pictures like this one."""
    if mode in ("CMYK", "LAB"):
        spaces = (mode if mode == "CMYK" else "Lab ",)
    else:
        spaces = ("GRAY", "RGB ") if mode[0] in "1LIF" else ("RGB ",)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
        if profile.xcolor_space not in spaces:
            return False
        if mode in ("CMYK", "LAB"):
            _colour_transform(mode, icc)
        return True
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.info("unusable colour profile", exc_info=error)
        return False


def _is_grey(pixels: np.ndarray) -> bool:
    return all((pixels[:, :, 0] == pixels[:, :, band]).all() for band in (1, 2))


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # broken metadata is no reason to refuse a photo
        log.info("broken EXIF", exc_info=error)
        return 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    if orientation not in ORIENTATIONS:
        return pixels
    mirrored, turns = ORIENTATIONS[orientation]
    return np.ascontiguousarray(np.rot90(np.fliplr(pixels) if mirrored else pixels, turns))


@contextmanager
def _explaining(path: Path, name: str) -> Iterator[None]:
    """Whatever damaged files make decoders raise, as one sentence."""
    try:
        yield
    except (PhotoError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        if path.stat().st_size == 0:
            raise PhotoError(f"{name} is empty (0 bytes); try another copy of it.") from error
        raise PhotoError(
            f"{name} is not a photo in a known format (JPEG, PNG, WebP, TIFF, BMP, HEIC, AVIF); "
            "convert it to one of them, or try another copy of it."
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise PhotoError(
                f"{name} cannot be read ({error.strerror}); check that you may open it."
            ) from error
        log.info("%s could not be opened", ascii(name), exc_info=error)
        raise PhotoError(f"{name} is damaged or cut short; try another copy of it.") from error
    except Exception as error:
        log.info("%s could not be opened", ascii(name), exc_info=error)
        raise PhotoError(
            f"{name} is damaged and cannot be read; try another copy of it."
        ) from error
