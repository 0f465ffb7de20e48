"""Locks between processes."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpen_webui.files.lock import FileLock, LockHeldError, LocksNotSupportedError

HOLD = (
    "import sys, pathlib\n"
    "from gpen_webui.files.lock import FileLock\n"
    "lock = FileLock(pathlib.Path(sys.argv[1]))\n"
    "print('locked', flush=True)\n"
    "sys.stdin.read()\n"
)


@pytest.fixture
def holder(project: Path, tmp_path: Path):
    """Another process that has the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"locked\n"
    yield process
    process.kill()
    process.wait()


def test_a_lock_of_another_process_is_refused_with_its_number(holder, tmp_path: Path):
    with pytest.raises(LockHeldError) as caught:
        FileLock(tmp_path / "lock")
    assert caught.value.holder == str(holder.pid)


def test_a_lock_ends_with_its_process_however_that_dies(holder, tmp_path: Path):
    holder.kill()
    holder.wait()
    with FileLock(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == str(os.getpid())
    assert not (tmp_path / "lock").exists()


def test_a_patient_caller_gets_the_lock_when_it_is_free(holder, tmp_path: Path):
    holder.stdin.close()
    FileLock(tmp_path / "lock", patience=60).close()


def test_the_lock_of_a_file_that_was_removed_keeps_nobody_out_and_lets_nobody_in_twice(
    tmp_path: Path, monkeypatch
):
    path = tmp_path / "lock"
    real, removed = fcntl.flock, []

    def removed_by_its_owner_meanwhile(file, how):
        real(file, how)
        if not removed:
            removed.append(path.unlink())

    monkeypatch.setattr(fcntl, "flock", removed_by_its_owner_meanwhile)
    with FileLock(path, patience=60), pytest.raises(LockHeldError):
        FileLock(path)


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_named_as_such(tmp_path: Path, monkeypatch, code: int):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(LocksNotSupportedError, match="file system without locks"):
        FileLock(tmp_path / "lock")
