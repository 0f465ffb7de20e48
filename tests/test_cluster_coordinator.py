"""The coordinator: photos given to other machines, and what they bring back."""

import pytest

from tests.cluster_kit import Coordinator, PlayedWorker
from tests.jobs_kit import JobsHarness, check_nothing_lost, start, states, wait_for_state

NAMES = [f"{n}.jpg" for n in range(4)]


@pytest.fixture
def make(tmp_path):
    made = []

    def make_coordinator(**settings: object) -> Coordinator:
        harness = made[-1].harness if made else JobsHarness(tmp_path / "outputs")
        made.append(Coordinator(harness, **settings))
        return made[-1]

    yield make_coordinator
    if made:
        made[-1].close()


@pytest.fixture
def here(make) -> Coordinator:
    return make()


def test_an_album_is_restored_by_another_machine_and_its_reports_say_by_whom(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, NAMES)
    assert worker.work() == len(NAMES)
    job = wait_for_state(here.service, job, "done")
    check_nothing_lost(here.service, job)
    report = here.service.store.item(job.id, 2).report
    assert report["restored_by"] == {"machine": "attic", "kind": "avx2"}
    assert report["name"] == "2.jpg"
    assert states(here.service, job) == dict.fromkeys(NAMES, "done")
