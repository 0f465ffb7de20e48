"""Make pixels of a photo file's bytes: orientation, colours, transparency.

decoder_process.py runs this in a process of its own, so that what a hostile file does to a
decoder it does to that process and to no other.

Rules: 16-bit and float pictures are reduced to 8 bits. Of animations and many-page files the
first picture is taken. CMYK and Lab are converted to sRGB, CMYK through its own profile; so is
HDR (colour.py). Other colours are kept, and the profile, of the file or made, says what they
are. Pictures are converted in bands: a large one exists once as Pillow decoded it and once as
the result, and nowhere else.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms
from PIL.MpoImagePlugin import MpoImageFile
from PIL.TiffImagePlugin import TiffImageFile

from gpen_webui.photo import exif, icc
from gpen_webui.photo.colour import ColourSpace, space_of_numbers, space_of_png
from gpen_webui.photo.formats import saved_as
from gpen_webui.photo.metadata import Container, Metadata, exif_of, read_metadata
from gpen_webui.photo.opening import OnSize, deep_samples, explaining, load, opened
from gpen_webui.photo.packing import jpeg_coding, on_white, tiff_coding
from gpen_webui.photo.webp_file import WebpFile

log = logging.getLogger(__name__)

BAND = 1 << 21  # pixels converted at a time
ORIENTATIONS = {  # EXIF value: mirrored left to right first?, then quarter turns to the left
    2: (True, 0),
    3: (False, 2),
    4: (True, 2),
    5: (True, 1),
    6: (False, 3),
    7: (True, 3),
    8: (False, 1),
}
EIGHTH = 8  # as Pillow calls the smallest size at which libjpeg decodes
MP_ENTRIES = 0xB002  # of CIPA DC-007, the multi-picture format
MIN_IS_WHITE, TAG_BITS, TAG_PHOTOMETRIC = 0, 258, 262  # of TIFF


@dataclass(eq=False)
class Decoded:
    """Field by field as in photo.Photo. icc_is_made: to say what the file says by numbers."""

    pixels: np.ndarray
    alpha: np.ndarray | None
    format: str
    file_format: str
    grey: bool
    icc: bytes | None
    warnings: list[str]
    losses: list[str]
    icc_is_made: bool = False
    coding: dict[str, object] = field(default_factory=dict)
    metadata: Metadata = field(default_factory=Metadata)


def decode(path: Path, name: str, max_megapixels: int, on_size: OnSize) -> Decoded:
    """Decode a photo file; its content decides what it is, not its suffix.

    on_size: told the number of pixels as soon as it is known, before they are decoded.
    Raises PhotoError, naming the file and the remedy, for whatever is no whole photo.
    """
    with explaining(path, name):
        with opened(path, name, max_megapixels, on_size) as (image, container, warnings):
            coding = _coding(image, container, path)
            load(image, path, name, max_megapixels)
            decoded = _to_rgb(image, container, path, name)
            orientation = _orientation(image, container)
            decoded.coding = coding
            decoded.warnings[:0] = warnings
            metadata, losses = read_metadata(image, container, name, orientation)
            if not decoded.icc_is_made:  # the chunks say nothing, or not what holds now
                metadata = replace(metadata, png_colour=None)
        decoded.metadata = metadata
        decoded.losses += losses
        decoded.pixels = _upright(decoded.pixels, orientation)
        if decoded.alpha is not None:
            decoded.alpha = _upright(decoded.alpha, orientation)
        return decoded


def shrink(
    path: Path, name: str, side: int, max_megapixels: int, on_size: OnSize, turn: int = 0
) -> bytes:
    """A JPEG of a photo file, upright, its longer side at most `side` pixels, no metadata.

    turn: by how many quarters it is turned counterclockwise besides.

    Raises PhotoError as `decode` does.
    """
    with (
        explaining(path, name),
        opened(path, name, max_megapixels, on_size) as (image, container, _),
    ):
        orientation = _orientation(image, container)  # a preview may say another
        image = _quickly(image, container, side)
        load(image, path, name, max_megapixels)
        decoded = _to_rgb(image, container, path, name)
    small = Image.fromarray(decoded.pixels)
    if decoded.alpha is not None:
        small.putalpha(Image.fromarray(decoded.alpha))
    small.thumbnail((side, side))
    if decoded.alpha is not None:
        small = on_white(small)
    upright = Image.fromarray(np.rot90(_upright(np.asarray(small), orientation), turn))
    buffer = io.BytesIO()
    upright.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _quickly(image: Image.Image, container: Container, side: int) -> Image.Image:
    """The picture, or a preview in its file; no more is decoded than `side` pixels need."""
    if not container.jpeg:
        return image
    if isinstance(image, MpoImageFile):
        _turn_to_preview(image, side)
    image.draft("RGB", (side, side))  # decoded at a fraction of the size
    is_first = not isinstance(image, MpoImageFile) or image.tell() == 0
    scale = getattr(image, "decoderconfig", (1,))[:1]
    if is_first and scale == (EIGHTH,) and (less := container.jpeg.at_an_eighth()):
        image = Image.open(io.BytesIO(less), formats=["JPEG"])
        image.draft("RGB", (side, side))
    return image


def _turn_to_preview(image: MpoImageFile, side: int) -> None:
    """Go to a camera's own preview, where one is large enough and shows the whole picture."""
    width, height = image.size
    entries = (image.mpinfo or {}).get(MP_ENTRIES, ())
    for number, entry in enumerate(entries):
        if not entry["Attribute"]["MPType"].startswith("Large Thumbnail"):
            continue
        try:
            image.seek(number)
        except Exception as error:
            log.info("unusable preview", exc_info=error)
        else:
            across, down = image.size
            if max(image.size) >= side and abs(across * height - down * width) <= down * width / 99:
                return
        image.seek(0)


