"""Containers' limits of processors and memory, in the files of both versions of Linux's groups."""

from pathlib import Path

import pytest

from gpen_webui.control_groups import cpu_quota, memory_limit
from gpen_webui.engines.cores import cpu_cores

SECOND = "29 23 0:26 {group} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
FIRST = (
    "31 30 0:27 {group} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 {group} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
MEMBER_OF_FIRST = "4:memory:{group}\n3:cpu,cpuacct:{group}\n1:name=systemd:{group}\n"


def make_root(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def second_version(folder: Path, group: str, mounted: str, files: dict[str, str]) -> Path:
    proc = {
        "proc/self/cgroup": f"0::{group}\n",
        "proc/self/mountinfo": SECOND.format(group=mounted),
    }
    return make_root(folder, proc | {f"sys/fs/cgroup{name}": text for name, text in files.items()})


def first_version(folder: Path, group: str, mounted: str, files: dict[str, str]) -> Path:
    proc = {
        "proc/self/cgroup": MEMBER_OF_FIRST.format(group=group),
        "proc/self/mountinfo": FIRST.format(group=mounted),
    }
    return make_root(folder, proc | {f"sys/fs/cgroup{name}": text for name, text in files.items()})


def test_a_container_of_the_second_version_sees_its_limits_at_the_root(tmp_path):
    files = {"/cpu.max": "150000 100000\n", "/memory.max": "2147483648\n"}
    root = second_version(tmp_path, "/", "/", files)
    assert cpu_quota(root) == 1.5
    assert memory_limit(root) == 2 << 30


def test_the_least_limit_of_all_groups_above_counts(tmp_path):
    files = {
        "/work.slice/cpu.max": "200000 100000\n",
        "/work.slice/web.service/cpu.max": "400000 100000\n",
        "/work.slice/web.service/memory.max": "max\n",
        "/other.slice/cpu.max": "50000 100000\n",
    }
    root = second_version(tmp_path, "/work.slice/web.service", "/", files)
    assert cpu_quota(root) == 2
    assert memory_limit(root) is None


def test_a_container_of_the_first_version_is_found_by_what_its_mount_shows(tmp_path):
    files = {
        "/cpu,cpuacct/cpu.cfs_quota_us": "300000\n",
        "/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "/memory/memory.limit_in_bytes": "1073741824\n",
    }
    root = first_version(tmp_path, "/docker/1234", "/docker/1234", files)
    assert cpu_quota(root) == 3
    assert memory_limit(root) == 1 << 30


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"/cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "/cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
        {"/memory/memory.limit_in_bytes": "9223372036854771712\n"},
        {"/cpu,cpuacct/cpu.cfs_quota_us": "damaged"},
    ],
)
def test_a_machine_of_the_first_version_without_limits_has_none(tmp_path, files):
    root = first_version(tmp_path, "/user.slice", "/", files)
    assert cpu_quota(root) is None
    assert memory_limit(root) is None


def test_a_system_without_groups_has_no_limits(tmp_path):
    assert cpu_quota(tmp_path) is None
    assert memory_limit(tmp_path) is None


@pytest.mark.parametrize(("quota", "cores"), [(None, 4), (0.2, 1), (1.4, 1), (1.5, 2), (8, 4)])
def test_a_quota_of_time_counts_as_so_many_cores(monkeypatch, quota, cores):
    monkeypatch.setattr("gpen_webui.engines.cores.cpu_quota", lambda: quota)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1000, 1001, 1002, 1003}, raising=False)
    assert cpu_cores() == cores
