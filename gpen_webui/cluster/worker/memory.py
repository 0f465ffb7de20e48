"""How much memory a process takes, and how much it may: Linux only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gpen_webui.engines.cores import usable_memory

SHARE = 0.8  # of the machine's memory, for all restoring processes together
FIRST_TO_GO = b"800"  # where the system must end something for want of memory


def memory_limit(processes: int) -> int | None:
    """Bytes that each of so many restoring processes may take; None where that is not known."""
    memory = usable_memory()
    return None if memory is None else int(memory * SHARE / processes)


def memory_of(process: int) -> int:
    """Bytes of memory that a process takes; 0 where that is not known."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def let_go_first(process: int) -> None:
    """Where memory is short, the system shall end this process, not the one that guards it."""
    with suppress(OSError):
        Path(f"/proc/{process}/oom_score_adj").write_bytes(FIRST_TO_GO)
