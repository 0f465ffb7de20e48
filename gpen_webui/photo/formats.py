"""The formats of photos, and the suffixes that they go by."""

from __future__ import annotations

from pathlib import Path

SUFFIX_OF = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "bmp": (".bmp",),
    "heif": (".heic", ".heif", ".hif"),
    "avif": (".avif",),
}


def suffix_for(name: str, format: str) -> str:
    """The name's own suffix where it is one of the format, or else the format's.

    A photo can be called holiday.html: its result must not lie on a disk as a web page.
    """
    suffix = Path(name).suffix
    return suffix if suffix.lower() in SUFFIX_OF[format] else SUFFIX_OF[format][0]
