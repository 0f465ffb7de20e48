"""How many processor cores there are to compute on."""

from __future__ import annotations

import math
import os
from pathlib import Path

from gpen_webui.control_groups import cpu_quota


def cpu_cores() -> int:
    """Cores this process may use; two hardware threads of one core count once.

    Where a container may use the time of fewer processors than it sees, that many, rounded: more
    threads would wait for each other while all of them are held up.
    """
    quota = cpu_quota()
    seen = _cores_seen()
    return seen if quota is None else max(1, min(seen, math.floor(quota + 0.5)))


def _cores_seen() -> int:
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    siblings = set()
    for cpu in allowed:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text())
        except OSError:
            return len(allowed)
    return len(siblings)