def _coding(image: Image.Image, container: Container, path: Path) -> dict[str, object]:
    """How the file packs its pixels, as far as the result can do the same."""
    match image.format:
        case "JPEG" | "MPO":
            return jpeg_coding(image)
        case "WEBP":
            webp = WebpFile.read(path)
            return {"lossless": bool(webp and webp.is_lossless)}
        case "TIFF":
            return tiff_coding(image, container.tiff)
    return {}


def _to_rgb(image: Image.Image, container: Container, path: Path, name: str) -> Decoded:
    """The decoded picture, as it lies in the file, without its metadata."""
    assert image.format, "it was opened from a file"
    file_format = image.format.lower()
    warnings, losses = [], []
    if getattr(image, "is_animated", False) and file_format != "mpo":
        warnings.append(f"{name} holds several pictures; only the first is restored.")
    if file_format == "gif":
        losses.append(f"{name} is a GIF; the result is a PNG.")
    if _bits(image, container, path) > 8:
        losses.append(f"{name} has more than 8 bits per colour; the result has 8.")
    space = _space(container)
    profile = image.info.get("icc_profile") or None
    if container.png and b"cICP" in container.png.colour:
        profile = None  # the chunk counts before it
    if profile and not _is_usable(profile, image.mode):
        losses.append(f"{name} has a damaged colour profile, which is left out.")
        profile = None
    grey = image.mode in ("1", "L", "LA", "La") or _is_deep(image)
    if _is_deep(image):
        pixels, alpha = _reduce(image)
    elif image.mode in ("CMYK", "LAB"):
        pixels, alpha = _fill(image, _colour_transform(image.mode, profile)), None
        losses.append(
            f"{name} was made for print (CMYK); the result is sRGB."
            if image.mode == "CMYK" and profile
            else f"{name} was converted to sRGB; colours may look different."
        )
        profile = None
    elif image.has_transparency_data:
        rgba = _fill(image, lambda band: band.convert("RGBA"), bands=4)
        pixels, alpha = np.ascontiguousarray(rgba[:, :, :3]), rgba[:, :, 3].copy()
        alpha = None if (alpha == 255).all() else alpha
    else:
        pixels, alpha = _fill(image, _as_rgb), None
    if image.mode in ("P", "PA"):
        grey = not profile and _is_grey(pixels)
    if profile and icc.space_of(profile) == b"GRAY" and not grey:
        grey = _is_grey(pixels)
        if not grey:
            losses.append(f"{name} has a colour profile of grey, which is left out.")
            profile = None
    if space and space.hdr and not profile:
        samples, bits = deep_samples(path, image.format), _bits(image, container, path)
        if samples is None or samples.shape != pixels.shape:
            samples, bits = pixels, 8
        peak = container.heif.peak if container.heif else None
        pixels = space.to_srgb(samples, bits, peak)
        losses.append(f"{name} is HDR; the result is sRGB, with its brightest parts toned down.")
    is_made = False
    if space and not space.hdr and not profile:
        is_made, profile = True, space.profile(grey)
    return Decoded(
        pixels=pixels,
        alpha=alpha,
        format=saved_as(file_format),
        file_format="gif" if file_format == "gif" else saved_as(file_format),
        grey=grey,
        icc=profile,
        warnings=warnings,
        losses=losses,
        icc_is_made=is_made,
    )


