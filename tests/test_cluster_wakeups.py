"""Tickets at the worker: they wake it, they are left to others, and nothing about Redis ends it.

Redis and the tickets are real; the coordinator and the pixels are played. The worker does not ask
by itself here, so what it restores it was woken for.
"""

from __future__ import annotations

import base64
import json
import os
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from gpen_webui.cluster.tickets import TICKET, celery_app
from tests.played_coordinator import PlayedCoordinator
from tests.redis_server import RedisServer
from tests.waiting import wait_for
from tests.worker_kit import RunningWorker, check_restored

pytest_plugins = ["tests.cluster_fixtures", "tests.worker_fixtures"]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are ended by signals")

NEVER = 10_000.0  # seconds
QUEUE = "restore"
UNPACKED = 100_000_000  # bytes


@pytest.fixture
def worker(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], broker: RedisServer
) -> RunningWorker:
    """One slot, ready, with nothing to do."""
    coordinator.broker = broker.url
    running = start(slots=1, ask_seconds=NEVER)
    running.wait_until_ready()
    wait_for(lambda: coordinator.asked["claim"])
    return running


def send_tickets(broker: RedisServer, count: int = 1) -> None:
    app = celery_app(broker.url)
    for _ in range(count):
        app.send_task(TICKET, queue=QUEUE)


def test_a_ticket_wakes_an_idle_worker_and_is_left_to_others_by_a_busy_one(
    coordinator: PlayedCoordinator, worker: RunningWorker, broker: RedisServer, tmp_path: Path
):
    photos = coordinator.add("a.jpg")
    send_tickets(broker)
    coordinator.wait_until_ended(photos)
    check_restored(photos)
    [busy] = coordinator.add("wait.jpg")
    send_tickets(broker)
    coordinator.wait_until_claimed(busy)
    send_tickets(broker, 3)
    beats = len(coordinator.beats)
    wait_for(lambda: len(coordinator.beats) > beats + 30)
    assert broker.client.llen(QUEUE) >= 3
    (tmp_path / "wait.jpg").touch()
    coordinator.wait_until_ended([busy])
    wait_for(lambda: broker.client.llen(QUEUE) == 0)


def test_a_worker_that_cannot_reach_its_coordinator_leaves_the_tickets_to_others(
    coordinator: PlayedCoordinator, worker: RunningWorker, broker: RedisServer
):
    for kind in ("beat", "claim"):
        coordinator.faults[kind] = ["away"] * 10_000
    wait_for(lambda: worker.said("does not answer"))
    send_tickets(broker, 3)
    asked = coordinator.asked["beat"]
    wait_for(lambda: coordinator.asked["beat"] > asked + 20)
    left = broker.client.llen(QUEUE)
    photos = coordinator.add("a.jpg")
    coordinator.faults.clear()
    coordinator.wait_until_ended(photos)
    assert left >= 2, "one may have been under way"


def test_redis_may_be_emptied_fed_with_nonsense_killed_and_missing(
    coordinator: PlayedCoordinator, worker: RunningWorker, broker: RedisServer
):
    for number in range(8):
        broker.client.flushall()
        photos = coordinator.add(f"flushed-{number}.jpg")
        send_tickets(broker)
        coordinator.wait_until_ended(photos)
    broker.client.lpush(QUEUE, b"no ticket", b'{"body": 1}', b"\xff\x00")
    wait_for(lambda: broker.client.llen(QUEUE) == 0)
    wake_until_restored(coordinator, broker, "after nonsense.jpg")
    broker.stop()
    beats = len(coordinator.beats)
    wait_for(lambda: len(coordinator.beats) > beats + 20)
    broker.start()
    wake_until_restored(coordinator, broker, "after a restart.jpg")


def test_a_ticket_that_would_unpack_to_all_of_the_memory_only_wakes_the_worker(
    coordinator: PlayedCoordinator, worker: RunningWorker, broker: RedisServer
):
    send_tickets(broker)
    wait_for(lambda: coordinator.asked["claim"] > 1)
    celery_app(broker.url).send_task(TICKET, queue="aside")
    ticket = json.loads(broker.client.lpop("aside"))
    ticket["headers"]["compression"] = "application/x-gzip"
    ticket["body"] = base64.b64encode(zlib.compress(bytes(UNPACKED), 1)).decode()
    photos = coordinator.add("a.jpg")
    tracemalloc.start()
    try:
        broker.client.lpush(QUEUE, json.dumps(ticket))
        coordinator.wait_until_ended(photos)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    check_restored(photos)
    assert most < UNPACKED / 2


def wake_until_restored(coordinator: PlayedCoordinator, broker: RedisServer, name: str) -> None:
    """The worker connects again by itself, a moment later."""
    photos = coordinator.add(name)
    send_tickets(broker)
    coordinator.wait_until_ended(photos)
    check_restored(photos)


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1", "memory://host"])
def test_without_redis_beats_wake_the_worker(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], broker: str
):
    coordinator.broker = broker
    worker = start(slots=1, ask_seconds=NEVER)
    worker.wait_until_ready()
    photos = coordinator.add("a.jpg", "b.jpg")
    wait_for(lambda: worker.said("No tickets come"))
    coordinator.wake = 1
    coordinator.wait_until_ended(photos)
    check_restored(photos)


def test_the_documented_user_of_redis_may_do_all_that_workers_need_and_no_more(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], broker: RedisServer
):
    coordinator.broker = broker.url_of_documented_user()
    start(slots=1, ask_seconds=NEVER).wait_until_ready()
    photos = coordinator.add("a.jpg")
    celery_app(coordinator.broker).send_task(TICKET, queue=QUEUE)
    coordinator.wait_until_ended(photos)
    beats = len(coordinator.beats)
    wait_for(lambda: len(coordinator.beats) > beats + 30)  # it has listened in vain meanwhile
    assert broker.client.acl_log() == []
    denied = broker.client.execute_command("ACL", "DRYRUN", "gpen", "FLUSHALL")
    assert b"no permissions" in denied
    denied = broker.client.execute_command("ACL", "DRYRUN", "gpen", "LPUSH", "another", "x")
    assert b"no permissions" in denied
