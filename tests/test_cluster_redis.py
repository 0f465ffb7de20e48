"""Redis is emptied and killed while albums are restored: it costs no photo."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from tests.cluster_kit import Coordinator
from tests.cluster_processes import WorkerProcesses
from tests.jobs_kit import check_nothing_lost, start, states, wait_for_state
from tests.redis_server import RedisServer
from tests.waiting import wait_for

pytest_plugins = ["tests.cluster_fixtures"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="processes are ended by signals"),
    pytest.mark.timeout(900),
]

PHOTOS = 40
AWAY = (1, 6, 30)  # seconds that Redis is killed for


def test_an_album_is_restored_once_whole_whatever_becomes_of_redis(
    make_coordinator: Callable[..., Coordinator], workers: WorkerProcesses, broker: RedisServer
):
    here = make_coordinator(cluster=broker.url, lease_seconds=3)
    for name in ("one", "two"):
        workers.start(here.url, name).wait_until_ready()
    tickets = here.coordinator.tickets
    assert tickets is not None

    def restore(disturb: Callable[[int], None], times: int) -> None:
        job = start(here.service, [f"{n}.jpg" for n in range(PHOTOS)])
        for number in range(times):
            done = PHOTOS * number // times
            wait_for(lambda done=done: here.service.store.job(job.id).counts["done"] >= done)
            disturb(number)
        job = wait_for_state(here.service, job, "done")
        assert set(states(here.service, job).values()) == {"done"}
        check_nothing_lost(here.service, job)

    restore(lambda number: broker.client.flushall(), 8)
    for seconds in AWAY:
        broker.stop()
        restore(lambda number: None, 1)
        wait_for(lambda: tickets.trouble)
        time.sleep(seconds)
        restore(lambda number: None, 1)
        broker.start()
        wait_for(lambda: not tickets.trouble)
        restore(lambda number: broker.client.flushall(), 2)
