"""The formats of photos, and the suffixes that they go by."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

SUFFIX_OF = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "bmp": (".bmp",),
    "heif": (".heic", ".heif", ".hif"),
    "avif": (".avif",),
}
MIME_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
    "heif": "image/heic",
    "avif": "image/avif",
}
UNKNOWN_TYPE = "application/octet-stream"
PHOTO_SUFFIXES = frozenset(suffix for suffixes in SUFFIX_OF.values() for suffix in suffixes)


def mime_type(suffix: str) -> str:
    """What a file with this suffix is sent as; never anything that a browser runs."""
    for format, suffixes in SUFFIX_OF.items():
        if suffix.lower() in suffixes:
            return MIME_TYPES[format]
    return UNKNOWN_TYPE


def suffix_for(name: str, format: str) -> str:
    """The name's own suffix where it is one of the format, or else the format's.

    A photo can be called holiday.html: its result must not lie on a disk as a web page.
    """
    suffix = Path(name).suffix
    return suffix if suffix.lower() in SUFFIX_OF[format] else SUFFIX_OF[format][0]


def with_photo_suffix(path: PurePosixPath, suffix: str) -> PurePosixPath:
    """The path with this suffix instead of that of another photo format; else it is appended.

    So `St. Anna` and `1.5.1998`, which have none, keep all their dots.
    """
    if path.suffix.lower() == suffix.lower():
        return path
    stem = path.stem if path.suffix.lower() in PHOTO_SUFFIXES else path.name
    return path.with_name(stem + suffix)


def result_name(path: PurePosixPath, format: str) -> PurePosixPath:
    """What a photo's result is called where `format` (as in RestoreOptions) is asked for."""
    return path if format == "same" else with_photo_suffix(path, suffix_for(path.name, format))
