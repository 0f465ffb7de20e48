"""Photos are blamed for nothing but themselves: not for the model, the machine or our bugs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from gpen_webui.jobs.runner import foreman, local_pool, saving
from gpen_webui.jobs.store.claims import ClaimQueue
from gpen_webui.shortage import ShortageError
from tests.jobs_kit import JobsHarness, check_nothing_lost, collect, start, wait_for_state
from tests.waiting import wait_for

pytest_plugins = ["tests.jobs_fixtures"]


# The model


def test_a_loader_that_kills_the_process_pauses_the_jobs_and_blames_no_photo(harness: JobsHarness):
    for _ in range(3):
        died_while_loading(harness.outputs)
    service = harness.open()
    [job] = service.store.jobs()
    assert job.state == "paused"
    assert "while it loaded the model" in job.reason
    assert service.pool.status()["state"] == "failed"
    service.pool.warm_up()  # as at every start: must not walk into it again
    assert harness.loaded == []
    assert {item.attempt for item in service.store.items(job.id)} == {0}
    service.runner.resume(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))


def test_a_loader_that_died_once_is_tried_again_unasked(harness: JobsHarness):
    died_while_loading(harness.outputs)
    service = harness.open()
    [job] = service.store.jobs()
    check_nothing_lost(service, wait_for_state(service, job, "done"))


def test_a_model_that_cannot_be_loaded_pauses_every_started_job_at_once(
    harness: JobsHarness, service
):
    harness.load_error = RuntimeError("no such device")
    jobs = [collect(service, [f"{n}.jpg"]) for n in range(3)]
    for job in jobs:
        service.runner.submit(job.id)
    for job in jobs:
        job = wait_for_state(service, job, "paused")
        assert "model could not be loaded" in job.reason
        assert {item.attempt for item in service.store.items(job.id)} == {0}


def died_while_loading(outputs: Path) -> None:
    """A process with an album died by its loader, before any photo was begun."""
    command = [sys.executable, "-m", "tests.jobs_child", str(outputs), "loading", ""]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == -9, done.stderr


# The machine


def test_a_shortage_in_a_stage_pauses_the_job_with_the_reason(harness: JobsHarness, service):
    harness.play.fail("b.jpg", ShortageError("The memory is used up; make room, then try again."))
    job = wait_for_state(service, start(service, ["a.jpg", "b.jpg"]), "paused")
    assert job.reason == "The memory is used up; make room, then try again."
    assert job.counts["failed"] == 0
    harness.play.mend("b.jpg")
    service.runner.resume(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))


def test_no_more_open_files_pause_the_job_with_the_reason(harness: JobsHarness, service):
    gate = harness.play.hold("a.jpg", "open")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    with no_further_files():
        gate.open()
        wait_for(lambda: harness.play.entered[-1] == ("a.jpg", "save"))
        # From inside, nothing can be looked at as long as no file may be opened.
        wait_for(lambda: service.pool.status()["busy"] == 0)
    job = wait_for_state(service, job, "paused")
    assert "may not open more files" in job.reason
    service.runner.resume(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))


@contextmanager
def no_further_files() -> Iterator[None]:
    """The kernel lets this process open nothing more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


# The program itself


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), MemoryError(), UnicodeEncodeError("latin-1", "東", 0, 1, "no such")],
    ids=["bug", "memory", "locale"],
)
@pytest.mark.parametrize("place", ["bytes", "result", "record", "report"])
def test_what_cannot_be_saved_or_recorded_pauses_the_job_and_costs_no_worker(
    harness: JobsHarness, service, monkeypatch, place: str, error: Exception
):
    owner, name = {
        "result": (saving, "place"),
        "bytes": (saving, "write_staged"),
        "record": (ClaimQueue, "finish"),
        "report": (saving, "write_reports"),
    }[place]

    def fail(*arguments: object, **more: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, fail)
        job = wait_for_state(service, start(service, ["a.jpg"]), "paused")
    assert job.reason.endswith("resume.")
    assert job.counts["failed"] == 0
    wait_for(lambda: service.pool.status()["busy"] == 0)
    assert service.pool.status()["workers"] == 2
    service.runner.resume(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))


def test_a_thread_that_does_not_start_is_told_and_tried_again(harness: JobsHarness, monkeypatch):
    class NoThread(Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(local_pool, "Thread", NoThread)
    service = harness.open()
    job = start(service, ["a.jpg"])
    status = service.pool.status()
    assert (status["state"], status["workers"]) == ("failed", 0)
    assert "No more processes or threads can be started" in status["message"]
    monkeypatch.undo()
    wait_for(lambda: service.pool.status()["state"] != "failed")
    check_nothing_lost(service, wait_for_state(service, job, "done"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_threads_that_die_are_replaced_and_their_photos_done(harness: JobsHarness, monkeypatch):
    deaths = iter([SystemExit] * 3)

    def die(*_: object) -> None:
        if death := next(deaths, None):
            raise death

    monkeypatch.setattr(local_pool, "put_network_first", die)
    service = harness.open()
    job = start(service, ["a.jpg", "b.jpg", "c.jpg"])
    check_nothing_lost(service, wait_for_state(service, job, "done"))
    wait_for(lambda: service.pool.status()["workers"] == 2)
    assert next(deaths, None) is None


def test_a_job_that_cannot_even_be_paused_for_want_of_memory_waits_for_it(
    harness: JobsHarness, service, monkeypatch
):
    tries = []
    release = ClaimQueue.release

    def hungry(*arguments: object) -> None:
        tries.append(arguments)
        if len(tries) < 3:
            raise MemoryError
        release(*arguments)

    monkeypatch.setattr(foreman, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(ClaimQueue, "release", hungry)
    harness.play.fail("a.jpg", ShortageError("The memory is used up, then try again."))
    wait_for_state(service, start(service, ["a.jpg"]), "paused")
    assert len(tries) == 3
