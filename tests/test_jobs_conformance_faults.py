"""What any runner of jobs must do when something goes wrong: deaths, full disks, endless photos."""

import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import pytest

from gpen_webui.errors import UserError
from gpen_webui.jobs.runner.saving import CannotSaveError, Saver
from tests.jobs_kit import (
    REPORTS,
    STAGES,
    JobsHarness,
    check_nothing_lost,
    collect,
    files_in,
    staged_files,
    start,
    states,
    wait_for_state,
)
from tests.waiting import PATIENCE, wait_for

pytest_plugins = ["tests.jobs_fixtures"]


@pytest.mark.parametrize("point", ["claimed", *STAGES, "placed", "recorded", "reported"])
def test_a_death_at_any_point_loses_nothing_and_does_nothing_twice(
    harness: JobsHarness, point: str
):
    killed(harness.outputs, point, "2.jpg")
    had_results = done_in(harness.outputs)
    service = harness.open()
    [job] = service.store.jobs()
    job = wait_for_state(service, job, "done")
    assert job.counts["done"] == 5
    assert not had_results & set(harness.play.begun)
    check_nothing_lost(service, job)


def test_photos_in_progress_at_a_death_come_last_and_one_by_one(harness: JobsHarness):
    killed(harness.outputs, "network", "1.jpg")
    gate = harness.play.hold("1.jpg")
    service = harness.open()
    [job] = service.store.jobs()
    other = start(service, ["other.jpg"])
    gate.wait_until_reached()
    late = start(service, ["late.jpg"], kind="photo")
    time.sleep(0.2)
    assert states(service, late) == {"late.jpg": "waiting"}
    gate.open()
    for some in (job, other, late):
        wait_for_state(service, some, "done")
    begun_twice = {item.name for item in service.store.items(job.id) if item.attempt == 2}
    assert "1.jpg" in begun_twice
    stages = [name for name, _ in harness.play.entered if name not in ("other.jpg", "late.jpg")]
    at_the_end = stages[-len(begun_twice) * len(STAGES) :]
    assert [at_the_end[i] for i in range(0, len(at_the_end), len(STAGES))] == sorted(begun_twice)
    assert at_the_end == sorted(at_the_end)


def test_a_photo_that_crashes_three_times_is_left_out_and_the_album_goes_on(harness: JobsHarness):
    for _ in range(3):
        killed(harness.outputs, "network", "2.jpg")
    service = harness.open()
    [job] = service.store.jobs()
    job = wait_for_state(service, job, "done")
    assert (job.counts["done"], job.counts["failed"]) == (4, 1)
    [item] = [item for item in service.store.items(job.id) if item.state == "failed"]
    assert item.name == "2.jpg"
    assert "crashed the restorer 3 times" in item.error["message"]
    assert item.error["stage"] == "network"
    check_nothing_lost(service, job)
    service.runner.retry(job.id)
    assert wait_for_state(service, job, "done").counts["done"] == 5


def test_a_stopped_server_goes_on_where_it_was(harness: JobsHarness, make_harness):
    service = harness.open()
    gate = harness.play.hold("1.jpg", "network")
    job = start(service, [f"{n}.jpg" for n in range(4)])
    gate.wait_until_reached()
    harness.close()
    other = make_harness()
    service = other.open()
    job = wait_for_state(service, job, "done")
    assert [item.attempt for item in service.store.items(job.id)].count(2) <= 2
    check_nothing_lost(service, job)


def test_a_photo_that_takes_too_long_fails_and_takes_no_worker_with_it(make_harness):
    harness = make_harness(workers=1, max_photo_seconds=1.5)
    service = harness.open()
    gate = harness.play.hold("endless.jpg", "network")
    job = start(service, ["endless.jpg", "a.jpg", "b.jpg"])
    job = wait_for_state(service, job, "done")
    assert states(service, job) == {"endless.jpg": "failed", "a.jpg": "done", "b.jpg": "done"}
    error = service.store.item(job.id, 0).error
    assert error["stage"] == "network"
    assert "took longer than 1.5 seconds while restoring the faces" in error["message"]
    assert service.pool.status()["stuck"] == 1
    gate.open()
    wait_for(lambda: service.pool.status()["stuck"] == 0)
    assert service.pool.status()["workers"] == 1
    check_nothing_lost(service, job)


def test_a_cancelled_photo_that_hangs_takes_no_worker_with_it_either(make_harness):
    harness = make_harness(workers=1, max_photo_seconds=1.5)
    service = harness.open()
    gate = harness.play.hold("endless.jpg", "network")
    job = start(service, ["endless.jpg"])
    gate.wait_until_reached()
    service.runner.cancel(job.id)
    other = wait_for_state(service, start(service, ["a.jpg"]), "done")
    check_nothing_lost(service, other)
    assert states(service, job) == {"endless.jpg": "cancelled"}


