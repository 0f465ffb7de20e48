"""The file of a restored photo.

It has the colours, metadata, transparency and greyness of the photo that came in, and is packed
as that was. What its format cannot hold is said by `losses`.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from gpen_webui.photo import exif, icc, subject
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.formats import suffix_for
from gpen_webui.photo.jpeg_file import (
    APP13,
    DESCRIBING_RESOURCES,
    IPTC_RESOURCE,
    PHOTOSHOP,
    describing_resources,
    iptc_of_resources,
)
from gpen_webui.photo.packing import (
    avif_options,
    heif_options,
    jpeg_options,
    jpeg_strips,
    on_white,
    stays_jpeg,
    tiff_growth,
    tiff_options,
    webp_options,
)
from gpen_webui.photo.photo import Photo
from gpen_webui.photo.png_file import (
    comment_text,
    profile_text,
    text_of,
    unpacked,
)
from gpen_webui.photo.tiff_file import IPTC, XMP, JpegStrips, around_pixels
from gpen_webui.photo.tiff_file import PHOTOSHOP as PHOTOSHOP_TAG

WITHOUT_ALPHA = ("jpeg", "bmp")
WITHOUT_GREY = ("webp",)
WITHOUT_RESOLUTION = ("webp", "heif", "avif")  # but in EXIF
INCHES = 2  # unit of EXIF's resolution
SEGMENT = 65_533  # bytes of a JPEG's segment
MOST_IN_JPEG = {  # bytes of a block beside what stands in front of it
    "exif": SEGMENT - len(exif.PREFIX),
    "xmp": SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\0"),
    "photoshop": SEGMENT - len(PHOTOSHOP),
    "comment": SEGMENT,
}
BYTES, UNDEFINED = 1, 7  # types of TIFF
OTHER_RESOURCES = DESCRIBING_RESOURCES - {IPTC_RESOURCE}  # a TIFF has a tag for IPTC
WORDS = {"jpeg": "JPEG", "png": "PNG", "webp": "WebP", "tiff": "TIFF", "bmp": "BMP",
         "heif": "HEIC", "avif": "AVIF"}  # fmt: skip


def encode_photo(
    photo: Photo, pixels: np.ndarray, format: str = "same", quality: int = 92
) -> tuple[bytes, str]:
    """The file of a restored photo, and its suffix.

    pixels: (H,W,3) uint8 RGB, of any size. format: same, png, jpeg or webp. With the same
    format the file's own suffix is kept. JPEG and BMP show transparency as white.
    Raises PhotoError where the format cannot hold the picture.
    """
    target, jpeg = _target(photo, format), None
    image = _to_image(photo, pixels, target)
    size = image.size
    photo = _with_subject_at_scale(photo, size)
    too_large: dict[str, Any] = dict.fromkeys(_too_large(photo, target))
    photo = replace(photo, **too_large)
    options: dict[str, object] = {"icc_profile": _profile(photo, image), "dpi": photo.dpi}
    if target != "tiff":
        options |= {"exif": _exif(photo, image, target), "xmp": photo.xmp}
    if target == "bmp":
        options = {"dpi": photo.dpi}
    elif target == "jpeg":
        options |= jpeg_options(photo.coding, image, quality) | {"comment": _comment(photo)}
    elif target == "webp":
        options |= webp_options(photo.coding, quality)
    elif target == "avif":
        options |= avif_options(quality)
    elif target == "heif":
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False)
        options |= heif_options(quality)
    elif target == "tiff":
        if stays_jpeg(photo.coding, image.mode):
            jpeg = jpeg_strips(photo.coding, image, quality)
            image = image.crop((0, 0, 1, 1))  # what its tags are taken from
        options |= tiff_options(photo.coding)
    elif target == "png":
        options |= {"compress_level": 4, "pnginfo": _png_chunks(photo)}
        if photo.png_colour:
            options["icc_profile"] = None
    options = {key: value for key, value in options.items() if value is not None}
    buffer = io.BytesIO()
    try:
        image.save(buffer, target, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise PhotoError(
            f"{photo.name} cannot be saved as {target.upper()} ({error}); choose another format."
        ) from error
    data = buffer.getvalue()
    if target == "tiff":
        data = _with_tags(photo, data, size, jpeg)
    elif target == "jpeg" and photo.photoshop:
        data = _with_photoshop(data, photo.photoshop)
    return data, suffix_for(photo.name, target)


def losses(photo: Photo, format: str = "same") -> list[str]:
    """What the format of the result cannot hold, in sentences."""
    target = _target(photo, format)
    missing = []
    if photo.photoshop and target not in ("jpeg", "png", "tiff"):
        missing.append("IPTC captions and keywords")
    if photo.comment and target not in ("jpeg", "png"):
        missing.append("the comment")
    if photo.texts and target != "png":
        names = [
            content.partition(b"\0")[0].decode("latin-1") for _, content in unpacked(photo.texts)
        ]
        if target == "jpeg" and _comment(photo) is not None:
            names = [name for name in names if name != "Comment"]
        if names:
            missing.append(f"the texts {', '.join(dict.fromkeys(names))}")
    if photo.alpha is not None and target in WITHOUT_ALPHA:
        missing.append("transparency, which becomes white")
    words = {"exif": "so much EXIF data", "xmp": "so much XMP data"}
    words |= {"photoshop": "so much IPTC data", "comment": "so long a comment"}
    missing += [words[block] for block in _too_large(photo, target)]
    if target == "bmp":
        blocks = {"EXIF data": photo.exif, "XMP data": photo.xmp, "the colour profile": photo.icc}
        missing += [name for name, block in blocks.items() if block]
    words_of_loss = [f"{photo.name}: {WORDS[target]} cannot hold {what}." for what in missing]
    if target == "tiff" and (growth := tiff_growth(photo.coding, _mode(photo, target))):
        words_of_loss.append(f"{photo.name} {growth}.")
    return words_of_loss


def is_lossy(photo: Photo, format: str = "same") -> bool:
    """Whether pixels that nobody changed come out a little different too."""
    target = _target(photo, format)
    if target == "tiff":
        return stays_jpeg(photo.coding, _mode(photo, target))
    return target in ("jpeg", "heif", "avif") or (
        target == "webp" and not photo.coding.get("lossless")
    )


def _target(photo: Photo, format: str) -> str:
    return photo.format if format == "same" else format


def _mode(photo: Photo, target: str) -> str:
    """The result's, as Pillow calls it."""
    is_grey = photo.grey and target not in WITHOUT_GREY and not _needs_colour(photo, target)
    has_alpha = photo.alpha is not None and target not in WITHOUT_ALPHA
    return ("L" if is_grey else "RGB") + ("A" if has_alpha else "")


