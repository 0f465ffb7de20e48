"""XMP files beside photos, where programs keep captions and ratings: IMG.xmp and IMG.jpg.xmp
belong to IMG.jpg."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gpen_webui.files.names import split_suffix
from gpen_webui.files.originals import MissingOriginalError, Original, OriginalError, open_original

SUFFIX = ".xmp"
SPELLINGS = (".xmp", ".XMP")
MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class Sidecar:
    """An XMP file. has_full_name: it is called after the whole name of its photo."""

    has_full_name: bool
    data: bytes

    def name_beside(self, photo: PurePosixPath) -> PurePosixPath:
        """What it is called beside a photo of this name."""
        return photo.with_name((photo.name if self.has_full_name else _stem(photo.name)) + SUFFIX)


def has_full_name(sidecar: str, photo: str) -> bool | None:
    """How a file of this name belongs to a photo of that; None where it does not.

    Both are paths with slashes, or names alone.
    """
    beside, suffix = os.path.splitext(sidecar)
    if suffix.lower() != SUFFIX:
        return None
    if beside == photo:
        return True
    return False if beside == _stem(photo) else None


def sidecars_beside(source: Path | Original) -> tuple[list[Sidecar], list[str]]:
    """The XMP files beside a photo; and in sentences what of them cannot be used.

    Beside an `Original` no link is followed.
    """
    path = source if isinstance(source, Path) else source.path
    found: list[Sidecar] = []
    refused = []
    for spelling in SPELLINGS:
        for full, beside in (
            (False, path.with_name(_stem(path.name) + spelling)),
            (True, path.with_name(path.name + spelling)),
        ):
            try:
                data = _content(source, beside)
            except (OSError, OriginalError):
                refused.append(f"{beside.name} is too large or may not be read; it is left out.")
                continue
            sidecar = None if data is None else Sidecar(full, data)
            if sidecar and sidecar not in found:  # where case does not count both are one
                found.append(sidecar)
    return found, refused


def _stem(name: str) -> str:
    return split_suffix(name)[0]


def _content(source: Path | Original, beside: Path) -> bytes | None:
    """None where there is no such file. Raises OSError, OriginalError."""
    if isinstance(source, Original):
        try:
            with open_original(beside, beside.name, MOST_BYTES) as held:
                return held.read_bytes()
        except MissingOriginalError:
            return None
    if not os.path.isfile(beside):  # also where its name would be too long
        return None
    if beside.stat().st_size > MOST_BYTES:
        raise OSError("too large")
    return beside.read_bytes()
