"""Faults while several machines work: every photo is recorded once, whatever happens."""

import random
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.cluster_kit import Coordinator, PlayedWorker
from tests.coordinator_process import PHOTOS
from tests.jobs_kit import check_nothing_lost, start, wait_for_state
from tests.ports import free_port
from tests.server import PROJECT
from tests.waiting import wait_for

pytest_plugins = ["tests.cluster_fixtures"]

SLOW = pytest.mark.slow
LONG_LEASE = 20  # seconds: none runs out


class StubbornWorker(PlayedWorker):
    """Asks again until it is answered, as a real one does."""

    def until_answered(self, ask: Callable[[], requests.Response]) -> requests.Response:
        def answers() -> list[requests.Response]:
            try:
                return [ask()]
            except requests.ConnectionError:
                return []

        [answer] = wait_for(answers)
        return answer

    def claim_or_none(self) -> dict | None:
        name = secrets.token_hex(8)
        answer = self.until_answered(lambda: self.ask(name))
        return answer.json() if answer.status_code == 200 else None

    def deliver(self, claim: dict, data: bytes) -> bool:
        """Whether it was recorded; else it is no longer wanted."""
        while True:
            sent = self.until_answered(lambda: self.send(claim, data))
            if sent.status_code != 200:
                return False
            answer = self.until_answered(lambda: self.finish(claim, data))
            if answer.status_code != 200:
                return False
            if not answer.json()["send"]:
                return True


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("claimed", marks=SLOW),
        "placed",
        pytest.param("recorded", marks=SLOW),
    ],
)
def test_a_coordinator_that_is_killed_loses_nothing_and_records_each_photo_once(
    tmp_path: Path, make_coordinator: Callable[..., Coordinator], point: str
):
    port = free_port()
    arguments = [str(tmp_path / "outputs"), str(port), str(LONG_LEASE), point, "2.jpg"]
    command = [sys.executable, "-m", "tests.coordinator_process", *arguments]
    with (
        subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as child,
        ThreadPoolExecutor() as pool,
    ):
        assert child.stdout.readline() == "ready\n"
        worked = pool.submit(work, StubbornWorker(f"http://127.0.0.1:{port}"))
        assert child.wait(60) == -9
        here = make_coordinator(port=port, lease_seconds=LONG_LEASE)
        [job] = here.service.store.jobs()
        job = wait_for_state(here.service, job, "done")
        worked.result(60)
    check_nothing_lost(here.service, job)
    assert job.counts["done"] == PHOTOS
    assert {item.attempt for item in here.service.store.items(job.id)} == {1}
    assert here.service.store.crashes(job.id) == {}


def work(worker: StubbornWorker) -> None:
    while (claim := worker.claim_or_none()) is not None:
        data = worker.until_answered(
            lambda claim=claim: worker.session.get(
                f"{worker.url}/claims/{claim['claim']}/original", timeout=30
            )
        )
        assert data.status_code == 200
        worker.deliver(claim, worker.restore(claim))


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=SLOW) for n in range(1, 10))])
def test_random_faults_of_three_machines_record_every_photo_once(
    make_coordinator: Callable[..., Coordinator], seed: int
):
    """Machines that die, freeze past their lease, lose answers and send rubbish."""
    here = make_coordinator(lease_seconds=1)
    job = start(here.service, [f"{n}.jpg" for n in range(40)])
    with ThreadPoolExecutor() as pool:
        dice = [random.Random(seed * 10 + n) for n in range(3)]
        machines = [pool.submit(misbehave, here, job, f"machine {n}", dice[n]) for n in range(3)]
        for machine in machines:
            machine.result(120)
    job = wait_for_state(here.service, job, "done")
    assert (job.counts["done"], job.counts["total"]) == (40, 40)
    check_nothing_lost(here.service, job)
    assert here.service.store.crashes(job.id) == {}


def misbehave(here: Coordinator, job, name: str, dice: random.Random) -> None:
    """Work until the job is done, and do wrong what can be done wrong."""
    worker = StubbornWorker(here.url, name)

    def die() -> None:
        nonlocal worker
        worker = StubbornWorker(here.url, name)  # another folder, another machine

    while not here.service.store.job(job.id).ended:
        claim = worker.claim_or_none()
        if claim is None:
            time.sleep(0.05)
            continue
        fault = dice.random()
        if fault < 0.08:
            die()
            continue
        if fault < 0.12:
            time.sleep(1.3)  # past the lease
        if fault > 0.95:
            worker.fail(claim, "given-up")
            continue
        try:
            data = worker.restore(claim)
        except AssertionError:  # the claim is gone
            continue
        if 0.2 < fault < 0.3:
            worker.send(claim, data + b"rubbish", "0" * 64)
        if 0.3 < fault < 0.4:
            worker.finish(claim, data)  # before it is sent
        worker.deliver(claim, data)
        if 0.4 < fault < 0.6:
            worker.deliver(claim, data)
