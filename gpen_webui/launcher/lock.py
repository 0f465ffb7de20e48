"""One set-up at a time."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gpen_webui.launcher import SetUpError, say

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

WAITING = "Waiting for the set-up that is under way ..."


@contextmanager
def only_one(path: Path) -> Iterator[IO]:
    """Hold a lock of the system's, which ends with whoever holds it; yields the open file.

    Says so where it has to wait. Raises SetUpError where the file cannot be written.
    """
    if path.is_dir():  # how an older version of this program did it
        shutil.rmtree(path, ignore_errors=True)
    try:
        file = open(path, "a+b")  # noqa: SIM115 - closed below
    except OSError as error:
        raise SetUpError(
            f"{path.parent} cannot be written ({error.strerror}); "
            "the set-up needs to make .venv there."
        ) from None
    with file:
        _take(file)
        yield file


def _take(file: IO) -> None:
    if sys.platform == "win32":
        said = False
        while not _try(file):
            if not said:
                say(WAITING)
            said = True
            time.sleep(0.5)
    elif not _try(file):
        say(WAITING)
        fcntl.flock(file, fcntl.LOCK_EX)


def _try(file: IO) -> bool:
    """Whether the lock is ours, or the file system has none to give."""
    try:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
