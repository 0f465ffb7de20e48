"""Open and save photos: formats, orientation, colour profile, alpha, metadata, limits.

What comes in, whatever it is, becomes RGB in 8 bits, upright; what cannot be kept is said in
a warning. What goes out has the input's profile, metadata, transparency and greyness.

Rules: 16-bit and float pictures are reduced to 8 bits. Of animations and many-page files the
first picture is restored. CMYK and Lab are converted to sRGB, CMYK through its own profile.
Other RGB profiles are kept, and the pixels stay in them.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from gpen_webui.errors import UserError

log = logging.getLogger(__name__)

pillow_heif.register_heif_opener(thumbnails=False)
# The limit is ours, on the declared size, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "HEIF", "AVIF")  # MPO opens as a JPEG does
SAVED_AS = {"mpo": "jpeg"}
SUFFIX_OF = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "bmp": (".bmp",),
    "heif": (".heic", ".heif", ".hif"),
    "avif": (".avif",),
}
WITHOUT_ALPHA = ("jpeg", "bmp")
MAX_SIDE = 65_500  # what JPEG can hold
SUBSAMPLING_BELOW = 90  # JPEG quality from which on colour keeps its full resolution


class PhotoError(UserError):
    """A file cannot be opened as a photo, or a photo not saved."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A whole picture, upright.

    pixels: (H,W,3) uint8 RGB. alpha: (H,W) uint8 or None. grey: the file had no colour, and
    its result will have none. format: jpeg, png, webp, tiff, bmp, heif or avif. icc, exif: as
    in the file, with the orientation reset. name: what messages call it.
    """

    pixels: np.ndarray
    name: str
    format: str
    alpha: np.ndarray | None = None
    grey: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    warnings: tuple[str, ...] = ()


def open_photo(path: Path, *, name: str | None = None, max_megapixels: int = 100) -> Photo:
    """Open a photo file; its content decides what it is, not its suffix.

    Raises PhotoError, naming the file and the remedy, for whatever is no whole photo.
    """
    name = name or path.name
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image, name, max_megapixels)
            return _to_photo(image, name)
    except (PhotoError, MemoryError):
        raise
    except OSError as error:
        raise _explain_os_error(error, path, name) from error
    except Exception as error:  # damaged files make decoders raise anything
        log.info("%s could not be opened", ascii(name), exc_info=error)
        raise PhotoError(
            f"{name} is damaged and cannot be read; try another copy of it."
        ) from error


def encode_photo(
    photo: Photo, pixels: np.ndarray, format: str = "same", quality: int = 92
) -> tuple[bytes, str]:
    """The file of a restored photo, and its suffix.

    pixels: (H,W,3) uint8 RGB, of any size. format: same, png, jpeg or webp. With the same
    format the file's own suffix is kept. JPEG and BMP show transparency as white.
    Raises PhotoError where the format cannot hold the picture.
    """
    target = photo.format if format == "same" else format
    image = _to_image(photo, pixels, keep_alpha=target not in WITHOUT_ALPHA)
    options: dict[str, object] = {"icc_profile": photo.icc, "exif": photo.exif}
    if target == "bmp":
        options = {}
    elif target == "jpeg":
        subsampling = 0 if quality >= SUBSAMPLING_BELOW else 2
        options |= {"quality": quality, "subsampling": subsampling, "optimize": True}
    elif target in ("webp", "heif", "avif"):
        options |= {"quality": quality}
        image = image.convert("RGB") if image.mode == "L" else image
        image = image.convert("RGBA") if image.mode == "LA" else image
    elif target == "tiff":
        options |= {"compression": "tiff_deflate"}
    elif target == "png":
        options |= {"compress_level": 4}
    options = {key: value for key, value in options.items() if value is not None}
    buffer = io.BytesIO()
    try:
        image.save(buffer, target, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise PhotoError(
            f"{photo.name} cannot be saved as {target.upper()} ({error}); choose another format."
        ) from error
    suffix = Path(photo.name).suffix
    if suffix.lower() not in SUFFIX_OF[target]:
        suffix = SUFFIX_OF[target][0]
    return buffer.getvalue(), suffix


def thumbnail(path: Path, side: int, *, max_megapixels: int = 100) -> bytes:
    """A JPEG of a photo file, upright, its longer side at most `side` pixels, no metadata.

    Raises PhotoError as `open_photo` does.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image, path.name, max_megapixels)
            image.draft("RGB", (side, side))  # JPEG: decode at a fraction of the size
            small = _to_eight_bits(image)
            small.thumbnail((side, side))
            small = ImageOps.exif_transpose(small)
            if "A" in small.getbands() or "transparency" in small.info:
                small = _on_white(small.convert("RGBA"))
            buffer = io.BytesIO()
            small.convert("RGB").save(buffer, "JPEG", quality=80)
            return buffer.getvalue()
    except (PhotoError, MemoryError):
        raise
    except Exception as error:
        raise PhotoError(f"{path.name} cannot be shown; the file is damaged.") from error


