"""Locks on open files: they belong to the process and end with it, however that dies."""

from __future__ import annotations

import os
from typing import IO


def try_lock(file: IO[str]) -> bool:
    """Lock an open file until it is closed; False where another process holds it."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(1 << 20)  # beyond the text, which others may then still read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
