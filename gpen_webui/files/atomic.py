"""How a file gets to its place whole: the one way in which this program writes what must last.

The content is written under a temporary name in the same folder, flushed to the disk and then
renamed, so that a file that can be seen is complete, through any death of the process and,
where the disk keeps its promises, through a power cut.

Some file systems (network shares, folders shared with a virtual machine) refuse to flush a
folder; the renamed file is whole all the same, so that is no error.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from gpen_webui.files.names import safe_name

TEMPORARY = ".gpen-webui-"  # how temporary names begin; they end in .part
REPORT = "report.json"
COPY_BYTES = 1 << 20  # at a time
READABLE = 0o666  # less what the user's umask takes away
CANNOT_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def write_atomically(
    path: Path,
    data: bytes | BinaryIO,
    *,
    mode: int | None = None,
    staging: Path | None = None,
) -> None:
    """Write a file whole or not at all, replacing an earlier one.

    data: see write_content. mode: its permissions, less the umask; None: those that any program
    would give it. staging: a folder on the same file system for the temporary file; None:
    beside the file.
    Raises OSError, with the earlier file as it was and nothing left behind.
    """
    with writing_atomically(path, mode=mode, staging=staging) as file:
        write_content(file, data)


def write_content(file: BinaryIO, data: bytes | BinaryIO) -> int:
    """Write bytes, or an open file, which is copied to its end and closed; how many bytes."""
    if isinstance(data, bytes):
        return file.write(data)
    with data:
        shutil.copyfileobj(data, file, COPY_BYTES)
        return file.tell()


@contextmanager
def writing_atomically(
    path: Path, *, mode: int | None = None, staging: Path | None = None
) -> Iterator[BinaryIO]:
    """A file to write to, which takes its place at `path` when the block has ended.

    Where the block raises, an earlier file stays as it was and nothing is left behind.
    Otherwise as write_atomically.
    """
    temporary = (staging or path.parent) / temporary_name()
    try:
        with create_file(temporary, mode=mode) as file:
            yield file
            flush_file(file)
        replace_durably(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace_durably(source: Path, target: Path) -> None:
    """Rename a file that was flushed, over an earlier one if there is one. Raises OSError."""
    os.replace(source, target)
    flush_folder(target.parent)


def create_file(path: Path, *, mode: int | None = None) -> BinaryIO:
    """Create and open a file that must not exist yet. Raises OSError (FileExistsError)."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, READABLE if mode is None else mode), "wb")


def temporary_name() -> str:
    """A name that no other file has, and by which remove_temporaries finds it."""
    return f"{TEMPORARY}{secrets.token_hex(8)}.part"


def remove_temporaries(folder: Path) -> None:
    """Remove what a process that died while it wrote below this folder has left. Raises OSError."""
    for path in folder.rglob(f"{TEMPORARY}*.part"):
        path.unlink(missing_ok=True)


def flush_file(file: BinaryIO) -> None:
    """Make what was written survive a power cut, where the file system can. Raises OSError."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in CANNOT_FLUSH:
            raise


def flush_folder(folder: Path) -> None:
    """Make the renames in a folder survive a power cut, where the system can do that."""
    if os.name == "nt":
        return
    with suppress(OSError):  # EINVAL, ENOTSUP, EIO, EACCES ...: the file is there all the same
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def new_run_folder(outputs: Path, label: str = "") -> Path:
    """Make and return outputs/YYYYMMDD_HHMMSS[_label][-n], which did not exist before.

    Raises OSError where it cannot be made.
    """
    name = time.strftime("%Y%m%d_%H%M%S")
    if label:
        name = f"{name}_{safe_name(label)}"
    outputs.mkdir(parents=True, exist_ok=True)
    for attempt in count(1):
        folder = outputs / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable")


def write_report(folder: Path, report: dict, *, staging: Path | None = None) -> Path:
    """Write report.json in one step, replacing the earlier one. Raises OSError.

    Piece by piece: as one text that of a large album takes several times the album's memory.
    """
    path = folder / REPORT
    with writing_atomically(path, staging=staging) as file:
        for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(report):
            file.write(piece.encode("utf-8", "backslashreplace"))
    return path
