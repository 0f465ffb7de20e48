"""Eight clients call the HTTP API at random while the working process is killed again and again.

Afterwards every job is whole: each photo in one final state, files as recorded, events without
a gap; and no answer on the way was a 5xx.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import requests

from tests.faults.album import portrait
from tests.jobs_kit import reports_of
from tests.server import Server
from tests.waiting import wait_for

THREADS = 8
FINAL = {"done", "no_face", "failed", "cancelled"}
PHOTOS = [portrait(n) for n in range(6)]
BAD_PHOTOS = [b"no photo", b"", portrait(1)[:400]]


class Client:
    """One of the callers; job ids are shared, so that they meddle with each other's jobs."""

    def __init__(self, url: str, seed: str, jobs: list[str], codes: Counter[int]):
        self._url = url
        self._chance = random.Random(seed)
        self._jobs = jobs
        self._codes = codes
        self._session = requests.Session()

    def call_often(self, calls: int, stop: threading.Event) -> None:
        actions: list[tuple[int, Callable[[], object]]] = [
            (6, self.new_job),
            (14, self.add_photo),
            (8, self.start),
            (8, self.change),
            (3, self.run_again),
            (2, self.delete),
            (4, self.enhance),
            (2, self.batch),
            (20, self.look),
            (8, self.look_at_pictures),
        ]
        weights = [weight for weight, _ in actions]
        for _ in range(calls):
            if stop.is_set():
                return
            [(_, action)] = self._chance.choices(actions, weights)
            action()

    def ask(self, method: str, path: str, **more: object) -> requests.Response:
        """Ask, again and again while the working process is away."""

        def answered() -> list[requests.Response]:
            with suppress(requests.RequestException):
                return [self._session.request(method, self._url + path, timeout=60, **more)]
            return []

        (answer,) = wait_for(answered)
        self._codes[answer.status_code] += 1
        assert answer.status_code < 500, (method, path, answer.text[:300])
        return answer

    def some_job(self) -> str:
        return self._chance.choice(self._jobs[-20:] or ["0123456789abcdef"])

    def some_photo(self) -> bytes:
        return self._chance.choice(BAD_PHOTOS if self._chance.random() < 0.1 else PHOTOS)

    def options(self) -> dict:
        return {"strength": self._chance.randint(0, 100), "format": self._chance.choice(FORMATS)}

    def remember(self, answer: requests.Response, field: str) -> None:
        if answer.ok:
            self._jobs.append(answer.json()[field])

    def new_job(self) -> None:
        body = {"options": self.options(), "name": self._chance.choice(NAMES)}
        if self._chance.random() < 0.3:
            body["key"] = f"key-{self._chance.randint(0, 10)}"
        self.remember(self.ask("POST", "/api/jobs", json=body), "id")

    def add_photo(self) -> None:
        name = self._chance.choice(("a.jpg", "b/a.jpg", "A.JPG", "../c.png", "scan", "report.json"))
        fields = {"name": name}
        if self._chance.random() < 0.4:
            fields["key"] = str(self._chance.randint(0, 5))
        photo = {"photo": ("upload", self.some_photo())}
        self.ask("POST", f"/api/jobs/{self.some_job()}/items", files=photo, data=fields)

    def start(self) -> None:
        self.ask("POST", f"/api/jobs/{self.some_job()}/start")

    def change(self) -> None:
        action = self._chance.choice(("pause", "resume", "resume", "cancel", "retry"))
        self.ask("POST", f"/api/jobs/{self.some_job()}/{action}")

    def run_again(self) -> None:
        body = {"options": self.options()}
        self.remember(self.ask("POST", f"/api/jobs/{self.some_job()}/run-again", json=body), "id")

    def delete(self) -> None:
        self.ask("DELETE", f"/api/jobs/{self.some_job()}")

    def enhance(self) -> None:
        photo = {"photo": ("one.jpg", self.some_photo())}
        self.remember(self.ask("POST", "/enhance", files=photo, data=self.options()), "job")

    def batch(self) -> None:
        files = [("photos", (f"{n}.jpg", self.some_photo())) for n in range(3)]
        self.remember(self.ask("POST", "/batch-enhance", files=files), "job")

    def look(self) -> None:
        job = self.some_job()
        paths = (f"/api/jobs/{job}", f"/api/jobs/{job}/events?after=3", "/api/jobs?limit=5",
                 f"/api/jobs/{job}/items/0", "/api/health", "/api/models", f"/jobs/{job}",
                 f"/api/jobs/{job}/download", "/", "/api/openapi.json")  # fmt: skip
        self.ask("GET", self._chance.choice(paths))

    def look_at_pictures(self) -> None:
        picture = self._chance.choice(("before", "after", "thumbnail", "after?download=1"))
        self.ask("GET", f"/api/jobs/{self.some_job()}/items/{self._chance.randint(0, 3)}/{picture}")


