"""The runner where it is at its narrowest: a result that is being saved."""

from pathlib import Path
from threading import Thread, Timer

import pytest

from gpen_webui.jobs.runner import foreman, saving
from gpen_webui.jobs.runner.throughput import ThroughputEstimator
from tests.jobs_kit import (
    REPORTS,
    Gate,
    JobsHarness,
    check_nothing_lost,
    files_in,
    start,
    states,
    wait_for_state,
)
from tests.test_jobs_conformance_faults import killed
from tests.waiting import wait_for


@pytest.fixture
def harness(tmp_path: Path):
    harness = JobsHarness(tmp_path / "outputs", workers=1)
    yield harness
    harness.close()


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A gate behind which results are in their place, but not on record."""
    gate = Gate()

    def place(*arguments, place=saving.place):
        place(*arguments)
        gate.pass_through()

    monkeypatch.setattr(saving, "place", place)
    return gate


def test_cancelling_waits_for_a_result_that_is_being_saved(harness: JobsHarness, placed: Gate):
    service = harness.open()
    job = start(service, ["a.jpg", "b.jpg"])
    placed.wait_until_reached()

    def let_it_end() -> None:
        wait_for(lambda: service.store.job(job.id).state == "cancelled")
        Timer(0.2, placed.open).start()

    Thread(target=let_it_end).start()
    job = service.runner.cancel(job.id)
    assert states(service, job) == {"a.jpg": "cancelled", "b.jpg": "cancelled"}
    assert not job.folder.exists()


@pytest.mark.parametrize("ask", ["cancel", "delete"])
def test_a_result_that_comes_too_late_is_removed(harness, placed: Gate, monkeypatch, ask: str):
    monkeypatch.setattr(foreman, "SAVING_PATIENCE", 0.1)
    service = harness.open()
    job = start(service, ["t/a.jpg", "b.jpg"])
    placed.wait_until_reached()
    getattr(service.runner, ask)(job.id)
    placed.open()
    wait_for(lambda: service.pool.status()["busy"] == 0)
    assert files_in(job.folder) <= REPORTS
    check_nothing_lost(service, wait_for_state(service, start(service, ["c.jpg"]), "done"))


def test_a_result_that_was_never_recorded_is_removed_when_its_photo_is_left_out(
    harness: JobsHarness,
):
    for _ in range(3):
        killed(harness.outputs, "placed", "2.jpg")
    service = harness.open()
    [job] = service.store.jobs()
    job = wait_for_state(service, job, "done")
    assert states(service, job)["2.jpg"] == "failed"
    check_nothing_lost(service, job)


def test_a_photo_that_cannot_be_opened_says_nothing_of_the_time_left():
    throughput = ThroughputEstimator()
    throughput.begin("album")
    assert throughput.finish("album", is_work=False) is None
    known = throughput.finish("album")
    assert known is not None
    assert throughput.finish("album", is_work=False) == known
