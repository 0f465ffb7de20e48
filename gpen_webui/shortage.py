"""What the machine itself can run out of: open files, processes, memory.

Then no photo and no model is to blame, and what was begun can go on once there is room.
"""

from __future__ import annotations

import errno
import mmap
from pathlib import Path

from gpen_webui.errors import UserError

# With less than this free, no photo of ordinary size can be restored.
ENOUGH_BYTES = 256 << 20
MEMORY_INFO = Path("/proc/meminfo")

FILES = "This program may not open more files; raise `ulimit -n` or close other programs"
PROCESSES = "No more processes or threads can be started; raise `ulimit -u` or close other programs"
MEMORY = "The memory is used up; close other programs or use fewer --workers"


class ShortageError(UserError):
    """The machine has run out of something."""


def shortage_of(error: BaseException | None) -> ShortageError | None:
    """The shortage that lies behind an error, if one does.

    A MemoryError counts only where the memory is short as such: a single photo may ask for
    more than any machine has.
    """
    while error is not None:
        if isinstance(error, ShortageError):
            return error
        if what := _what_is_short(error):
            return ShortageError(f"{what}, then try again.")
        error = error.__cause__ or error.__context__
    return None


def memory_shortage() -> ShortageError | None:
    """The shortage of memory as such, if there is one."""
    return ShortageError(f"{MEMORY}, then try again.") if _memory_is_short() else None


def _memory_is_short() -> bool:
    """Whether there is not even room for a photo of ordinary size."""
    try:
        mmap.mmap(-1, ENOUGH_BYTES).close()  # fails where a limit of the process is reached
    except (OSError, MemoryError):
        return True
    try:
        lines = MEMORY_INFO.read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return False
    available = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return bool(available) and int(available[0]) * 1024 < ENOUGH_BYTES


def _what_is_short(error: BaseException) -> str | None:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EMFILE, errno.ENFILE):
        return FILES
    if number == errno.EAGAIN or "can't start new thread" in str(error):
        return PROCESSES
    if number == errno.ENOMEM or (_is_of_memory(error) and _memory_is_short()):
        return MEMORY
    return None


def _is_of_memory(error: BaseException) -> bool:
    """Native libraries have no type of their own for it."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(
        sign in words for sign in ("bad_alloc", "cannot allocate memory", "insufficient memory")
    )