def _to_image(photo: Photo, pixels: np.ndarray, target: str) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if _mode(photo, target).startswith("L"):
        image = image.convert("L")
    if photo.alpha is None:
        return image
    alpha = Image.fromarray(photo.alpha).resize(image.size)
    image.putalpha(alpha)
    return on_white(image) if target in WITHOUT_ALPHA else image


def _needs_colour(photo: Photo, target: str) -> bool:
    """HEIC and AVIF hold grey, and transparency, but not both."""
    return photo.alpha is not None and target in ("heif", "avif")


def _with_subject_at_scale(photo: Photo, size: tuple[int, int]) -> Photo:
    """The subject's place counts on the result, which may be larger."""
    if photo.exif is None:
        return photo
    height, width = photo.pixels.shape[:2]
    scale = size[0] / width, size[1] / height
    return replace(photo, exif=subject.moved(photo.exif, (width, height), scale=scale)[0])


def _profile(photo: Photo, image: Image.Image) -> bytes | None:
    """The profile that says the same of samples of this kind."""
    if photo.icc and icc.space_of(photo.icc) == b"GRAY" and image.mode not in ("L", "LA"):
        return icc.rgb_of_grey(photo.icc)
    return photo.icc


def _exif(photo: Photo, image: Image.Image, target: str) -> bytes | None:
    if photo.exif is None:
        return _resolution(photo) if target in WITHOUT_RESOLUTION else None
    # AVIF turns pictures by another way, and Pillow would write the block anew for that tag.
    block = exif.patched(photo.exif, *image.size, keep_orientation=target != "avif")
    if target == "avif":
        try:
            has_tag = ExifTags.Base.Orientation in _loaded(block)
        except Exception:  # what Pillow cannot read, it cannot write
            return None
        return None if has_tag else block
    return exif.PREFIX + block


def _resolution(photo: Photo) -> bytes | None:
    """A block that says nothing but the resolution."""
    if photo.dpi is None:
        return None
    tags = Image.Exif()
    tags[ExifTags.Base.XResolution], tags[ExifTags.Base.YResolution] = photo.dpi
    tags[ExifTags.Base.ResolutionUnit] = INCHES
    return tags.tobytes()


def _loaded(block: bytes) -> Image.Exif:
    tags = Image.Exif()
    tags.load(block)
    return tags


def _comment(photo: Photo) -> bytes | None:
    """The photo's comment, a PNG's text of that name included."""
    if photo.comment:
        return photo.comment
    for kind, content in unpacked(photo.texts):
        if content.startswith(b"Comment\0"):
            text = text_of(kind, content)
            return text.encode() if text and len(text.encode()) <= SEGMENT else None
    return None


def _png_chunks(photo: Photo) -> PngInfo | None:
    chunks = unpacked(photo.png_colour) + unpacked(photo.texts)
    if photo.comment:
        chunks.append(comment_text(photo.comment))
    if photo.photoshop:
        chunks.append(profile_text("iptc", photo.photoshop))
    if not chunks and not photo.xmp:
        return None
    info = PngInfo()
    for kind, content in chunks:
        info.add(kind, content, after_idat=False)
    if photo.xmp:
        info.add_itxt("XML:com.adobe.xmp", photo.xmp.decode())
    return info


def _with_tags(photo: Photo, data: bytes, size: tuple[int, int], jpeg: JpegStrips | None) -> bytes:
    more = {}
    if photo.xmp:
        more[XMP] = (BYTES, photo.xmp)
    if photo.photoshop:
        if iptc := iptc_of_resources(photo.photoshop):
            more[IPTC] = (UNDEFINED, iptc)
        if others := describing_resources(photo.photoshop, OTHER_RESOURCES):
            more[PHOTOSHOP_TAG] = (BYTES, others)
    block = None if photo.exif is None else exif.patched(photo.exif, *size)
    return around_pixels(data, block, more, jpeg)


def _with_photoshop(data: bytes, resources: bytes) -> bytes:
    """Behind the segments APP0 to APP2, where other programs look for it."""
    at = 2
    while data[at] == 0xFF and 0xE0 <= data[at + 1] <= 0xE2:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    content = PHOTOSHOP + resources
    segment = bytes((0xFF, APP13)) + (len(content) + 2).to_bytes(2, "big") + content
    return data[:at] + segment + data[at:]


def _too_large(photo: Photo, target: str) -> list[str]:
    """The blocks that do not fit into a JPEG."""
    if target != "jpeg":
        return []
    return [
        block for block, most in MOST_IN_JPEG.items() if len(getattr(photo, block) or b"") > most
    ]
