"""How many files and connections this process may have open at once."""

from __future__ import annotations

import sys
from contextlib import suppress

if sys.platform != "win32":  # which has no such limit
    import resource

WANTED_FILES = 8192
OTHER_FILES = 300  # photos, the store, decoders, libraries
FILES_PER_CONNECTION = 3  # the socket, what its request opens, a socket's selector


def raise_open_files() -> None:
    """Raise the soft limit of open files, which is often 1,024, as far as the system lets us."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with suppress(OSError, ValueError):  # the limit stays; connections_allowed reckons with it
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections_allowed(wanted: int) -> int:
    """As many connections as wanted, or fewer where they would use up the open files."""
    if sys.platform == "win32":
        return wanted
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(16, min(wanted, (soft - OTHER_FILES) // FILES_PER_CONNECTION))
