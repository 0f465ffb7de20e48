"""The network between a worker, its coordinator and Redis is cut: no photo is lost or doubled.

The worker runs in a network namespace of its own; the cables to the other two are pulled out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from gpen_webui.jobs.records import Job
from gpen_webui.jobs.runner.other_machines import Member
from gpen_webui.jobs.store.jobs import NewPhoto
from gpen_webui.options import RestoreOptions
from tests.cluster_kit import Coordinator
from tests.cluster_processes import WorkerProcess, WorkerProcesses
from tests.jobs_kit import check_nothing_lost, states, wait_for_state
from tests.network_namespace import Network, why_not
from tests.redis_server import RedisServer
from tests.waiting import wait_for

pytest_plugins = ["tests.cluster_fixtures"]
WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

TO_COORDINATOR, TO_REDIS = 0, 1  # cables
LEASE = 2  # seconds
LARGE = 20_000_000  # bytes: no socket's buffers hold so much


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network(cables=2)
    yield made
    made.close()


@pytest.fixture
def here(
    network: Network, tmp_path: Path, make_coordinator: Callable[..., Coordinator]
) -> Iterator[Coordinator]:
    redis = RedisServer(tmp_path, network.addresses[TO_REDIS])
    yield make_coordinator(
        address=network.addresses[TO_COORDINATOR],
        token="a-token-for-tests-only",
        cluster=redis.url,
        lease_seconds=LEASE,
    )
    redis.stop()


@pytest.fixture
def far(network: Network, here: Coordinator, tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker behind the cables."""
    processes = WorkerProcesses(tmp_path / "far", tmp_path, network.before)
    started = processes.start(here.url, "far", slots=2)
    started.wait_until_ready()
    yield started
    processes.close()


def album(here: Coordinator, names: list[str], size: int = 100) -> Job:
    """A started album of such photos."""
    store, photos = here.service.store, []
    job = store.create_job("album", "Cut off", RestoreOptions())
    for name in names:
        path = store.incoming()
        path.write_bytes(name.encode().ljust(size, b"."))
        photos.append(NewPhoto(path, name))
    store.add_items(job.id, photos)
    return here.service.runner.submit(job.id)


def check_done(here: Coordinator, job: Job) -> None:
    job = wait_for_state(here.service, job, "done")
    assert set(states(here.service, job).values()) == {"done"}
    check_nothing_lost(here.service, job)


@pytest.mark.parametrize(
    "cables",
    [
        pytest.param((TO_COORDINATOR,), id="coordinator", marks=pytest.mark.slow),
        pytest.param((TO_REDIS,), id="redis", marks=pytest.mark.slow),
        pytest.param((TO_COORDINATOR, TO_REDIS), id="both"),
    ],
)
def test_a_worker_that_is_cut_off_loses_no_photo_and_works_again_afterwards(
    here: Coordinator, far: WorkerProcess, network: Network, workers: WorkerProcesses,
    tmp_path: Path, cables: tuple[int, ...],
):  # fmt: skip
    names = [f"wait-{n}.jpg" for n in range(4)]
    job = album(here, names)
    wait_for(lambda: here.service.store.job(job.id).counts["running"] == 2)
    network.pull_out(*cables)
    near = workers.start(here.url, "near", slots=1)
    near.wait_until_ready()
    for name in names:
        (tmp_path / name).touch()
    check_done(here, job)
    by = {here.service.store.item(job.id, n).report["restored_by"]["machine"] for n in range(4)}
    assert by == {"near"} if TO_COORDINATOR in cables else "far" in by
    network.plug_in(*cables)
    machines = here.coordinator.machines
    wait_for(lambda: machines.is_available(machines.find("far")))
    machines.drain(machines.find("near"))
    check_done(here, album(here, ["1.jpg", "2.jpg"]))
    assert here.coordinator.tickets is not None
    assert not here.coordinator.tickets.trouble
    assert far.lives()


@pytest.mark.slow
def test_a_result_whose_upload_is_cut_off_is_recorded_once(
    here: Coordinator, far: WorkerProcess, network: Network, workers: WorkerProcesses
):
    find, found, is_cut = here.coordinator.find, Counter(), Event()

    def find_and_cut(member: Member, claim: str) -> object:
        outcome = find(member, claim)
        found[claim] += 1
        if member.row.name == "far" and found[claim] == 2:  # the result is on its way
            network.pull_out(TO_COORDINATOR)
            is_cut.set()
        return outcome

    here.coordinator.find = find_and_cut
    job = album(here, ["large.jpg"], LARGE)
    assert is_cut.wait(60)
    here.coordinator.find = find
    workers.start(here.url, "near", slots=1)
    check_done(here, job)
    item = here.service.store.item(job.id, 0)
    assert (item.report["restored_by"]["machine"], item.attempt) == ("near", 2)
    network.plug_in(TO_COORDINATOR)
    machines = here.coordinator.machines
    wait_for(lambda: machines.is_available(machines.find("far")))
    machines.drain(machines.find("near"))
    check_done(here, album(here, ["next.jpg"], LARGE))
    assert far.lives()
