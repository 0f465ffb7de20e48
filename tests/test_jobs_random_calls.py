"""Random calls from many threads, with kills in between; then everything must agree."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpen_webui.jobs.records import Job
from gpen_webui.jobs.service import JobService
from gpen_webui.options import RestoreOptions
from tests.jobs_kit import JobsHarness, content, files_in, reports_of, restored_text, staged_files
from tests.waiting import wait_for

FINAL = ("done", "no_face", "failed", "cancelled")


def test_random_calls_with_kills_leave_every_job_whole(tmp_path: Path):
    check_random_calls(tmp_path, seed=1, calls=600, kills=2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_38_000_random_calls_with_14_kills_leave_every_job_whole(tmp_path: Path):
    check_random_calls(tmp_path, seed=2, calls=38_000, kills=14)


def check_random_calls(folder: Path, seed: int, calls: int, kills: int) -> None:
    outputs, log = folder / "outputs", folder / "log"
    chance = random.Random(seed)
    for number in range(kills):
        part = calls // (kills + 1)
        run(outputs, log, 100 * seed + number, chance.randrange(part // 2, 3 * part // 2), True)
    run(outputs, log, 100 * seed + kills, max(calls - calls_in(log), part // 2), False)
    assert calls_in(log) >= calls - 8
    harness = JobsHarness(outputs)
    service = harness.open()
    try:
        finish_all(service)
        check_all(service, outputs, log.read_text("utf-8"))
    finally:
        harness.close()


def run(outputs: Path, log: Path, seed: int, calls: int, is_killed: bool) -> None:
    """Let a process make about so many calls; kill it after them, or wait for its end."""
    made = calls_in(log)
    more = 1_000_000 if is_killed else calls
    command = [sys.executable, "-m", "tests.jobs_random_calls", outputs, log, seed, more]
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen(
        list(map(str, command)), cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        while is_killed and process.poll() is None and calls_in(log) < made + calls:
            time.sleep(0.002)
        if is_killed:
            process.kill()
        said = process.communicate(timeout=1200)[0].decode("utf-8", "replace")
        assert process.returncode == (-9 if is_killed else 0), said
    finally:
        process.kill()


def calls_in(log: Path) -> int:
    count = log.with_name(f"{log.name}.calls")
    return count.stat().st_size if count.exists() else 0


def finish_all(service: JobService) -> None:
    """Let every started job come to its end."""
    for job in service.store.jobs(500):
        if job.state == "paused":
            service.runner.resume(job.id)
    wait_for(
        lambda: all(job.ended or job.state == "collecting" for job in service.store.jobs(500)),
        patience=120,
    )


def check_all(service: JobService, outputs: Path, log: str) -> None:
    jobs = {job.id: job for job in service.store.jobs(500)}
    lines = [line.split(" ", 3) for line in log.splitlines()]
    deleted = {line[1] for line in lines if line[0] == "deleting"}
    for _, job_id, *added in (line for line in lines if line[0] == "added"):
        assert job_id in jobs or job_id in deleted, "an album has vanished"
        if job_id in jobs:
            n, name = int(added[0]), added[1]
            assert service.store.item(job_id, n).name == name
            assert service.store.original(job_id, n).read_bytes() == content(name)
    for job in jobs.values():
        check_job(service, job)
    hidden = outputs / ".gpen-webui"
    owned = {
        path.relative_to(hidden / "uploads").as_posix()
        for job in jobs.values()
        for item in service.store.items(job.id)
        if (path := service.store.original(job.id, item.n)).is_relative_to(hidden)
    }
    assert files_in(hidden / "uploads") == owned
    folders = {job.folder.name for job in jobs.values() if job.folder and job.folder.exists()}
    assert {path.name for path in outputs.iterdir()} == {".gpen-webui", *folders}
    wait_for(lambda: staged_files(outputs) == set())  # soon after the record
    assert service.store.bytes_used() == sum(job.bytes for job in jobs.values())


def check_job(service: JobService, job: Job) -> None:
    items = service.store.items(job.id)
    assert [item.n for item in items] == list(range(job.counts["total"]))
    if job.ended:
        assert all(item.state in FINAL for item in items)
    for state in ("waiting", "running", *FINAL):
        assert job.counts[state] == sum(item.state == state for item in items)
    results = [item.result for item in items if item.state in ("done", "no_face")]
    assert len({result.casefold() for result in results}) == len(results)
    if job.folder is not None and (results or job.state == "done"):
        assert files_in(job.folder) == {*results, *reports_of(job.kind)}
    for item in items:
        if item.state in ("done", "no_face"):
            original = service.store.original(job.id, item.n).read_bytes()
            result = service.store.result(job.id, item.n).read_bytes()
            options = RestoreOptions(**(item.options or job.options))
            assert result == restored_text(original, options)
    check_story(service, job)


def check_story(service: JobService, job: Job) -> None:
    """The events have no gap, and what they tell last of each item is what it is."""
    events = service.events.replay(job.id)
    assert [event["seq"] for event in events] == list(range(1, job.seq + 1))
    told = {event["item"]: event["state"] for event in events if event["item"] is not None}
    assert told == {item.n: item.state for item in service.store.items(job.id)}
    assert events[-1]["counts"] == job.counts
    last = [event["state"] for event in events if event["type"] == "job"][-1]
    assert last == job.state
