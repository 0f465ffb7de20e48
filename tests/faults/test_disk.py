"""Outputs that are full, read-only, removed or locked while the real server works in them.

The job pauses itself with the reason, or waits until the store can be written again. What
was reported as done is there, and when the fault is over everything gets done.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.album import album, contents_of
from tests.server import ENDED, Server
from tests.waiting import wait_for

PLAIN_USER = ("-m", "tests.faults.plain_user")
COUNT = 16


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk of 300 MB for the outputs."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def check_what_is_done(server: Server, job: dict) -> None:
    """Whatever is reported as done has its whole result."""
    for item in job["items"]:
        if item["state"] in ("done", "no_face"):
            result = Path(job["folder"]) / item["result"]
            assert result.read_bytes()[-2:] == b"\xff\xd9", item["name"]


def check_all_done(server: Server, job: str, undisturbed: dict[str, bytes]) -> None:
    """The album is as if nothing had happened."""
    found = server.wait_for(job)
    assert found["counts"]["done"] == COUNT
    results = contents_of(Path(found["folder"]))
    assert results.pop("report.json")
    assert results.pop("report.html")
    assert results == {name: undisturbed[name] for name in album(COUNT)}
    assert contents_of(server.outputs / ".gpen-webui" / "staging") == {}
    events = server.get(f"/api/jobs/{job}/events").json()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def wait_for_some(server: Server, job: str, count: int = 3) -> dict:
    """Until a few photos are done, and others are not."""
    return server.wait_until(job, lambda found: found["counts"]["done"] >= count)


def wait_for_trouble(server: Server, job: str) -> dict:
    """Until the job has paused itself, or the store cannot be written; the job."""
    health: dict = {}

    def is_noticed(found: dict) -> bool:
        health.update(server.get("/api/health").json())
        return found["state"] == "paused" or health["status"] == "failed"

    found = server.wait_until(job, is_noticed)
    said = found["reason"] or health["message"]
    assert str(server.outputs) in said, said
    return found


@pytest.mark.parametrize(
    "left_kb",
    [pytest.param(0, marks=pytest.mark.slow), 40, pytest.param(200, marks=pytest.mark.slow)],
)
def test_a_full_disk_loses_nothing_and_the_album_completes(
    small_disk: Path, undisturbed, figures, left_kb: int
):
    outputs = small_disk / "outputs"
    with Server(outputs) as server:
        job = server.new_album(list(album(COUNT).items()))
        wait_for_some(server, job)
        # Paused meanwhile: a fast machine would be done before the disk is full.
        server.post(f"/api/jobs/{job}/pause").raise_for_status()
        ballast = small_disk / "ballast"
        fill(small_disk, ballast, left_kb * 1000)
        if (answer := server.post(f"/api/jobs/{job}/resume")).ok:
            found = wait_for_trouble(server, job)
        else:  # not even that can be written
            assert str(outputs) in answer.text, answer.text
            found = server.job(job)
        check_what_is_done(server, found)
        assert found["counts"]["failed"] == 0
        refused = server.post("/enhance", files={"photo": ("a.jpg", album(1)["1931/0.jpg"])})
        assert refused.status_code in (503, 507)
        ballast.unlink()
        if found["state"] == "paused":
            assert server.post(f"/api/jobs/{job}/resume").status_code == 200
        check_all_done(server, resumed(server, job), undisturbed)
    figures["full disks survived"] += 1


def fill(disk: Path, ballast: Path, left: int) -> None:
    """Leave only this many bytes, while others go on writing."""
    block = 4096
    with open(ballast, "wb", buffering=0) as file:
        for size in (1_000_000, block):
            with suppress(OSError):
                while os.statvfs(disk).f_bavail * block > left + size or not left:
                    file.write(b"x" * size)


def resumed(server: Server, job: str) -> str:
    """Resume a job where it has paused itself after we looked."""
    if server.wait_for(job, (*ENDED, "paused"))["state"] == "paused":
        server.post(f"/api/jobs/{job}/resume").raise_for_status()
    return job


@pytest.mark.parametrize("what", ["results", pytest.param("store", marks=pytest.mark.slow)])
def test_a_folder_that_becomes_read_only_pauses_the_job(tmp_path, undisturbed, figures, what):
    with Server(tmp_path / "outputs", command=PLAIN_USER) as server:
        job = server.new_album(list(album(COUNT).items()))
        folder = Path(wait_for_some(server, job)["folder"])
        locked = folder if what == "results" else tmp_path / "outputs" / ".gpen-webui"
        folders = [locked, *(path for path in locked.rglob("*") if path.is_dir())]
        for path in folders:
            path.chmod(0o555)
        found = wait_for_trouble(server, job)
        check_what_is_done(server, found)
        assert "Permission denied" in found["reason"]
        for path in folders:
            path.chmod(0o755)
        assert server.post(f"/api/jobs/{job}/resume").status_code == 200
        check_all_done(server, resumed(server, job), undisturbed)
    figures["read-only folders survived"] += 1


@pytest.mark.slow
def test_a_results_folder_that_is_removed_is_made_again(tmp_path: Path, undisturbed):
    with Server(tmp_path / "outputs") as server:
        job = server.new_album(list(album(COUNT).items()))
        folder = Path(wait_for_some(server, job)["folder"])
        folder.rename(tmp_path / "moved away")
        found = wait_for_trouble(server, job)
        assert "was removed" in found["reason"]
        assert server.post(f"/api/jobs/{job}/resume").status_code == 200
        check_all_done(server, resumed(server, job), undisturbed)


@pytest.mark.slow
def test_outputs_that_are_removed_are_told_and_taken_up_when_they_are_back(tmp_path, undisturbed):
    outputs, away = tmp_path / "outputs", tmp_path / "away"
    with Server(outputs) as server:
        job = server.new_album(list(album(COUNT).items()))
        wait_for_some(server, job)
        outputs.rename(away)
        wait_for(lambda: server.get("/api/health").status_code == 503)
        said = server.get("/api/health").json()["message"]
        assert "was removed while the server was running" in said
        assert server.post("/api/jobs", json={}).status_code == 503
        server.stop()
    shutil.rmtree(outputs, ignore_errors=True)
    away.rename(outputs)
    with Server(outputs) as server:
        check_all_done(server, job, undisturbed)


@pytest.mark.slow
def test_a_store_that_another_program_locks_holds_nobody_up_for_good(tmp_path, undisturbed):
    with Server(tmp_path) as server:
        job = server.new_album(list(album(COUNT).items()))
        wait_for_some(server, job)
        other = sqlite3.connect(tmp_path / ".gpen-webui" / "jobs.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused = server.post(f"/api/jobs/{job}/pause")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store")
        assert "locked by another program" in refused.json()["error"]["message"]
        for path in ("/api/health", f"/api/jobs/{job}"):  # not only when the lock is given back
            assert server.get(path).json()
        other.execute("ROLLBACK")
        other.close()
        check_all_done(server, job, undisturbed)
