"""How a file gets a name of its own in a folder that is the user's.

A file is first written whole under a name that nobody else uses (staged), and then gets its
place by a hard link: that never overwrites, and until the staged name is removed the two are
one file. So whoever finds both after a death of the process knows that the placed file is
ours, whatever has happened to names in between.
"""

from __future__ import annotations

import errno
import filecmp
import os
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from gpen_webui.files.atomic import (
    TEMPORARY,
    create_file,
    flush_file,
    flush_folder,
    temporary_name,
    write_content,
)
from gpen_webui.files.names import numbered_paths

# What is the matter with the disk or the machine, and not with the name.
NOT_THE_NAME = {
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.EROFS,
    errno.ESTALE,
}


class NameRefusedError(OSError):
    """The folder cannot hold a file of this name, or something else has the name by now."""


def write_staged(path: Path, data: bytes | BinaryIO, modified_ns: int | None = None) -> int:
    """Write a file under a name that is ours alone, over what an earlier try left there.

    data: see atomic.write_content. modified_ns: the date that it gets where the file system
    can, in nanoseconds since 1970. Returns its size in bytes.
    """
    path.unlink(missing_ok=True)
    try:
        with create_file(path) as file:
            size = write_content(file, data)
            flush_file(file)
        _set_date(path, modified_ns)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return size


def _set_date(path: Path, modified_ns: int | None) -> None:
    if modified_ns is not None:
        with suppress(OSError, OverflowError):
            os.utime(path, ns=(modified_ns, modified_ns))


def move_staged(path: Path, complete: Path, modified_ns: int | None = None) -> int:
    """As `write_staged` with a file of the same file system that is complete and flushed."""
    size = complete.stat().st_size
    os.replace(complete, path)
    _set_date(path, modified_ns)
    return size


def is_there(path: Path) -> bool:
    """Whether anything has this path: a file, a folder, a link that leads nowhere."""
    try:
        return os.path.lexists(path)
    except UnicodeEncodeError:
        return False


def place(staged: Path, folder: Path, name: PurePosixPath) -> None:
    """Give a staged file its place at folder/name; the staged name stays.

    Raises NameRefusedError where another name should be tried, FileNotFoundError where the
    folder itself is gone, other OSErrors where nothing can be written there.
    """
    target = folder / name
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    try:
        _make_tree(folder, target.parent)
        _place_exclusively(staged, target)
        flush_folder(target.parent)
    except UnicodeEncodeError as error:  # a locale without these letters
        raise NameRefusedError(errno.EILSEQ, os.strerror(errno.EILSEQ), str(name)) from error
    except OSError as error:
        if error.errno in NOT_THE_NAME or not folder.is_dir():
            raise
        raise NameRefusedError(error.errno, error.strerror, str(target)) from error


def replace(staged: Path, target: Path, aside: Path) -> None:
    """Put a staged file in the place of one that is ours, which is kept at `aside`.

    The place has one of the two at any moment. Raises as `place` for a file.
    """
    try:
        if not aside.exists():
            _link_or_copy(target, aside)
        new = target.with_name(temporary_name())
        try:
            _link_or_copy(staged, new)
            os.replace(new, target)
        finally:
            new.unlink(missing_ok=True)
        flush_folder(target.parent)
    except OSError as error:
        if error.errno in NOT_THE_NAME or not target.parent.is_dir():
            raise
        raise NameRefusedError(error.errno, error.strerror, str(target)) from error


def put_back(aside: Path, target: Path) -> None:
    """Undo `replace`. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(aside, target)  # does nothing where both are one file
    aside.unlink(missing_ok=True)
    for new in target.parent.glob(f"{TEMPORARY}*.part"):
        new.unlink(missing_ok=True)
    flush_folder(target.parent)


def place_beside(data: bytes, staging: Path, folder: Path, wanted: PurePosixPath) -> PurePosixPath:
    """Write a file unless it is there; one of this name with another content keeps its name.

    staging: a folder for what is not complete. Returns the name that it has. Raises as `place`.
    """
    staged = staging / temporary_name()
    try:
        write_staged(staged, data)
        for name in numbered_paths(wanted):
            path = folder / name
            if path.is_file() and path.read_bytes() == data:
                break
            if not is_there(path):
                place(staged, folder, name)
                break
        return name
    finally:
        staged.unlink(missing_ok=True)


def is_placed(staged: Path, target: Path) -> bool:
    """Whether the file at `target` is the one that was staged.

    Where the file system has no hard links it is a copy: then one with the same bytes, or an
    empty file, whose name was only reserved.
    """
    try:
        ours, found = os.lstat(staged), os.lstat(target)
        if os.path.samestat(ours, found):
            return True
        if not stat.S_ISREG(found.st_mode) or (found.st_dev == ours.st_dev and _has_links(staged)):
            return False
        return found.st_size == 0 or filecmp.cmp(staged, target, shallow=False)
    except (OSError, UnicodeEncodeError):
        return False


def remove_placed(staged: Path, folder: Path, name: PurePosixPath) -> None:
    """Undo what place() did, if it did; then the staged file goes too. Raises OSError."""
    target = folder / name
    if is_placed(staged, target):
        target.unlink()
    for copy in target.parent.glob(f"{TEMPORARY}*.part"):  # where there are no hard links
        copy.unlink(missing_ok=True)
    remove_empty_folders(folder, name)
    staged.unlink(missing_ok=True)


def remove_empty_folders(folder: Path, name: PurePosixPath) -> None:
    """Remove the folders between `folder` and a file that is gone, as far as they are empty."""
    with suppress(OSError):
        for part in name.parents[:-1]:
            (folder / part).rmdir()


def _place_exclusively(staged: Path, target: Path) -> None:
    try:
        os.link(staged, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in NOT_THE_NAME - {errno.EIO} or not staged.exists():
            raise
        _copy_exclusively(staged, target)


def _copy_exclusively(staged: Path, target: Path) -> None:
    """Without hard links, or onto another disk: reserve the name, then put a copy there."""
    create_file(target).close()
    copy = target.with_name(temporary_name())
    try:
        _copy(staged, copy)
        os.replace(copy, target)
    except BaseException:
        copy.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        raise


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in NOT_THE_NAME - {errno.EIO} or not source.exists():
            raise
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """A file with the same content and date; none is left where that fails."""
    with open(source, "rb") as content:
        write_staged(target, content, os.fstat(content.fileno()).st_mtime_ns)


def _has_links(staged: Path) -> bool:
    """Whether the staged file's file system has hard links."""
    trial = staged.with_name(temporary_name())
    try:
        os.link(staged, trial)
    except OSError:
        return False
    trial.unlink()
    return True


def _make_tree(folder: Path, parent: Path) -> None:
    """Make the folders between `folder`, which must be there, and `parent`."""
    if parent == folder or parent.is_dir():
        return
    _make_tree(folder, parent.parent)
    parent.mkdir(exist_ok=True)
    flush_folder(parent.parent)
