"""The file of a restored photo.

It has the profile, metadata, transparency and greyness of the photo that came in.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gpen_webui.photo.decode import on_white
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.formats import suffix_for
from gpen_webui.photo.photo import Photo

WITHOUT_ALPHA = ("jpeg", "bmp")
XMP_TAG = 700  # of TIFF
SUBSAMPLING_BELOW = 90  # JPEG quality from which on colour keeps its full resolution


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
    options: dict[str, object] = {
        "icc_profile": photo.icc,
        "exif": photo.exif,
        "xmp": photo.xmp,
        "dpi": photo.dpi,
    }
    if target == "bmp":
        options = {"dpi": photo.dpi}
    elif target == "jpeg":
        subsampling = 0 if quality >= SUBSAMPLING_BELOW else 2
        options |= {"quality": quality, "subsampling": subsampling, "optimize": True}
    elif target in ("webp", "heif", "avif"):
        options |= {"quality": quality}
        image = image.convert("RGB") if image.mode == "L" else image
        image = image.convert("RGBA") if image.mode == "LA" else image
    elif target == "tiff":
        # libtiff, which compresses, cannot write the blocks that EXIF has inside it.
        options |= {"compression": "raw" if photo.exif else "tiff_deflate"}
        if photo.xmp:
            options["exif"] = _exif_around(photo.xmp, photo.exif)
    elif target == "png":
        options |= {"compress_level": 4}
        if photo.xmp:
            options["pnginfo"] = _png_text(photo.xmp)
    options = {key: value for key, value in options.items() if value is not None}
    buffer = io.BytesIO()
    try:
        image.save(buffer, target, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise PhotoError(
            f"{photo.name} cannot be saved as {target.upper()} ({error}); choose another format."
        ) from error
    return buffer.getvalue(), suffix_for(photo.name, target)


def _to_image(photo: Photo, pixels: np.ndarray, keep_alpha: bool) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if photo.grey:
        image = image.convert("L")
    if photo.alpha is None:
        return image
    alpha = Image.fromarray(photo.alpha).resize(image.size)
    image.putalpha(alpha)
    return image if keep_alpha else on_white(image)


def _exif_around(xmp: bytes, exif: bytes | None) -> Image.Exif:
    """TIFF has XMP as one of its tags."""
    tags = Image.Exif()
    tags.load(exif or b"")
    tags[XMP_TAG] = xmp
    return tags


def _png_text(xmp: bytes) -> PngInfo:
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return text
