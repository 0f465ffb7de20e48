"""Locks between processes.

A lock belongs to the process that holds it and ends with it, however that dies. (`filelock`
would do the same, but empties the file before it has the lock, and so cannot say who holds it.)
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from gpen_webui.errors import UserError

HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
TRY_AGAIN_SECONDS = 0.05


class LockHeldError(Exception):
    """Another process has the lock. holder: its process number, "" where that is not known."""

    def __init__(self, path: Path, holder: str):
        super().__init__(f"{path} is locked by {f'process {holder}' if holder else 'another'}")
        self.holder = holder


class LocksNotSupportedError(UserError):
    """The file system has no locks, as some network shares."""


class FileLock:
    """The lock on `path`, held from the making of the object to close() or the block's end.

    patience: how long to wait for another process, in seconds. The file holds the owner's
    process number and is removed with the lock. A forked child keeps it too, but only the owner
    removes the file. Raises LockHeldError, LocksNotSupportedError,
    and OSError where the file cannot be made.
    """

    def __init__(self, path: Path, patience: float = 0.0):
        self._path = path
        self._owner = os.getpid()
        deadline = time.monotonic() + patience
        while (file := _try_lock(path)) is None:
            if time.monotonic() >= deadline:
                raise LockHeldError(path, _holder(path))
            time.sleep(TRY_AGAIN_SECONDS)
        self._file = file
        file.truncate(0)
        file.write(str(self._owner))
        file.flush()

    def close(self) -> None:
        """Let others in. A second call does nothing."""
        if self._file.closed:
            return
        with suppress(OSError):  # a file that stays (Windows: it is open) is in nobody's way
            if self._owner == os.getpid() and _is_still_there(self._file, self._path):
                os.unlink(self._path)  # before the lock is gone: afterwards it may be another's
        self._file.close()

    def __enter__(self) -> FileLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def lock_where_possible(path: Path, patience: float) -> Iterator[bool]:
    """Hold the lock on `path`, or go on without one where the file system has none.

    Yields whether it is held. Raises TimeoutError where another process keeps it for longer
    than `patience` seconds, OSError where the file cannot be made.
    """
    try:
        lock = FileLock(path, patience)
    except LocksNotSupportedError:
        yield False
        return
    except LockHeldError as error:
        raise TimeoutError(str(error)) from error
    with lock:
        yield True


def _try_lock(path: Path) -> IO[str] | None:
    """The locked file; None where another process has it, or removed it just now."""
    file = open(path, "a+", encoding="ascii", errors="replace")  # noqa: SIM115
    try:
        if _lock(file, path) and _is_still_there(file, path):
            return file
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def _lock(file: IO[str], path: Path) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 20)  # beyond the text, which others may then still read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            return False
        raise LocksNotSupportedError(
            f"The folder {path.parent} is on a file system without locks ({error.strerror}), so "
            "nobody can tell whether another program works in it; choose a folder on a disk of "
            "this machine."
        ) from error
    return True


def _is_still_there(file: IO[str], path: Path) -> bool:
    """Whether the locked file is the one that others find; an earlier owner may have removed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
