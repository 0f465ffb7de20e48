"""How many photos a second a coordinator hands out and takes back, and whether pages still answer.

    python -m tests.soak.coordinator_load [--machines 4] [--slots 4] [--photos 400] [--megabytes 1]

The server is the real one behind gunicorn; only its own pool leaves all photos to others. The
machines are played, in a process of their own: they fetch each original, send as many bytes back
and report them, over connections that they keep. Only so many originals differ, the others are
second names of their files, so that 10,000 of them take no more disk; results take what they take.
It prints one line of JSON; the speed and memory also of each tenth of the album, for both should
stay as they are. Needs Linux.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import multiprocessing
import os
import resource
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from threading import Event, Thread
from types import TracebackType
from urllib.parse import urlsplit

import psutil
import requests

from gpen_webui.cluster.protocol import PREFIX
from gpen_webui.jobs.records import Job
from gpen_webui.jobs.service import open_jobs
from gpen_webui.jobs.store.jobs import NewPhoto
from gpen_webui.options import RestoreOptions
from gpen_webui.settings import Settings
from gpen_webui.web.gunicorn_server import run
from gpen_webui.web.server import listen
from tests.cluster_kit import KEY, PlayedWorker, idle_pool
from tests.waiting import wait_for

LOOK_EVERY = 0.3  # seconds between two looks at a page
BEAT_EVERY = 2.0
PAGES = ("/", "/api/health")
DIFFERENT = 100  # originals
PARTS = 10  # of an album


def serve(settings: Settings, listener: socket.socket) -> None:
    """The coordinator, in a process of its own."""
    with idle_pool():
        sys.exit(run(settings, listener))


class MeasuredCoordinator:
    """A coordinator with a started album of so many photos. outputs: an empty folder."""

    def __init__(self, outputs: Path, photos: int, size: int):
        settings = Settings(
            outputs=outputs, cluster="none", cluster_key=KEY, open_browser=False, host="127.0.0.1"
        )
        self.job = self._add_album(settings, photos, size)
        listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=serve, args=(settings, listener))
        self._process.start()
        listener.close()

    def _add_album(self, settings: Settings, photos: int, size: int) -> Job:
        with idle_pool():
            service = open_jobs(settings)
        try:
            job = service.store.create_job("album", "Load", RestoreOptions())
            added = []
            contents = [settings.outputs / f"content-{number}" for number in range(DIFFERENT)]
            for path in contents:
                path.write_bytes(os.urandom(size))
            for number in range(photos):
                path = service.store.incoming()
                os.link(contents[number % DIFFERENT], path)
                added.append(NewPhoto(path, f"{number}.jpg"))
            service.store.add_items(job.id, added)
            for path in contents:
                path.unlink()
            service.runner.submit(job.id)
            return job
        finally:
            service.close()

    def core_seconds(self) -> float:
        """Processor time of the process that answers."""
        used = self._worker().cpu_times()
        return used.user + used.system

    def memory(self) -> int:
        """Bytes of its own that the same process takes."""
        return self._worker().memory_full_info().uss

    def _worker(self) -> psutil.Process:
        [worker] = psutil.Process(self._process.pid).children()
        return worker

    def counts(self) -> dict[str, int]:
        """From the list: the album itself would be told with all of its photos."""
        [job] = requests.get(f"{self.url}/api/jobs", timeout=60).json()["jobs"]
        return job["counts"]

    def __enter__(self) -> MeasuredCoordinator:
        wait_for(self._is_ready, patience=120)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.join()

    def _is_ready(self) -> bool:
        """Its model is loaded, which would take processor time else."""
        try:
            return requests.get(f"{self.url}/api/health/ready", timeout=5).ok
        except requests.ConnectionError:
            return False


class Slot:
    """One connection of a played machine: it claims a photo, brings it back, and so on."""

    def __init__(self, worker: PlayedWorker, url: str, size: int):
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._headers = {"Authorization": worker.session.headers["Authorization"]}
        self._about = worker.about
        self._result = os.urandom(size)
        self._sha256 = hashlib.sha256(self._result).hexdigest()

    def work(self) -> None:
        """Until nothing waits."""
        while claim := self._claim():
            self._bring_back(claim)

    def _claim(self) -> dict | None:
        asked = {name: self._about[name] for name in ("version", "kind", "precision")}
        status, body = self._post("claim", asked | {"request": secrets.token_hex(8)})
        assert status in (200, 204), body
        return json.loads(body) if status == 200 else None

    def _bring_back(self, claim: dict) -> None:
        path = f"claims/{claim['claim']}"
        status, original = self._ask("GET", f"{path}/original")
        assert (status, len(original)) == (200, claim["original"]["size"])
        headers = {"X-Content-SHA256": self._sha256, "Content-Type": "application/octet-stream"}
        status, body = self._ask("PUT", f"{path}/result", self._result, headers)
        assert status == 200, body
        report = {
            "name": "", "state": "done", "options": {}, "model": claim["model"]["name"],
            "model_sha256": claim["model"]["sha256"], "seconds": {"network": 0.1},
        }  # fmt: skip
        finish = {"report": report, "sha256": self._sha256, "suffix": ".jpg"}
        status, body = self._post(f"{path}/finish", finish)
        assert (status, json.loads(body)) == (200, {"send": False})

    def _post(self, path: str, message: dict) -> tuple[int, bytes]:
        data = json.dumps(message).encode()
        return self._ask("POST", path, data, {"Content-Type": "application/json"})

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        sent = self._headers | (headers or {})
        self._connection.request(method, f"{PREFIX}/{path}", body or None, sent)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def machine(url: str, name: str, slots: int, size: int) -> None:
    """A played machine."""
    worker, ended = PlayedWorker(url, name, slots=slots), Event()

    def beat() -> None:
        while not ended.wait(BEAT_EVERY):
            worker.beat()

    beating = Thread(target=beat)
    beating.start()
    try:
        with ThreadPoolExecutor(slots) as pool:
            works = [pool.submit(Slot(worker, url, size).work) for _ in range(slots)]
            for work in works:
                work.result()
    finally:
        ended.set()
        beating.join()


def machines(url: str, count: int, slots: int, size: int) -> None:
    """All of them, in a process of their own."""
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda n: machine(url, f"m{n}", slots, size), range(count)))


@dataclass
class Watched:
    """What was seen while photos were restored. pages: seconds that each took, as a browser sees
    them. photos: of the whole album. progress: at each look the seconds since the start, how many
    photos were done, and the coordinator's memory in bytes."""

    photos: int
    pages: dict[str, list[float]] = field(default_factory=lambda: {page: [] for page in PAGES})
    progress: list[tuple[float, int, int]] = field(default_factory=list)

    @property
    def done(self) -> int:
        return self.progress[-1][1]

    @property
    def seconds(self) -> float:
        """Until all were done."""
        return self._reached(PARTS)[0]

    def look(self, here: MeasuredCoordinator, are_working: Callable[[], bool]) -> None:
        started, go_on = time.perf_counter(), True
        while go_on:
            go_on = are_working()  # else this is the last look
            for page in PAGES:
                asked = time.perf_counter()
                requests.get(here.url + page, timeout=60)
                self.pages[page].append(time.perf_counter() - asked)
            done = here.counts()["done"]
            self.progress.append((time.perf_counter() - started, done, here.memory()))
            time.sleep(LOOK_EVERY)

    def speeds(self) -> list[float]:
        """Photos a second, of each part of the album."""
        ends = [self._reached(part) for part in range(PARTS + 1)]
        return [
            round((after[1] - before[1]) / (after[0] - before[0]), 1)
            for before, after in pairwise(ends)
            if after[0] > before[0]
        ]

    def megabytes(self) -> list[int]:
        """Memory at the end of each part of the album."""
        return [self._reached(part)[2] // 1_000_000 for part in range(PARTS + 1)]

    def _reached(self, part: int) -> tuple[float, int, int]:
        wanted = self.photos * part // PARTS
        return next((each for each in self.progress if each[1] >= wanted), self.progress[-1])


def measure(outputs: Path, count: int, slots: int, photos: int, size: int) -> dict:
    """What a coordinator does with so many machines."""
    fork, watched = multiprocessing.get_context("fork"), Watched(photos)
    with MeasuredCoordinator(outputs, photos, size) as here:
        before = here.core_seconds()
        played = resource.getrusage(resource.RUSAGE_CHILDREN)
        playing = fork.Process(target=machines, args=(here.url, count, slots, size))
        playing.start()
        watched.look(here, playing.is_alive)
        core = here.core_seconds() - before
        playing.join()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        playing_core = used.ru_utime + used.ru_stime - played.ru_utime - played.ru_stime
    return {
        "machines": count,
        "slots": slots,
        "photos": photos,
        "megabytes": size / 1e6,
        "lost": photos - watched.done,
        "photos_per_second": round(watched.done / watched.seconds, 1),
        "of_each_tenth": watched.speeds(),
        "memory_mb": watched.megabytes(),
        "core_ms_of_coordinator": round(1000 * core / photos, 1),
        "core_ms_of_machines": round(1000 * playing_core / photos, 1),
        "median_ms": {page: round(1000 * median(t)) for page, t in watched.pages.items()},
        "longest_ms": {page: round(1000 * max(t)) for page, t in watched.pages.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--megabytes", type=float, default=1.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpen-webui-load-") as folder:
        size = int(asked.megabytes * 1e6)
        print(json.dumps(measure(Path(folder), asked.machines, asked.slots, asked.photos, size)))


if __name__ == "__main__":
    main()
