"""Which files are refused before they are decoded: too large, or made to take long."""

from __future__ import annotations

from pathlib import Path

from gpen_webui.photo.errors import PhotoError

MAX_SIDE = 65_500  # what JPEG can hold
LONGEST_SIDES = {"webp": 16_383, "heif": 32_768, "avif": 32_768}  # of results
# Each scan of a JPEG is a pass over the whole picture; the usual progressive one has ten.
MAX_SCANS = 100
# From so many pixels on, no photo is packed better than into so many bits per pixel; a file
# that claims more is a bomb. Enlarged and blurred photos need 0.05 as WebP, 0.03 as AVIF and
# HEIC; a page of handwriting in black and white, 0.003. Deflate cannot go below 0.001.
LARGE = 25_000_000
MIN_BITS_PER_PIXEL = {"WEBP": 0.005, "AVIF": 0.003, "HEIF": 0.003}
MIN_BITS_IN_BLACK_AND_WHITE = 0.0012
MIN_BITS_OTHERWISE = 0.1


def longest_side(format: str) -> int:
    """The longest side, in pixels, that a result of this format may have."""
    return LONGEST_SIDES.get(format, MAX_SIDE)


def check_size(size: tuple[int, int], name: str, max_megapixels: int) -> None:
    """Raises PhotoError where the picture is too large."""
    width, height = size
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


def check_packing(size: tuple[int, int], format: str, mode: str, path: Path, name: str) -> None:
    """format, mode: as Pillow calls them. Raises PhotoError where no photo is packed so well."""
    width, height = size
    least = MIN_BITS_PER_PIXEL.get(format, MIN_BITS_OTHERWISE)
    if mode == "1":
        least = MIN_BITS_IN_BLACK_AND_WHITE
    if width * height > LARGE and path.stat().st_size * 8 < least * width * height:
        raise PhotoError(
            f"{name} claims {width} x {height} pixels in {path.stat().st_size / 1000:.0f} kB, "
            "which no photo does; open it in another program and save it anew."
        )


def check_scans(scans: int, name: str) -> None:
    """Raises PhotoError for a JPEG of too many scans."""
    if scans > MAX_SCANS:
        raise PhotoError(
            f"{name} is a JPEG of more than {MAX_SCANS} scans, made to take long; "
            "open it in another program and save it anew."
        )
