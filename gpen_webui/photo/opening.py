"""A photo file, opened: Pillow's picture and what Pillow does not tell of the file around it."""

from __future__ import annotations

import io
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.formats import RAW_SUFFIXES, READABLE_NAMES
from gpen_webui.photo.heif_file import HeifFile
from gpen_webui.photo.jpeg_file import END, JpegFile
from gpen_webui.photo.limits import MAX_SCANS, check_packing, check_scans, check_size
from gpen_webui.photo.metadata import Container
from gpen_webui.photo.png_file import PngFile
from gpen_webui.photo.tiff_file import TiffTags, as_classic
from gpen_webui.photo.webp_file import WebpFile

log = logging.getLogger(__name__)

# The limit is ours, on the declared size, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "GIF")  # MPO opens as JPEG
JPEG_START = b"\xff\xd8\xff"
RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM",
              b"II\x1a\0\0\0HEAPCCDR")  # fmt: skip
FILE_TYPE = b"ftyp"  # at byte 4 of HEIF, AVIF and some raw files
CANON_RAW = FILE_TYPE + b"crx "
FILLING = 4096  # bytes

OnSize = Callable[[int], None]


@contextmanager
def opened(
    path: Path, name: str, max_megapixels: int, on_size: OnSize
) -> Iterator[tuple[Image.Image, Container, list[str]]]:
    """The picture, not decoded yet but known to be harmless; its file; and warnings.

    on_size: told the number of pixels as soon as it is known, before they are decoded.
    Raises PhotoError and whatever decoders raise.
    """
    with path.open("rb") as file:
        start = file.read(len(JPEG_START))
    jpeg, warnings = None, []
    if start == JPEG_START:
        jpeg = JpegFile.read(path.read_bytes(), MAX_SCANS)
        check_scans(jpeg.scans, name)
    webp = WebpFile.read(path)
    if webp:  # Pillow makes room for the whole picture before it tells the size
        check_size(webp.size, name, max_megapixels)
        on_size(webp.size[0] * webp.size[1])
    # Not by its path: Pillow would map the file into memory, and read turned TIFFs wrongly.
    classic = as_classic(path)
    content: BinaryIO = io.BytesIO(classic) if classic else path.open("rb")
    with content, _pillow_open(content, name, path) as image:
        check_again = _checker(image, path, name, max_megapixels)
        check_again()
        on_size(image.width * image.height)
        container = _container(image, path, jpeg)
        if container.tiff and container.tiff.holds_sensor_data():
            raise raw_error(name)
        if jpeg and jpeg.end is None and jpeg.scans:
            warnings.append(f"{name} lacks its last two bytes; every pixel is there.")
            with Image.open(_mended(jpeg, name), formats=["JPEG"]) as whole:
                yield whole, container, warnings
        else:
            yield image, container, warnings
        image.close()  # gives its pixels back, which leaving the block does not


def load(image: Image.Image, path: Path, name: str, max_megapixels: int) -> None:
    """Decode the picture. Raises PhotoError where it turns out to be larger than it said."""
    image.load()
    _checker(image, path, name, max_megapixels)()


def deep_samples(path: Path, format: str | None) -> np.ndarray | None:
    """(H,W,3) uint16 RGB of a HEIC or AVIF file, with all its bits, of which Pillow keeps 8.

    None where they cannot be had; turned as Pillow's picture is.
    """
    import cv2  # not needed for other photos

    try:
        if format == "AVIF":
            encoded = np.frombuffer(path.read_bytes(), np.uint8)
            found = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
            samples = None if found is None or found.ndim != 3 else found[:, :, 2::-1]
        elif format == "HEIF":
            import pillow_heif

            file = pillow_heif.open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=False)
            samples = np.asarray(file)[:, :, :3]
        else:
            return None
    except (cv2.error, OSError, ValueError, RuntimeError, MemoryError) as error:
        log.info("more than 8 bits could not be read", exc_info=error)
        return None
    return samples if samples is not None and samples.dtype == np.uint16 else None


def raw_error(name: str) -> PhotoError:
    """What is said of a camera's raw file."""
    return PhotoError(
        f"{name} is a camera raw file, which has no finished picture; export it as JPEG or TIFF "
        "from a raw converter (such as darktable or the camera maker's), then restore that."
    )


