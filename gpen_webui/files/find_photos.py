"""Which photos a list of paths means: files as given, folders walked with their tree."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from gpen_webui.errors import UserError
from gpen_webui.files.names import free_name

# In a folder, only files that look like photos are taken; a file named outright always is.
PHOTO_SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".tif",
        ".tiff",
        ".bmp",
        ".heic",
        ".heif",
        ".avif",
    )
)


class NothingToRestoreError(UserError):
    """The paths given hold no photo."""


@dataclass(frozen=True)
class FoundPhoto:
    """A photo file, and the relative name under which its result will be kept."""

    source: Path
    name: PurePath


def find_photos(
    paths: Sequence[Path], exclude: Path | None = None
) -> tuple[list[FoundPhoto], list[Path]]:
    """All photos that `paths` mean, sorted within each folder, and the other files met.

    With one folder, names are relative to it; with several paths each folder's own name
    stands in front; a name that is taken gets " (2)". No photo is listed twice. exclude: a
    folder to leave out (where results go). Hidden files are left out. Raises
    NothingToRestoreError where a path does not exist or holds no photo.
    """
    found: dict[Path, FoundPhoto] = {}
    others: list[Path] = []
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise NothingToRestoreError(f"{path} does not exist; check the path.")
        if path.is_dir():
            prefix = PurePath() if len(paths) == 1 else PurePath(path.resolve().name)
            for file in _walk(path, exclude and exclude.resolve()):
                if file.suffix.lower() not in PHOTO_SUFFIXES:
                    others.append(file)
                    continue
                photo = FoundPhoto(file, prefix / file.relative_to(path))
                found.setdefault(file.absolute(), photo)
        else:
            found.setdefault(path.absolute(), FoundPhoto(path, PurePath(path.name)))
    if not found:
        folders = ", ".join(str(path) for path in paths)
        raise NothingToRestoreError(f"There is no photo in {folders}; name a photo or its folder.")
    return _with_names_of_their_own(found.values()), others


def _with_names_of_their_own(photos: Iterable[FoundPhoto]) -> list[FoundPhoto]:
    taken: set[str] = set()
    named = []
    for photo in photos:
        name = free_name(PurePosixPath(photo.name), taken)
        taken.add(str(name).casefold())
        named.append(FoundPhoto(photo.source, PurePath(name)))
    return named


def _walk(folder: Path, exclude: Path | None) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (Path(parent) / name).resolve() != exclude
        )
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(parent) / name
