"""How many processor cores there are to compute on, and whether there is memory for all of them."""

from __future__ import annotations

import math
import os
import platform
import re
import shutil
from collections.abc import Set
from pathlib import Path

from gpen_webui.control_groups import cpu_quota, memory_limit

# With GPEN-BFR-512 one photo at a time takes 1.5 GB, and each more some 0.1 GB, a large one 0.5.
LITTLE_MEMORY = 3 << 30
# Instructions that multiply bfloat16.
BFLOAT16_FLAGS = frozenset(("avx512_bf16", "amx_bf16"))
CPU_INFO = Path("/proc/cpuinfo")


def cpu_cores() -> int:
    """Cores this process may use; two hardware threads of one core count once.

    Where a container may use the time of fewer processors than it sees, that many, rounded: more
    threads would wait for each other while all of them are held up.
    """
    quota = cpu_quota()
    seen = _cores_seen()
    return seen if quota is None else max(1, min(seen, math.floor(quota + 0.5)))


def read_cpu_info() -> str:
    """The text of /proc/cpuinfo; empty where there is none."""
    try:
        return CPU_INFO.read_text()
    except OSError:
        return ""


def processor_name(cpu_info: str) -> str:
    """The processor's name from the text of /proc/cpuinfo, or what the system calls it."""
    named = re.search(r"^model name\s*: (.+)$", cpu_info, re.MULTILINE)
    name = named[1] if named else platform.processor() or platform.machine()
    name = re.sub(r"\((R|TM)\)|\bCPU\b|@.*|\d+-Core Processor", "", name)
    return " ".join(name.split())


def has_little_memory() -> bool:
    """Whether several photos at once may not fit: of the machine, or of what a container may use
    of it. Not where nobody knows."""
    memory = usable_memory()
    return memory is not None and memory < LITTLE_MEMORY


def usable_memory() -> int | None:
    """Bytes of the machine, or of what a container may use of it, where that is less; None where
    nobody knows."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return memory_limit()
    return min(memory, memory_limit() or memory)


def may_have_gpu() -> bool:
    """A cheap look that spares most machines the import of PyTorch."""
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    return shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists()


def has_flags(flags: Set[str]) -> bool:
    """Whether the processor has one of these instructions; known on Linux only."""
    return not flags.isdisjoint(read_cpu_info().split())


def machine_key() -> str:
    """By which what was measured on this machine is kept: its processor, and how many cores."""
    return f"{processor_name(read_cpu_info())}-{cpu_cores()}"


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