def _space(container: Container) -> ColourSpace | None:
    """What the file says of its colours by numbers; None for sRGB and where it says nothing."""
    try:
        if container.png:
            space = space_of_png(container.png.colour)
        elif container.heif and container.heif.cicp:
            space = space_of_numbers(*container.heif.cicp)
        else:
            return None
        if space:
            space.profile(grey=False)
        return space
    except ValueError as error:
        log.info("impossible colours", exc_info=error)
        return None


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
    if image.width * image.height <= BAND:
        return np.asarray(convert(image))
    pixels = np.empty((image.height, image.width, bands), np.uint8)
    for rows, band in _bands(image):
        pixels[rows] = np.asarray(convert(band))
    return pixels


def _as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _bits(image: Image.Image, container: Container, path: Path) -> int:
    if _is_deep(image):
        return 16
    if isinstance(image, TiffImageFile):
        return max(image.tag_v2.get(TAG_BITS, (8,)))
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]
    if container.heif and container.heif.bits > 8:
        return container.heif.bits
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
    is_inverted = (
        isinstance(image, TiffImageFile) and image.tag_v2.get(TAG_PHOTOMETRIC) == MIN_IS_WHITE
    )
    key = image.info.get("transparency")
    alpha = None if key is None else np.empty(pixels.shape[:2], np.uint8)
    for rows, band in _bands(image):
        values = np.asarray(band)
        scaled = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0) * (255 / top)
        if is_inverted:
            scaled = 255 - scaled
        pixels[rows] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)[:, :, None]
        if alpha is not None:
            alpha[rows] = np.where(values == key, 0, 255)
    return pixels, alpha


def _whole_bits(image: Image.Image) -> int:
    """Bits of a grey picture in whole numbers; of those of 12 bits the upper four are not used."""
    return image.tag_v2.get(TAG_BITS, (16,))[0] if isinstance(image, TiffImageFile) else 16


def _colour_transform(mode: str, profile: bytes | None) -> Callable[[Image.Image], Image.Image]:
    """From CMYK, through its own profile where it has one, or Lab to sRGB."""
    if mode == "CMYK" and profile is None:
        return lambda band: band.convert("RGB")
    source = (
        ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else ImageCms.createProfile("LAB")
    )
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(source, srgb, mode, "RGB")

    def to_srgb(band: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(band, transform)
        assert converted is not None, "only what is converted in place gives nothing"
        return converted

    return to_srgb


def _is_usable(data: bytes, mode: str) -> bool:
    """Whether it is a whole profile, and for pictures like this one."""
    spaces: tuple[str, ...] = ("GRAY", "RGB ")
    if mode in ("CMYK", "LAB"):
        spaces = (mode if mode == "CMYK" else "Lab ",)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data)).profile
        if profile.xcolor_space not in spaces:
            return False
        if mode in ("CMYK", "LAB"):
            _colour_transform(mode, data)
        return True
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.info("unusable colour profile", exc_info=error)
        return False


def _is_grey(pixels: np.ndarray) -> bool:
    return all((pixels[:, :, 0] == pixels[:, :, band]).all() for band in (1, 2))


def _orientation(image: Image.Image, container: Container) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        return orientation if orientation in ORIENTATIONS else 1
    except Exception as error:  # broken metadata is no reason to refuse a photo
        log.info("broken EXIF", exc_info=error)
    try:
        orientation = exif.orientation_of(exif.checked(exif_of(image, container) or b""))
        return orientation if orientation in ORIENTATIONS else 1
    except ValueError:
        return 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    if orientation not in ORIENTATIONS:
        return pixels
    mirrored, turns = ORIENTATIONS[orientation]
    return np.ascontiguousarray(np.rot90(np.fliplr(pixels) if mirrored else pixels, turns))
