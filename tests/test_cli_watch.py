"""`./run.sh watch`: what arrives in a folder is restored, once and whole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpen_webui.cli.arrivals import Arrivals
from gpen_webui.files.find_photos import NothingToRestoreError
from tests.server import small_photo
from tests.waiting import wait_for


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    return folder


def test_a_photo_is_told_once_when_it_no_longer_grows(folder: Path):
    arrivals = Arrivals(folder, folder / "restored", patience=1_000)
    assert not arrivals.are_complete()
    (folder / "a.jpg").write_bytes(b"begun")
    assert not arrivals.are_complete()
    (folder / "a.jpg").write_bytes(b"begun and more")
    assert not arrivals.are_complete()
    assert arrivals.are_complete()
    assert not arrivals.are_complete()
    os.utime(folder / "a.jpg", (1, 1))  # another one of the same name
    assert not arrivals.are_complete()
    assert arrivals.are_complete()


def test_whole_photos_wait_for_one_that_grows_but_not_for_ever(folder: Path):
    (folder / "whole.jpg").write_bytes(b"whole")
    patient, impatient = (Arrivals(folder, folder / "restored", wait) for wait in (1_000, 0))
    for arrivals in (patient, impatient):
        arrivals.are_complete()
    (folder / "growing.jpg").write_bytes(b"more and more")
    assert not patient.are_complete()
    assert impatient.are_complete()


def test_results_and_other_files_are_no_arrivals(folder: Path):
    (folder / "restored").mkdir()
    for name in ("restored/a.jpg", "notes.txt"):
        (folder / name).write_bytes(b"something")
    arrivals = Arrivals(folder, folder / "restored", patience=0)
    assert not any(arrivals.are_complete() for _ in range(3))
    with pytest.raises(NothingToRestoreError, match="does not exist"):
        Arrivals(folder / "nowhere", folder, patience=0).are_complete()


def test_what_is_there_and_what_arrives_later_is_restored_until_ctrl_c(
    project: Path, folder: Path, tmp_path: Path
):
    results = tmp_path / "restored"
    (folder / "first.jpg").write_bytes(small_photo())
    command = [sys.executable, "app.py", "watch", str(folder), "-o", str(results)]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE) as watching:
        wait_for(lambda: (results / "first.jpg").exists())
        (folder / "later").mkdir()
        (folder / "later" / "second.jpg").write_bytes(small_photo())
        wait_for(lambda: (results / "later" / "second.jpg").exists())
        watching.send_signal(signal.SIGINT)
        watching.communicate()
    assert watching.returncode == 0
    assert sorted(p.name for p in folder.rglob("*.jpg")) == ["first.jpg", "second.jpg"]
