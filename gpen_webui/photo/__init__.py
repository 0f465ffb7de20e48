"""Open and save photos.

What comes in, whatever it is, becomes RGB in 8 bits, upright (decode.py, in a process of its
own: guard.py); what cannot be kept is said in a warning. What goes out has the input's
profile, metadata, transparency and greyness.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gpen_webui.photo.decode import PhotoError, on_white
from gpen_webui.photo.guard import shared_guard

__all__ = ["Photo", "PhotoError", "encode_photo", "open_photo", "suffix_for", "thumbnail"]

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
XMP_TAG = 700  # of TIFF
SUBSAMPLING_BELOW = 90  # JPEG quality from which on colour keeps its full resolution


@dataclass(frozen=True, eq=False)
class Photo:
    """A whole picture, upright.

    pixels: (H,W,3) uint8 RGB. alpha: (H,W) uint8 or None. grey: the file had no colour, and
    its result will have none. format: jpeg, png, webp, tiff, bmp, heif or avif. icc, exif: as
    in the file, with the orientation reset. xmp: what describes the picture. dpi: dots per inch,
    across and down. name: what messages call it.
    """

    pixels: np.ndarray
    name: str
    format: str
    alpha: np.ndarray | None = None
    grey: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()


def open_photo(path: Path, *, name: str | None = None, max_megapixels: int = 100) -> Photo:
    """Open a photo file; its content decides what it is, not its suffix.

    Raises PhotoError, naming the file and the remedy, for whatever is no whole photo.
    """
    name = name or path.name
    answer = shared_guard.ask(path, name, max_megapixels)
    height, width = answer.fields["size"]
    blocks = {block: answer.parts.get(block) for block in ("icc", "exif", "xmp")}
    dpi = answer.fields["dpi"]
    alpha = answer.parts.get("alpha")
    return Photo(
        pixels=answer.parts["pixels"].reshape(height, width, 3),
        name=name,
        format=answer.fields["format"],
        alpha=None if alpha is None else alpha.reshape(height, width),
        grey=answer.fields["grey"],
        **{name: None if data is None else data.tobytes() for name, data in blocks.items()},
        dpi=None if dpi is None else tuple(dpi),
        warnings=tuple(answer.fields["warnings"]),
    )


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


def suffix_for(name: str, format: str) -> str:
    """The name's own suffix where it is one of the format, or else the format's.

    A photo can be called holiday.html: its result must not lie on a disk as a web page.
    """
    suffix = Path(name).suffix
    return suffix if suffix.lower() in SUFFIX_OF[format] else SUFFIX_OF[format][0]


def thumbnail(path: Path, side: int, *, max_megapixels: int = 100) -> bytes:
    """A JPEG of a photo file, upright, its longer side at most `side` pixels, no metadata.

    Raises PhotoError as `open_photo` does.
    """
    return shared_guard.ask(path, path.name, max_megapixels, side=side).parts["jpeg"].tobytes()


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
