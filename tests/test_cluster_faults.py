"""Workers, coordinator and photos fail at any moment: every photo is recorded exactly once.

Store, HTTP, workers and their restoring processes are real; only the pixels are played.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from gpen_webui.jobs.records import Job
from gpen_webui.jobs.runner.other_machines import Member
from tests.cluster_kit import Coordinator
from tests.cluster_processes import WorkerProcess, WorkerProcesses, kill
from tests.coordinator_process import PHOTOS
from tests.jobs_kit import check_nothing_lost, start, states, wait_for_state
from tests.ports import free_port
from tests.waiting import wait_for

pytest_plugins = ["tests.cluster_fixtures"]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are ended by signals")

LEASE = 2  # seconds
# What is going on when a worker is killed: it has just claimed, fetches, restores or sends a photo,
# is about to say so, or has said so and waits for the answer.
MOMENTS = ("claim", "fetch", "network", "send", "finish", "finished")


@pytest.fixture
def here_settings() -> dict:
    return {"lease_seconds": LEASE}


class KillingCoordinator:
    """Stands before a coordinator, and kills a worker at a moment of its next photo."""

    def __init__(self, here: Coordinator):
        self.died = Event()
        self._calls: Counter[str] = Counter()
        self._victim: WorkerProcess | None = None
        self._moment = ""
        for name in ("claim", "find", "finish"):
            setattr(here.coordinator, name, self._watched(name, getattr(here.coordinator, name)))

    def aim(self, victim: WorkerProcess, moment: str) -> None:
        self.died.clear()
        self._calls.clear()
        self._victim, self._moment = victim, moment

    def _watched(self, name: str, method: Callable) -> Callable:
        def watched(member: Member, what: object) -> object:
            outcome = method(member, what)
            self._calls[f"{name} {what}"] += 1
            if name == "find":
                self._at(member, "send" if self._calls[f"find {what}"] == 2 else "fetch")
            elif outcome is not None:
                self._at(member, "claim")
            return outcome

        def watched_finish(member: Member, claim: str, finish: object) -> object:
            self._at(member, "finish")
            outcome = method(member, claim, finish)
            self._at(member, "finished")
            return outcome

        return watched_finish if name == "finish" else watched

    def _at(self, member: Member, moment: str) -> None:
        if moment == self._moment and self._victim and member.row.name == self._victim.name:
            kill(self._victim)
            self._moment = ""
            self.died.set()


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(MOMENTS, id="six"),
        pytest.param(random.Random(23).choices(MOMENTS, k=100), id="100", marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(1800)
def test_workers_that_are_killed_at_any_moment_cost_no_photo_and_double_none(
    here: Coordinator, workers: WorkerProcesses, tmp_path: Path, moments: tuple[str, ...]
):
    killing = KillingCoordinator(here)
    rescuer = workers.start(here.url, "rescuer", slots=1)
    rescuer.wait_until_ready()
    for number, moment in enumerate(moments):
        victim = workers.start(here.url, "victim")
        victim.wait_until_ready()
        killing.aim(victim, moment)
        names = [f"wait-{number}-{n}.jpg" for n in range(4)]
        job = start(here.service, names)
        if moment in ("network", "send", "finish", "finished"):
            wait_for(lambda job=job: stages(here, job) == ["network"] * 3)
        if moment == "network":
            kill(victim)
        for name in names:
            if moment not in ("claim", "fetch"):
                (tmp_path / name).touch()
        assert moment == "network" or killing.died.wait(60), moment
        for name in names:
            (tmp_path / name).touch()
        check_done(here, job)
    assert rescuer.lives()


def stages(here: Coordinator, job: Job) -> list[str]:
    """Of the photos in progress."""
    return [item.stage for item in here.service.store.items(job.id) if item.state == "running"]


def check_done(here: Coordinator, job: Job) -> None:
    """The job ends, and each of its photos is restored."""
    job = wait_for_state(here.service, job, "done")
    assert set(states(here.service, job).values()) <= {"done", "no_face"}
    check_nothing_lost(here.service, job)


def test_a_worker_that_freezes_past_its_lease_comes_back_late_and_changes_nothing(
    here: Coordinator, workers: WorkerProcesses, tmp_path: Path
):
    frozen = workers.start(here.url, "frozen", slots=1)
    frozen.wait_until_ready()
    job = start(here.service, ["wait.jpg"])
    wait_for(lambda: here.service.store.item(job.id, 0).stage == "network")
    frozen.send(signal.SIGSTOP)
    (tmp_path / "wait.jpg").touch()
    other = workers.start(here.url, "other", slots=1)
    check_done(here, job)
    result = here.service.store.result(job.id, 0)
    placed = result.stat()
    frozen.send(signal.SIGCONT)
    again = start(here.service, ["next.jpg", "another.jpg"])
    check_done(here, again)
    frozen.send(signal.SIGTERM)
    frozen.wait_until_ended()
    assert (result.stat().st_mtime_ns, result.stat().st_ino) == (placed.st_mtime_ns, placed.st_ino)
    assert here.service.store.item(job.id, 0).report["restored_by"]["machine"] == "other"
    assert here.service.store.item(job.id, 0).attempt == 2
    assert other.lives()


def test_cancel_pause_and_delete_while_three_work_and_one_that_is_drained_and_one_that_is_added(
    here: Coordinator, workers: WorkerProcesses, tmp_path: Path
):
    three = [workers.start(here.url, f"w{n}", slots=1) for n in range(3)]
    for worker in three:
        worker.wait_until_ready()
    runner, store = here.service.runner, here.service.store
    names = [f"wait-{n}.jpg" for n in range(6)]
    cancelled, paused, deleted = (start(here.service, names[:2]) for _ in range(3))
    jobs = (cancelled, paused, deleted)
    wait_for(lambda: sum(store.job(job.id).counts["running"] for job in jobs) == 3)
    runner.cancel(cancelled.id)
    runner.pause(paused.id)
    runner.delete(deleted.id)
    for name in names:
        (tmp_path / name).touch()
    wait_for_state(here.service, cancelled, "cancelled")
    wait_for_state(here.service, paused, "paused")
    drained = here.coordinator.machines.find("w0")
    here.coordinator.machines.drain(drained)
    runner.resume(paused.id)
    check_done(here, paused)
    assert not store.job(cancelled.id).folder.exists()
    wait_for(lambda: three[0].said("lets this machine rest"))
    more = start(here.service, [f"{n}.jpg" for n in range(20)])
    workers.start(here.url, "added")
    check_done(here, more)
    by = {store.item(more.id, n).report["restored_by"]["machine"] for n in range(20)}
    assert "w0" not in by
    assert all(worker.lives() for worker in three)


def test_a_photo_that_kills_processes_is_left_out_after_three_deaths_and_costs_no_other(
    here: Coordinator, workers: WorkerProcesses
):
    two = [workers.start(here.url, name) for name in ("one", "two")]
    for worker in two:
        worker.wait_until_ready()
    job = start(here.service, ["a.jpg", "crash.jpg", "b.jpg", "c.jpg"])
    job = wait_for_state(here.service, job, "done")
    found = states(here.service, job)
    assert found.pop("crash.jpg") == "failed"
    assert set(found.values()) == {"done"}
    [crash] = [item for item in here.service.store.items(job.id) if item.name == "crash.jpg"]
    assert "3 times" in crash.error["message"]
    check_nothing_lost(here.service, job)


@pytest.mark.parametrize(
    "deaths",
    [
        pytest.param([("claimed", 1), ("placed", 3), ("recorded", 5)], id="three"),
        pytest.param(
            [("claimed", 1), ("placed", 5), ("recorded", 9), ("claimed", 15)],
            id="four",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_coordinator_that_is_killed_at_any_moment_goes_on_with_what_its_workers_hold(
    workers: WorkerProcesses,
    make_coordinator: Callable[..., Coordinator],
    tmp_path: Path,
    deaths: list[tuple[str, int]],
):
    port = free_port()
    arguments = [str(tmp_path / "outputs"), str(port), str(LEASE)]
    url = f"http://127.0.0.1:{port}"
    two = [workers.start(url, name) for name in ("one", "two")]
    for point, number in deaths:
        command = [sys.executable, "-m", "tests.coordinator_process", *arguments, point]
        done = subprocess.run(
            [*command, f"{number}.jpg"], timeout=120, capture_output=True, text=True
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
    here = make_coordinator(port=port, lease_seconds=LEASE)
    [job] = here.service.store.jobs()
    check_done(here, job)
    assert all(here.service.store.item(job.id, n).attempt <= 4 for n in range(PHOTOS))
    assert all(worker.lives() for worker in two)
