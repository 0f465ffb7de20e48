"""Tickets in a real Redis: enough to wake who could work, and nothing depends on them."""

import json
from collections.abc import Callable

import pytest

from tests.cluster_kit import Coordinator, PlayedWorker
from tests.jobs_kit import check_nothing_lost, start, wait_for_state
from tests.waiting import wait_for

pytest_plugins = ["tests.cluster_fixtures"]
pytest.importorskip("celery", reason="needs the extra “cluster”")

NAMES = [f"Aunt Mathilda {n}.jpg" for n in range(6)]


@pytest.fixture
def here_settings(broker) -> dict:
    return {"cluster": broker.url}


def test_there_are_as_many_tickets_as_slots_are_free_or_photos_wait(here: Coordinator, broker):
    worker = PlayedWorker(here.url, slots=4)
    worker.beat()
    job = start(here.service, NAMES)
    wait_for(lambda: broker.client.llen("restore") == 4)
    held = [worker.claim() for _ in range(3)]
    broker.client.flushall()
    wait_for(lambda: broker.client.llen("restore") == 1)  # topped up: one slot is free
    for claim in held:
        worker.carry_out(claim)
    worker.work()
    wait_for_state(here.service, job, "done")
    gpu = PlayedWorker(here.url, "gpu-box", device="cuda")
    gpu.beat()
    start(here.service, NAMES)
    wait_for(lambda: broker.client.llen("restore-cuda") == 4)


def test_a_redis_user_with_few_rights_is_enough_and_its_name_reaches_the_workers(
    broker, make_coordinator: Callable[..., Coordinator]
):
    address = broker.url_of_documented_user()
    here = make_coordinator(cluster=address)
    worker = PlayedWorker(here.url)
    assert worker.join().json()["broker"] == address
    worker.pass_probe()
    worker.beat()
    start(here.service, NAMES)
    wait_for(lambda: broker.client.llen("restore") == 4)
    assert here.coordinator.tickets.trouble == ""


def test_a_ticket_says_nothing_of_photos_and_carries_no_secret(here: Coordinator, broker):
    worker = PlayedWorker(here.url)
    worker.beat()
    start(here.service, NAMES)
    wait_for(lambda: broker.client.llen("restore"))
    told = b"".join(broker.client.lrange("restore", 0, -1))
    token = worker.session.headers["Authorization"].split()[1]
    for secret in ("Mathilda", "Summer", "outputs", token):
        assert secret.encode() not in told
    message = json.loads(broker.client.lindex("restore", 0))
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "restore.wake"


def test_an_album_goes_on_while_redis_is_away_and_tickets_come_back_with_it(
    here: Coordinator, broker
):
    worker = PlayedWorker(here.url)
    worker.beat()
    job = start(here.service, NAMES)
    wait_for(lambda: broker.client.llen("restore") == 4)
    broker.stop()
    wait_for(lambda: "away" in here.coordinator.tickets.trouble)
    assert worker.beat()["wake"] == 4
    assert worker.work() == len(NAMES)
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))
    broker.start()
    start(here.service, NAMES)
    wait_for(lambda: broker.client.llen("restore") == 4)
    assert here.coordinator.tickets.trouble == ""