FORMATS = ("same", "png", "jpeg", "webp")
NAMES = ("Album", "album", "../up", "Fête 1931", "a" * 300, "CON")


def kill_worker(server: Server) -> int:
    """SIGKILL to the working process, once it has loaded the model; its id."""

    def is_ready() -> bool:
        with suppress(requests.RequestException):
            answer = requests.get(f"{server.url}/api/health", timeout=20)
            return answer.json()["status"] == "ready"
        return False

    wait_for(is_ready)
    [worker] = psutil.Process(server.process.pid).children()
    worker.kill()
    return worker.pid


def all_jobs(server: Server) -> list[dict]:
    """Every job, those included whose answer was lost with the working process."""
    found: list[dict] = []
    while True:
        before = f"&before={found[-1]['id']}" if found else ""
        page = server.get(f"/api/jobs?limit=500{before}").json()["jobs"]
        found += page
        if not page:
            return found


def finish_all(server: Server) -> list[dict]:
    """Every job, ended."""
    jobs = all_jobs(server)
    for job in jobs:
        if job["state"] == "collecting":
            server.post(f"/api/jobs/{job['id']}/cancel")
        if job["state"] == "paused":
            server.post(f"/api/jobs/{job['id']}/resume")
    return [server.wait_for(job["id"], patience=1500) for job in jobs]


def check(server: Server, job: dict) -> None:
    states = Counter(item["state"] for item in job["items"])
    assert set(states) <= FINAL
    counts = dict(job["counts"])
    assert counts.pop("total") == len(job["items"])
    assert {state: number for state, number in counts.items() if number} == states
    assert [item["n"] for item in job["items"]] == list(range(len(job["items"])))
    results = [item["result"] for item in job["items"] if item["result"]]
    restored = [item for item in job["items"] if item["state"] in ("done", "no_face")]
    assert len({result.casefold() for result in results}) == len(results) == len(restored)
    if job["folder"] and Path(job["folder"]).is_dir():
        folder = Path(job["folder"])
        files = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        }
        assert files == {*results, *reports_of(job["kind"])}
        assert not [path for path in files if (folder / path).stat().st_size == 0]
    else:
        assert not results
    events = server.get(f"/api/jobs/{job['id']}/events").json()
    assert [event["seq"] for event in events] == list(range(1, job["seq"] + 1))
    last = {event["item"]: event["state"] for event in events if event["type"] != "stage"}
    assert last.pop(None) == job["state"]
    assert last == {item["n"]: item["state"] for item in job["items"]}


@pytest.mark.parametrize(
    ("calls", "kills"),
    [(25, 1), pytest.param(600, 6, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])],
)
def test_random_calls_and_deaths_leave_every_job_whole(
    tmp_path: Path, figures, calls: int, kills: int
):
    jobs: list[str] = []
    codes: Counter[int] = Counter()
    stop = threading.Event()
    killed: set[int] = set()
    with Server(tmp_path) as server, ThreadPoolExecutor(THREADS) as pool:
        server.wait_for(server.new_album([("warm.jpg", PHOTOS[0])]))
        clients = [Client(server.url, f"18-{n}", jobs, codes) for n in range(THREADS)]
        running = [pool.submit(client.call_often, calls, stop) for client in clients]
        try:
            for number in range(kills):
                part = calls * THREADS * (number + 1) / (kills + 1)
                wait_for(
                    lambda part=part: codes.total() >= part or all(call.done() for call in running),
                    patience=3000,
                )
                killed.add(kill_worker(server))
            for call in running:
                call.result()
        finally:
            stop.set()
        server.session.close()
        ended = finish_all(server)
        for job in ended:
            check(server, job)
        hidden = tmp_path / ".gpen-webui"
        left = [path for name in ("staging", "incoming") for path in (hidden / name).rglob("*")]
        assert [path for path in left if path.is_file()] == []
        uploads = {path.name for path in (hidden / "uploads").iterdir()}
        assert uploads <= {job["id"] for job in ended}
        assert [line for line in server.errors() if "was sent SIGKILL" not in line] == []
    assert len(killed) == kills
    assert codes.total() >= calls * THREADS
    figures["random calls, without a 5xx"] += codes.total()
    figures["jobs that were whole afterwards"] += len(ended)
