"""What a photo file says about its picture, and what of it goes with the result.

EXIF goes byte for byte, IPTC, comments and PNG's texts whole; of XMP goes what describes the
picture. What lies in the file beside its picture is named, because it cannot go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from PIL import Image

from gpen_webui.photo import exif, subject, xmp
from gpen_webui.photo.jpeg_file import (
    APP0,
    APP1,
    APP2,
    APP11,
    APP12,
    APP13,
    PHOTOSHOP,
    JpegFile,
    describing_resources,
    iptc_of_resources,
    resource_of_iptc,
)
from gpen_webui.photo.png_file import PngFile, packed
from gpen_webui.photo.tiff_file import IPTC, TiffTags
from gpen_webui.photo.tiff_file import PHOTOSHOP as PHOTOSHOP_TAG

if TYPE_CHECKING:
    from gpen_webui.photo.heif_file import HeifFile

log = logging.getLogger(__name__)

MOST_BYTES = 2_000_000  # of a block of metadata
MOST_DPI = 65_535  # of JPEG
MOST_FILLING = 4_096  # bytes behind a JPEG's picture of which nothing is said
USED_SEGMENTS = {APP0, APP1, APP2, APP12, 0xED, 0xEE}  # those that tell how a JPEG is coded too


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What goes with the result, block by block.

    exif: as in the file, byte for byte, without its prefix. xmp: what describes the picture.
    photoshop: IPTC, as Photoshop's resources. comment: UTF-8 as a rule. texts, png_colour:
    chunks of a PNG, as png_file.packed has them; png_colour says the same as a profile. dpi:
    dots per inch, across and down.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    photoshop: bytes | None = None
    comment: bytes | None = None
    texts: bytes | None = None
    png_colour: bytes | None = None
    dpi: tuple[float, float] | None = None


BLOCKS = tuple(field.name for field in fields(Metadata) if field.name != "dpi")


@dataclass(frozen=True)
class Container:
    """The file around a picture, read for what Pillow does not tell; by its format one of these.

    xmp: where Pillow does not find it.
    """

    jpeg: JpegFile | None = None
    png: PngFile | None = None
    heif: HeifFile | None = None
    tiff: TiffTags | None = None
    xmp: bytes | None = None


def read_metadata(
    image: Image.Image, container: Container, name: str, orientation: int
) -> tuple[Metadata, list[str]]:
    """What goes with the result, and in sentences what cannot.

    orientation: the picture's in the file. Broken metadata never costs the photo.
    """
    losses: list[str] = []
    png = container.png
    blocks = {
        "exif": _exif(image, container, name, orientation, losses),
        "xmp": _xmp(image, container, name, orientation, losses),
        "photoshop": _photoshop(container, name, losses),
        "comment": _comment(image, container),
    }
    too_large = [block for block, data in blocks.items() if len(data or b"") > MOST_BYTES]
    blocks |= dict.fromkeys(too_large)
    if too_large or (png and png.too_much_text) or (container.tiff and container.tiff.too_large):
        losses.append(f"{name} has more metadata than a photo can carry; part is left out.")
    if png:
        blocks["texts"] = packed(png.texts) or None
        blocks["png_colour"] = packed(list(png.colour.items())) or None
    if besides := _besides(image, container):
        losses.append(f"{name} also holds what the result cannot: {', '.join(besides)}.")
    block = blocks["exif"] or b""
    if container.tiff and exif.value_of(block, exif.MAKER_NOTE, directory=exif.EXIF):
        losses.append(
            f"{name} has a maker's note, which has moved in the result; not all of it may be read."
        )
    if exif.belongs_to_live_photo(block):
        losses.append(f"{name} belongs to a Live Photo; its video stays with the original.")
    return Metadata(**blocks, dpi=_resolution(image)), losses


def lost_subject(name: str) -> str:
    """That the place of the subject is not in the result."""
    return (
        f"{name} names a subject in its EXIF data that is outside the picture; its place is left "
        "out."
    )


def exif_of(image: Image.Image, container: Container) -> bytes | None:
    """The EXIF block as it lies in the file, whole or not."""
    if container.tiff:
        return container.tiff.exif_block()
    if container.png:
        profiles = container.png.profiles
        return container.png.exif or profiles.get("exif") or profiles.get("APP1")
    if container.heif and container.heif.exif:
        return container.heif.exif
    return image.info.get("exif")


def _exif(
    image: Image.Image, container: Container, name: str, orientation: int, losses: list[str]
) -> bytes | None:
    try:
        block = exif_of(image, container)
        if not block or not block.removeprefix(exif.PREFIX):
            return None
        block, lost = subject.moved(exif.checked(block), image.size, orientation=orientation)
        if lost:
            losses.append(lost_subject(name))
        return block
    except ValueError as error:
        log.info("broken EXIF left out", exc_info=error)
        losses.append(f"{name} has damaged EXIF data, which is left out.")
        return None


def _xmp(
    image: Image.Image, container: Container, name: str, orientation: int, losses: list[str]
) -> bytes | None:
    block = image.info.get("xmp") or container.xmp
    if not isinstance(block, bytes) or not block.rstrip(b"\0"):
        return None
    try:
        kept, lost_faces = xmp.describing(block, orientation, image.size)
    except Exception as error:  # whatever broken XML makes a parser raise
        log.info("broken XMP left out", exc_info=error)
        losses.append(f"{name} has damaged XMP data, which is left out.")
        return None
    if lost_faces:
        losses.append(f"{name} is turned upright; the places of marked faces are left out.")
    return kept


def _comment(image: Image.Image, container: Container) -> bytes | None:
    if container.jpeg:
        return container.jpeg.comment
    comment = image.info.get("comment") if image.format == "GIF" else None
    return comment if isinstance(comment, bytes) and comment else None


def _photoshop(container: Container, name: str, losses: list[str]) -> bytes | None:
    if container.jpeg:
        return container.jpeg.photoshop
    if container.png and (profile := container.png.photoshop):
        is_bare = profile.startswith(b"\x1c")
        return resource_of_iptc(profile) if is_bare else describing_resources(profile)
    if container.tiff:
        resources = describing_resources(container.tiff.raw(PHOTOSHOP_TAG) or b"") or b""
        iptc = container.tiff.raw(IPTC)
        own = iptc_of_resources(resources)
        if iptc and own is None:
            resources += resource_of_iptc(iptc)
        elif iptc and own and iptc.rstrip(b"\0") != own.rstrip(b"\0"):
            losses.append(f"{name} has two sets of IPTC captions; Photoshop's alone is kept.")
        return resources or None
    return None


def _besides(image: Image.Image, container: Container) -> list[str]:
    """What lies in the file beside the picture, in words."""
    if container.jpeg:
        return _beside_jpeg(container.jpeg)
    if container.heif:
        return container.heif.besides
    if getattr(image, "is_animated", False):
        return ["further pictures"]
    return []


def _beside_jpeg(jpeg: JpegFile) -> list[str]:
    behind = jpeg.behind
    head = b"".join(content for code, content in jpeg.segments if code in (APP1, APP2))
    about = head + behind[:200_000]
    words = []
    if any(mark in about for mark in (b"hdr-gain-map", b"HDRGainMap", b"ts:21496")):
        words.append("gain map (HDR)")
    if any(mark in head for mark in (b"GDepth:", b"depthmap/", b'Semantic="Depth')):
        words.append("depth map")
    if b"ftyp" in behind or b"MotionPhoto_Data" in behind:
        words.append("motion video")
    if b"GAudio:" in head:
        words.append("sound")
    if b"\xff\xd8\xff" in behind and "gain map (HDR)" not in words:
        words.append("second picture")
    if b"http://ns.adobe.com/xmp/extension/\0" in head and "depth map" not in words:
        words.append("extended XMP")
    if jpeg.first(APP1, b"FLIR\0") is not None:
        words.append("thermal data")
    if jpeg.first(APP11, b"JP") is not None:
        words.append("content credentials (C2PA)")
    if jpeg.first(APP0, b"II") is not None or jpeg.first(APP0, b"MM") is not None:
        words.append("maker's data (CIFF)")
    if any(code == APP12 and not content.startswith(b"Ducky") for code, content in jpeg.segments):
        words.append("APP12 data")
    known = (PHOTOSHOP, b"Adobe_CM")  # the latter tells of Photoshop's colour settings alone
    if any(code == APP13 and not content.startswith(known) for code, content in jpeg.segments):
        words.append("APP13 data")
    elsewhere = {
        code
        for code, content in jpeg.segments
        if 0xE0 <= code <= 0xEF and code not in (*USED_SEGMENTS, APP11) and content.strip(b"\0")
    }
    words += [f"APP{code - 0xE0} data" for code in sorted(elsewhere)]
    if behind.rstrip(b"\0").endswith(b"SEFT"):
        words.append("maker's data (Samsung)")
    if not words and len(behind.strip(b"\0\xff")) > MOST_FILLING:
        words.append("data behind the picture")
    return words


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    """Dots per inch across and down, where the file has some that make sense."""
    dpi = tuple(float(along) for along in image.info.get("dpi", ()))
    if len(dpi) != 2 or not all(1 <= along <= MOST_DPI for along in dpi):
        return None
    across, down = dpi
    return across, down
