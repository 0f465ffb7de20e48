"""Open a photo that lies where somebody else may change things, and hold on to what was opened.

A path that was checked can be another file a moment later: a link put in the place of a folder
leads anywhere. So no link is followed in any part of the path when the file is opened, and
whoever uses it gets a path that means the open file, not the place where it lay.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from gpen_webui.errors import UserError

MB = 1_000_000
FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0)
FILE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe would wait for ever
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
LINK_IN_THE_WAY = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)


class OriginalError(UserError):
    """A photo that is named by its path cannot be opened."""


class MissingOriginalError(OriginalError):
    """It is no longer where it was."""


@dataclass(frozen=True)
class Original:
    """A photo that stays where its owner keeps it, and may become another file at any moment.

    path: absolute, without links: as it was when somebody checked that it may be read.
    max_bytes: larger files are refused; None: no limit.
    """

    path: Path
    max_bytes: int | None = None


def hold_open(source: Path | Original, name: str) -> AbstractContextManager[Path]:
    """A path to read a photo by: of an `Original` that of the opened file, else the given one.

    name: what messages call it. Raises OriginalError.
    """
    if isinstance(source, Path):
        return nullcontext(source)
    return open_original(source.path, name, source.max_bytes)


@contextmanager
def open_original(path: Path, name: str, max_bytes: int | None = None) -> Iterator[Path]:
    """A path by which this process and its children read the file, whatever takes its place.

    path, max_bytes: see Original. name: what messages call it. On systems without /proc the
    path is the given one, after a look that no link is on the way.

    Raises OriginalError, naming the file and the remedy; OSError where the system is short of
    open files or memory.
    """
    try:
        descriptor = _open_without_links(path)
    except OSError as error:
        if error.errno in SHORTAGES:
            raise
        raise _cannot_open(path, name, error) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OriginalError(f"{name} is no file that holds a photo; check the path.")
        if max_bytes is not None and found.st_size > max_bytes:
            raise OriginalError(
                f"{name} is {found.st_size // MB} MB long, and the limit for one file is "
                f"{max_bytes // MB} MB; make it smaller or start the server with a higher "
                "--max-file-mb."
            )
        held = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
        yield held if held.exists() else path
    finally:
        os.close(descriptor)


def _open_without_links(path: Path) -> int:
    """A descriptor of the file; every folder on the way is opened from the one before."""
    if os.open not in os.supports_dir_fd:  # Windows: a check, and then a moment
        if path.resolve() != path:
            raise OSError(errno.ELOOP, "it leads through a link")
        return os.open(path, os.O_RDONLY | FILE)
    folder = os.open(path.anchor, os.O_RDONLY | FOLDER | NO_LINK)
    try:
        for part in path.parts[1:-1]:
            inner = os.open(part, os.O_RDONLY | FOLDER | NO_LINK, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(path.name, os.O_RDONLY | FILE | NO_LINK, dir_fd=folder)
    finally:
        os.close(folder)


def _cannot_open(path: Path, name: str, error: OSError) -> OriginalError:
    if error.errno in LINK_IN_THE_WAY:
        return MissingOriginalError(
            f"{name} cannot be used: {path} leads through a link, and none is followed here; put "
            "the photo itself there, or add it anew."
        )
    kind = MissingOriginalError if isinstance(error, FileNotFoundError) else OriginalError
    return kind(f"{name} cannot be read ({error.strerror}); check {path} and its permissions.")
