"""Many workers at once, and one whose clock is wrong: each photo is recorded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster_kit import Coordinator, PlayedWorker
from tests.cluster_processes import WorkerProcesses
from tests.jobs_kit import check_nothing_lost, start, states, wait_for_state

pytest_plugins = ["tests.cluster_fixtures"]

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
SLOTS = 8


def work(url: str, number: int) -> int:
    """A played worker that holds several photos at a time; how many it restored."""
    worker, restored = PlayedWorker(url, f"w{number}", slots=SLOTS), 0
    while True:
        asked = [worker.ask() for _ in range(SLOTS)]
        held = [answer.json() for answer in asked if answer.status_code == 200]
        if not held:
            return restored
        for claim in held:
            worker.beat(*held)
            restored += worker.carry_out(claim).status_code == 200


@pytest.mark.parametrize(
    ("workers", "photos"),
    [
        pytest.param(4, 60, id="4 workers"),
        pytest.param(50, 10_000, id="50 workers", marks=[pytest.mark.slow]),
    ],
)
@pytest.mark.timeout(3000)
def test_many_workers_with_eight_slots_each_record_every_photo_once(
    here: Coordinator, workers: int, photos: int
):
    job = start(here.service, [f"{n}.jpg" for n in range(photos)])
    with ThreadPoolExecutor(workers) as pool:
        restored = list(pool.map(lambda number: work(here.url, number), range(workers)))
    job = wait_for_state(here.service, job, "done")
    assert sum(restored) == photos
    assert set(states(here.service, job).values()) == {"done"}
    check_nothing_lost(here.service, job)


@pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime (Debian: faketime)")
def test_a_worker_whose_clock_is_an_hour_off_works_like_any_other(
    here: Coordinator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LD_PRELOAD", str(FAKETIME))
    monkeypatch.setenv("FAKETIME", "+1h")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")  # as no machine's is ever set
    workers = WorkerProcesses(tmp_path / "workers", gates=tmp_path)
    monkeypatch.undo()
    try:
        workers.start(here.url, "early").wait_until_ready()
        job = start(here.service, ["a.jpg", "b.jpg", "c.jpg"])
        job = wait_for_state(here.service, job, "done")
        check_nothing_lost(here.service, job)
    finally:
        workers.close()