@contextmanager
def explaining(path: Path, name: str) -> Iterator[None]:
    """Whatever damaged files make decoders raise, as one sentence."""
    try:
        yield
    except (PhotoError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        if path.stat().st_size == 0:
            raise PhotoError(f"{name} is empty (0 bytes); try another copy of it.") from error
        with path.open("rb") as file:
            is_heif = file.read(12)[4:8] == FILE_TYPE
        if is_heif:
            raise PhotoError(
                f"{name} is no photo, or one in HEIF that is damaged or packed in a way that "
                "cannot be read here; save it anew in another program, or try another copy of it."
            ) from error
        raise PhotoError(
            f"{name} is not a photo in a known format ({READABLE_NAMES}); "
            "convert it to one of them, or try another copy of it."
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise PhotoError(
                f"{name} cannot be read ({error.strerror}); check that you may open it."
            ) from error
        log.info("%s could not be opened", ascii(name), exc_info=error)
        if _is_unknown(error):
            raise _unknown_error(name) from error
        raise PhotoError(f"{name} is damaged or cut short; try another copy of it.") from error
    except Exception as error:
        log.info("%s could not be opened", ascii(name), exc_info=error)
        if _is_unknown(error):
            raise _unknown_error(name) from error
        raise PhotoError(
            f"{name} is damaged and cannot be read; try another copy of it."
        ) from error


def _is_unknown(error: Exception) -> bool:
    """Whether the file may be whole, but no decoder here knows how it is packed."""
    return any(words in str(error).lower() for words in ("unsupported", "not implemented"))


def _unknown_error(name: str) -> PhotoError:
    return PhotoError(
        f"{name} is packed in a way that cannot be read here; save it anew in another program, as "
        "JPEG, PNG or TIFF, and restore that."
    )


def _formats_of(head: bytes) -> tuple[str, ...]:
    """Those in which a file that begins so may be; the decoders of HEIF, which take time to load
    and 3 MB, are loaded for no other."""
    if head[4:8] != FILE_TYPE:
        return PILLOW_FORMATS
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
    return ("HEIF", *PILLOW_FORMATS)


def _pillow_open(file: BinaryIO, name: str, path: Path) -> Image.Image:
    head = file.read(32)
    file.seek(0)
    if head.startswith(RAW_STARTS) or head[4:12] == CANON_RAW:
        raise raw_error(name)
    try:
        return Image.open(file, formats=_formats_of(head))
    except UnidentifiedImageError as error:
        if Path(name).suffix.lower() in RAW_SUFFIXES and path.stat().st_size:
            raise raw_error(name) from error
        raise


def _checker(image: Image.Image, path: Path, name: str, max_megapixels: int) -> Callable[[], None]:
    format, mode = image.format or "", image.mode

    def check() -> None:
        check_size(image.size, name, max_megapixels)
        check_packing(image.size, format, mode, path, name)

    return check


def _container(image: Image.Image, path: Path, jpeg: JpegFile | None) -> Container:
    match image.format:
        case "JPEG" | "MPO":
            return Container(jpeg=jpeg)
        case "PNG":
            png = PngFile.read(path)
            return Container(png=png, xmp=png.xmp)
        case "GIF":
            return Container(xmp=_xmp_of_gif(path))
        case "HEIF" | "AVIF":
            return Container(heif=HeifFile.read(path))
        case "TIFF":
            try:
                return Container(tiff=TiffTags(path))
            except ValueError as error:
                log.info("the tags of a TIFF cannot be read", exc_info=error)
    return Container()


def _xmp_of_gif(path: Path) -> bytes | None:
    """Its bytes lie in the file as they are, and a row of numbers behind them."""
    _, mark, rest = path.read_bytes().partition(b"XMP DataXMP")
    content, end, _ = rest.partition(b"\x01\xff\xfe\xfd")
    return content if mark and end else None


def _mended(jpeg: JpegFile, name: str) -> io.BytesIO:
    """A JPEG with the end marker that it lacks. Raises PhotoError where it lacks more.

    The pixels are all there if they do not change with what follows them.
    """
    data = jpeg.data
    if data.endswith(b"\0\0\0"):  # what is left of a file that could not be recovered
        data = data.rstrip(b"\0")
    if data.endswith(b"\xff"):
        data = data[:-1]
    noise = (random.Random(seed).randbytes(FILLING).replace(b"\xff", b"\x7f") for seed in (1, 2))
    one, other = (
        Image.open(io.BytesIO(data + filling + END), formats=["JPEG"]) for filling in noise
    )
    if not jpeg.has_all_scans() or one.tobytes() != other.tobytes():
        raise PhotoError(f"{name} is damaged or cut short; try another copy of it.")
    return io.BytesIO(data + END)