def _check_size(image: Image.Image, name: str, max_megapixels: int) -> None:
    width, height = image.size
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise PhotoError(
            f"{name} has {width} x {height} pixels ({megapixels:.0f} megapixels), and the limit is "
            f"{max_megapixels}; make it smaller or raise the limit with --max-megapixels."
        )
    if max(width, height) > MAX_SIDE:
        raise PhotoError(
            f"{name} is {width} x {height} pixels, and no side may exceed {MAX_SIDE}; crop it."
        )


def _to_photo(image: Image.Image, name: str) -> Photo:
    file_format = image.format.lower()
    warnings = []
    if getattr(image, "n_frames", 1) > 1 and file_format != "mpo":
        warnings.append(f"{name} holds {image.n_frames} pictures; only the first is restored.")
    if _bits(image) > 8:
        warnings.append(f"{name} has more than 8 bits per colour; the result has 8.")
    exif = _upright_exif(image)
    icc = image.info.get("icc_profile") or None
    image.load()
    upright = ImageOps.exif_transpose(_to_eight_bits(image))
    alpha = None
    if "A" in upright.getbands() or "transparency" in upright.info:
        upright = upright.convert("RGBA")
        alpha = np.asarray(upright.getchannel("A"))
    if upright.mode in ("CMYK", "LAB", "YCbCr"):
        upright, warning = _to_srgb(upright, icc, name)
        warnings += warning
        icc = None
    grey = image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16")
    if not grey and image.mode == "P":
        grey = _is_grey(upright)
    return Photo(
        pixels=np.array(upright.convert("RGB")),
        name=name,
        format=SAVED_AS.get(file_format, file_format),
        alpha=alpha,
        grey=grey,
        icc=icc,
        exif=exif,
        warnings=tuple(warnings),
    )


def _bits(image: Image.Image) -> int:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return 16
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (8,)))  # BitsPerSample
    return int(image.info.get("bit_depth", 8))


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Pictures in 16 or 32 bits, scaled to 0-255 (whole numbers by their range, floats from 0 to
    their largest value, or to 1 where that is larger)."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image, dtype=np.float32)
    if image.mode == "F":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        top = max(1.0, float(values.max(initial=0)))
    else:
        top = 65_535.0
    eight = Image.fromarray(np.clip(np.rint(values * (255 / top)), 0, 255).astype(np.uint8))
    eight.info = dict(image.info)
    eight.info.pop("transparency", None)
    return eight


def _upright_exif(image: Image.Image) -> bytes | None:
    """The EXIF block with its orientation reset; None where there is none or it is broken."""
    try:
        exif = image.getexif()
        if not exif:
            return None
        exif.pop(ExifTags.Base.Orientation, None)
        # TIFF keeps its picture's layout among these tags; that of the result is another.
        kept = Image.Exif()
        for tag, value in exif.items():
            if image.format != "TIFF" or tag in _DESCRIPTIVE_TAGS:
                kept[tag] = value
        for block in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            if values := exif.get_ifd(block):
                kept.get_ifd(block).update(values)
        return kept.tobytes() or None
    except Exception as error:  # broken metadata is no reason to refuse a photo
        log.info("broken EXIF left out", exc_info=error)
        return None


_DESCRIPTIVE_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.ExifOffset,
    ExifTags.Base.GPSInfo,
)


def _to_srgb(image: Image.Image, icc: bytes | None, name: str) -> tuple[Image.Image, list[str]]:
    """Through the picture's own profile where it has a usable one."""
    if image.mode == "CMYK" and icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(
                image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            return converted, [f"{name} was made for print (CMYK); the result is sRGB."]
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            log.info("%s: unusable colour profile", ascii(name), exc_info=error)
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(
            image, lab, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    return image.convert("RGB"), [f"{name} was converted to sRGB; colours may look different."]


def _is_grey(image: Image.Image) -> bool:
    pixels = np.asarray(image.convert("RGB"))
    return bool(
        (pixels[:, :, 0] == pixels[:, :, 1]).all() and (pixels[:, :, 1] == pixels[:, :, 2]).all()
    )


def _to_image(photo: Photo, pixels: np.ndarray, keep_alpha: bool) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if photo.grey:
        image = image.convert("L")
    if photo.alpha is None:
        return image
    alpha = Image.fromarray(photo.alpha).resize(image.size)
    image.putalpha(alpha)
    return image if keep_alpha else _on_white(image)


def _on_white(image: Image.Image) -> Image.Image:
    mode = "L" if image.mode == "LA" else "RGB"
    white = Image.new(mode, image.size, "white")
    white.paste(image.convert(mode), mask=image.getchannel("A"))
    return white


def _explain_os_error(error: OSError, path: Path, name: str) -> PhotoError:
    if isinstance(error, UnidentifiedImageError):
        if path.stat().st_size == 0:
            return PhotoError(f"{name} is empty (0 bytes); try another copy of it.")
        return PhotoError(
            f"{name} is not a photo in a known format (JPEG, PNG, WebP, TIFF, BMP, HEIC, AVIF); "
            "convert it to one of them, or try another copy of it."
        )
    if error.errno is not None:
        return PhotoError(f"{name} cannot be read ({error.strerror}); check that you may open it.")
    log.info("%s could not be opened", ascii(name), exc_info=error)
    return PhotoError(f"{name} is damaged or cut short; try another copy of it.")