def test_a_full_disk_pauses_the_job_with_the_reason_and_resuming_completes_it(harness, service):
    harness.play.result_bytes = 3_000_000
    job = collect(service, [f"{n}.jpg" for n in range(5)])
    with no_file_larger_than(2_000_000):
        service.runner.submit(job.id)
        job = wait_for_state(service, job, "paused")
        wait_for(lambda: "running" not in states(service, job).values())  # they fail as well
    assert "cannot be written" in job.reason
    assert "resume" in job.reason
    assert job.counts["done"] + job.counts["no_face"] + job.counts["failed"] == 0
    assert files_in(job.folder) == set()
    assert staged_files(harness.outputs) == set()
    service.runner.resume(job.id)
    job = wait_for_state(service, job, "done")
    assert (job.reason, job.counts["done"]) == (None, 5)
    check_nothing_lost(service, job)


def test_nothing_is_begun_again_before_what_it_has_left_is_gone(harness, service, monkeypatch):
    write, discard = Saver.write_staged, Saver.discard
    refusals, removing, go_on = ["the disk is full"], Event(), Event()

    def write_later(self: Saver, *result: object) -> int:
        if refusals:
            raise CannotSaveError(refusals.pop())
        return write(self, *result)

    def discard_slowly(self: Saver, *what: object) -> None:
        removing.set()
        assert go_on.wait(PATIENCE)
        discard(self, *what)

    monkeypatch.setattr(Saver, "write_staged", write_later)
    monkeypatch.setattr(Saver, "discard", discard_slowly)
    job = start(service, ["a.jpg"])
    assert removing.wait(PATIENCE)
    service.runner.resume(job.id)
    time.sleep(0.3)  # in which it would be begun
    meanwhile = states(service, job)
    go_on.set()
    assert meanwhile == {"a.jpg": "waiting"}
    check_nothing_lost(service, wait_for_state(service, job, "done"))


def test_a_report_that_cannot_be_written_pauses_the_job_until_it_can(harness: JobsHarness, service):
    gate = harness.play.hold("a.jpg", "save")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    (job.folder / "report.json").mkdir(parents=True)
    gate.open()
    job = wait_for_state(service, job, "paused")
    assert job.counts["done"] == 1
    assert str(job.folder) in job.reason
    (job.folder / "report.json").rmdir()
    service.runner.resume(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))


def test_results_that_vanished_are_restored_again_on_resume(harness: JobsHarness, service):
    gate = harness.play.hold("2.jpg", "save")
    job = start(service, ["t/1.jpg", "2.jpg", "3.jpg"])
    gate.wait_until_reached()
    wait_for(lambda: states(service, job)["3.jpg"] == "done")
    for path in job.folder.rglob("*.jpg"):
        path.unlink()
    (job.folder / "t").rmdir()
    job.folder.rmdir()
    gate.open()
    job = wait_for_state(service, job, "paused")
    assert "was removed" in job.reason
    assert not job.folder.exists()
    service.runner.resume(job.id)
    job = wait_for_state(service, job, "done")
    assert job.counts["done"] == 3
    assert files_in(job.folder) == {"t/1.jpg", "2.jpg", "3.jpg", *REPORTS}
    seqs = [event["seq"] for event in service.events.replay(job.id)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_file_of_the_user_in_the_results_folder_is_never_overwritten(
    harness: JobsHarness, service
):
    gate = harness.play.hold("a.jpg", "network")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    job.folder.mkdir()
    (job.folder / "a.jpg").write_text("mine")
    gate.open()
    wait_for_state(service, job, "done")
    assert (job.folder / "a.jpg").read_text() == "mine"
    assert service.store.item(job.id, 0).result == "a (2).jpg"
    service.runner.delete(job.id)
    assert files_in(job.folder) == {"a.jpg"}


def test_a_model_that_cannot_be_loaded_pauses_the_job_with_the_reason(
    harness: JobsHarness, service
):
    harness.load_error = UserError("There is no model “x”; choose another.")
    job = wait_for_state(service, start(service, ["a.jpg"]), "paused")
    assert job.reason == "There is no model “x”; choose another."
    assert service.pool.status()["state"] == "failed"
    assert service.pool.status()["message"] == job.reason
    harness.load_error = None
    service.runner.resume(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))
    assert service.pool.status()["state"] == "ready"


def killed(outputs: Path, point: str, name: str) -> None:
    """ClaimQueue on the album 0.jpg ... 4.jpg in a process of its own until it is killed."""
    command = [sys.executable, "-m", "tests.jobs_child", str(outputs), point, name]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == -9, done.stderr


def done_in(outputs: Path) -> set[str]:
    """The photos that the store of a dead process calls done."""
    with closing(sqlite3.connect(outputs / ".gpen-webui" / "jobs.sqlite")) as store:
        return {row[0] for row in store.execute("SELECT name FROM items WHERE state = 'done'")}


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses to write more than this into any file, as a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
