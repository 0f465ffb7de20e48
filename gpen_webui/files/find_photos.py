"""Which photos a list of paths means: files as given, folders walked with their tree."""

from __future__ import annotations

import fnmatch
import os
from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePath, PurePosixPath

from gpen_webui.errors import UserError
from gpen_webui.files.names import NamePlan
from gpen_webui.files.sidecars import SUFFIX as SIDECAR

# What storage devices, systems and file managers keep in folders for themselves.
SERVICE_NAMES = (
    "@eaDir", "@Recycle*", "@Recently-Snapshot", "#recycle", "#snapshot", "__MACOSX",
    "$RECYCLE.BIN", "System Volume Information", "lost+found", ".thumbnails", ".Trash*", "._*",
)  # fmt: skip


class NothingToRestoreError(UserError):
    """The paths given hold no photo."""


class Why(StrEnum):
    """Why something in a folder is no photo to restore."""

    NOT_A_PHOTO = "not a photo"
    HIDDEN = "hidden"
    SERVICE = "kept by a device or system for itself"
    SEEN = "the same folder as another"
    LINK = "a link to a folder"
    UNREADABLE = "cannot be read"


@dataclass(frozen=True)
class FoundPhoto:
    """A photo file, and the relative name under which its result will be kept."""

    source: Path
    name: PurePath


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is left out. detail: what exactly is wrong, or empty."""

    path: Path
    why: Why
    detail: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {"path": str(self.path), "why": str(self.why), "detail": self.detail}


def find_photos(
    paths: Sequence[Path],
    suffixes: Container[str],
    exclude: Path | None = None,
    follow_links: bool = True,
) -> tuple[list[FoundPhoto], list[LeftOut]]:
    """All photos that `paths` mean, sorted within each folder, and what is left out.

    In a folder, files with one of these suffixes (lower case, with their dot) are photos; a
    file named outright always is one. Links to folders are followed, unless follow_links is
    False, but no folder is walked twice. With one folder, names are relative to it; with
    several paths each folder's own name stands in front; a name that is taken gets " (2)". No
    photo is listed twice. exclude: a folder to leave out (where results go).
    Raises NothingToRestoreError where a path does not exist or holds no photo.
    """
    found: dict[str, FoundPhoto] = {}
    left_out: list[LeftOut] = []
    for path in paths:
        if not os.path.lexists(path):
            raise NothingToRestoreError(f"{path} does not exist; check the path.")
        if path.is_dir():
            walk = _Walk(path, exclude, follow_links)
            prefix = PurePath() if len(paths) == 1 else PurePath(path.resolve().name)
            files = walk.files()
            photos = [file for file in files if file.suffix.lower() in suffixes]
            for file in photos:
                photo = FoundPhoto(file, prefix / file.relative_to(path))
                found.setdefault(_identity(file), photo)
            left_out += _others(files, photos)
            left_out += walk.left_out
        else:
            found.setdefault(_identity(path), FoundPhoto(path, PurePath(path.name)))
    if not found:
        folders = ", ".join(str(path) for path in paths)
        unread = [
            f" {some.path} cannot be read." for some in left_out if some.why is Why.UNREADABLE
        ]
        raise NothingToRestoreError(
            f"There is no photo in {folders}; name a photo or its folder.{''.join(unread)}"
        )
    plan = NamePlan()
    named = [
        FoundPhoto(photo.source, PurePath(plan.take(_as_text(photo.name))))
        for photo in found.values()
    ]
    return named, left_out


def _others(files: Sequence[Path], photos: Sequence[Path]) -> list[LeftOut]:
    """What is neither a photo nor an XMP file that goes with one."""
    names = {str(photo) for photo in photos}
    owners = names | {os.path.splitext(name)[0] for name in names}
    return [
        LeftOut(file, Why.NOT_A_PHOTO)
        for file in files
        if str(file) not in names
        and not (file.suffix.lower() == SIDECAR and os.path.splitext(file)[0] in owners)
    ]


class _Walk:
    """One folder with all that is below it; left_out is complete when files() has ended."""

    def __init__(self, root: Path, exclude: Path | None, follow_links: bool):
        self.left_out: list[LeftOut] = []
        self._exclude = os.path.realpath(exclude) if exclude else None
        self._follow_links = follow_links
        self._seen: set[str] = set()
        self._folders = deque([root])
        self._links: deque[Path] = deque()  # after the folders, so that those keep their names

    def files(self) -> list[Path]:
        """Files that are not hidden."""
        files: list[Path] = []
        while self._folders or self._links:
            folder = self._folders.popleft() if self._folders else self._links.popleft()
            real = os.path.realpath(folder)
            if real in self._seen:
                self._leave_out(folder, Why.SEEN)
            elif real != self._exclude or not self._seen:  # the root itself was asked for
                self._seen.add(real)
                files += self._files_of(folder)
        return files

    def _files_of(self, folder: Path) -> list[Path]:
        files, folders = [], []
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._leave_out(folder, Why.UNREADABLE, error.strerror or str(error))
            return []
        for entry in entries:
            path = folder / entry.name
            if any(fnmatch.fnmatchcase(entry.name, name) for name in SERVICE_NAMES):
                self._leave_out(path, Why.SERVICE)
            elif entry.name.startswith("."):
                self._leave_out(path, Why.HIDDEN)
            elif not _is_folder(entry):
                files.append(path)
            elif not entry.is_symlink():
                folders.append(path)
            elif self._follow_links:
                self._links.append(path)
            else:
                self._leave_out(path, Why.LINK)
        self._folders.extendleft(reversed(folders))
        return files

    def _leave_out(self, path: Path, why: Why, detail: str = "") -> None:
        self.left_out.append(LeftOut(path, why, detail))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle: opening it will tell
        return False


def _as_text(name: PurePath) -> PurePosixPath:
    """A name as its writer meant it, whatever the locale; bytes that are no UTF-8 become marks."""
    return PurePosixPath(os.fsencode(name.as_posix()).decode("utf-8", "replace"))


def _identity(file: Path) -> str:
    """The same for a file that is reached by several ways through folders."""
    return os.path.join(os.path.realpath(file.parent), file.name)
