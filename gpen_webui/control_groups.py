"""What a container, a service or a batch queue may use of its machine: Linux's control groups.

Such limits are not seen in the list of processors or in /proc/meminfo. Version 2 has one tree with
`cpu.max` and `memory.max`, version 1 a tree for each kind of limit. A limit of a group holds for
all groups in it, so the least of all on the way to the root counts.

Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/, cgroups(7).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")
GROUPS, MOUNTS = "proc/self/cgroup", "proc/self/mountinfo"
NO_LIMIT = 1 << 60  # bytes; version 1 writes a number like this one where there is none


def cpu_quota(root: Path = ROOT) -> float | None:
    """How many processors' time this process may use; None for no limit.

    root: where proc and sys lie.
    """
    quotas = []
    for folder in _folders("cpu", root):
        quota, period = [*_words(folder / "cpu.max"), "", ""][:2]
        if not quota:
            quota = " ".join(_words(folder / "cpu.cfs_quota_us"))
            period = " ".join(_words(folder / "cpu.cfs_period_us"))
        if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):
            quotas.append(int(quota) / int(period))  # “max” and -1 are no numbers
    return min(quotas, default=None)


def memory_limit(root: Path = ROOT) -> int | None:
    """How many bytes this process may use together with its group; None for no limit.

    root: where proc and sys lie.
    """
    limits = []
    for folder in _folders("memory", root):
        words = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        if words and words[0].isdecimal() and int(words[0]) < NO_LIMIT:
            limits.append(int(words[0]))
    return min(limits, default=None)


def _folders(controller: str, root: Path) -> Iterator[Path]:
    """The folders of this process's groups that may hold limits of a kind, up to the root's."""
    mounts = list(_mounts(controller, root))
    for line in _lines(root / GROUPS):
        number, controllers, group = [*line.split(":", 2), "", ""][:3]
        is_second = number == "0" and not controllers
        if not is_second and controller not in controllers.split(","):
            continue
        for version, mounted_group, point in mounts:
            if (version == 2) != is_second:
                continue
            folder = root / point.lstrip("/")
            # In a container the mount may show the container's own group as its root.
            below = _below(group, mounted_group)
            for part in (below, *below.parents):
                yield folder / part


def _mounts(controller: str, root: Path) -> Iterator[tuple[int, str, str]]:
    """Where trees of groups are mounted: version, the group at the top of it, the folder."""
    for line in _lines(root / MOUNTS):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or not kind:
            continue
        if kind[0] == "cgroup2":
            yield 2, fields[3], fields[4]
        elif kind[0] == "cgroup" and controller in kind[-1].split(","):
            yield 1, fields[3], fields[4]


def _below(group: str, mounted: str) -> PurePosixPath:
    """A group, relative to the one at the top of a mount; that itself where it lies elsewhere."""
    try:
        below = PurePosixPath(group).relative_to(mounted)
    except ValueError:
        return PurePosixPath()
    return PurePosixPath() if ".." in below.parts else below


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux, or no such group
        return []
