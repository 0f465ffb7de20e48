"""The formats of photos: the one table of what they are called, by suffix and media type."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Format:
    """A kind of file that can be opened.

    suffixes: the usual one first. media_types: of each suffix, the first is the usual one; a
    single one holds for all. saved_as: the format of its results, where that is another.
    """

    suffixes: tuple[str, ...]
    media_types: tuple[str, ...]
    saved_as: str | None = None


FORMATS = {
    "jpeg": Format((".jpg", ".jpeg", ".jpe", ".jfif"), ("image/jpeg",)),
    "png": Format((".png",), ("image/png",)),
    "webp": Format((".webp",), ("image/webp",)),
    "tiff": Format((".tif", ".tiff"), ("image/tiff",)),
    "bmp": Format((".bmp",), ("image/bmp",)),
    "heif": Format((".heic", ".heif", ".hif"), ("image/heic", "image/heif", "image/heif")),
    "avif": Format((".avif",), ("image/avif",)),
    "mpo": Format((".mpo",), ("image/jpeg",), saved_as="jpeg"),
    "avifs": Format((".avifs",), ("image/avif",), saved_as="avif"),
    "gif": Format((".gif",), ("image/gif",), saved_as="png"),
}
SUFFIX_OF = {name: format.suffixes for name, format in FORMATS.items()}
PHOTO_SUFFIXES = frozenset(suffix for suffixes in SUFFIX_OF.values() for suffix in suffixes)
MEDIA_TYPE_OF = {
    suffix: format.media_types[min(number, len(format.media_types) - 1)]
    for format in FORMATS.values()
    for number, suffix in enumerate(format.suffixes)
}
MEDIA_TYPES = tuple(dict.fromkeys(MEDIA_TYPE_OF.values()))
UNKNOWN_TYPE = "application/octet-stream"
READABLE_NAMES = "JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC, AVIF"
RAW_SUFFIXES = frozenset(
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .gpr .iiq .k25 .kdc .mef .mos .mrw .nef .nrw .orf "
    ".pef .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)


def saved_as(format: str) -> str:
    """The format of the results of files of a format."""
    return FORMATS[format].saved_as or format


def mime_type(suffix: str) -> str:
    """What a file with this suffix is sent as; never anything that a browser runs."""
    return MEDIA_TYPE_OF.get(suffix.lower(), UNKNOWN_TYPE)


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
