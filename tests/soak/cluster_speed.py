"""How fast real workers on this machine are, against one server with as many threads.

    python -m tests.soak.cluster_speed [--workers 2] [--photos 60] [--pairs 5]

Both sides are the real programs with the embedded model, and stay started: the same album of photos
of 1080 x 1080 pixels goes to one, then to the other, and the order changes with each pair. Each
worker has one slot and is kept to one core (they go around the cores where there are fewer), and
the coordinator leaves all photos to them. It prints one line of JSON: the workers' speed by the
clock as a share of the server's, and what both take of the processors. Needs Linux and Redis.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import psutil
import requests

from gpen_webui.bench.photos import make_photos
from gpen_webui.settings import Settings
from gpen_webui.web.server import listen
from tests.cluster_kit import KEY
from tests.redis_server import RedisServer
from tests.server import PROJECT, Server
from tests.soak.coordinator_load import serve
from tests.waiting import wait_for

LOOK_EVERY = 0.1  # seconds
READY_SECONDS = 180


@dataclass(frozen=True)
class Side:
    """A server that restores albums, alone or with workers. processes: all that work for it."""

    url: str
    processes: Sequence[psutil.Process]

    def restore(self, photos: Sequence[Path]) -> Run:
        """An album of these, from its start to its end."""
        job = self._post("/api/jobs", json={"kind": "album", "name": "Speed"}).json()["id"]
        for path in photos:
            files = {"photo": (path.name, path.read_bytes())}
            self._post(f"/api/jobs/{job}/items", files=files, data={"name": path.name})
        core, started = self._core_seconds(), time.perf_counter()
        self._post(f"/api/jobs/{job}/start")
        wait_for(lambda: self._is_done(job), patience=3600)
        seconds, core = time.perf_counter() - started, self._core_seconds() - core
        counts = requests.get(f"{self.url}/api/jobs/{job}", timeout=60).json()["counts"]
        assert counts["done"] == len(photos), counts
        requests.delete(f"{self.url}/api/jobs/{job}", timeout=60)
        return Run(len(photos) / seconds, 1000 * core / len(photos))

    def _is_done(self, job: str) -> bool:
        time.sleep(LOOK_EVERY)
        found = requests.get(f"{self.url}/api/jobs/{job}", timeout=60).json()
        return found["state"] in ("done", "failed", "paused")

    def _core_seconds(self) -> float:
        """Processor time of all processes, also of those that they have started."""
        used = 0.0
        for process in self.processes:
            for each in [process, *process.children(recursive=True)]:
                times = each.cpu_times()
                used += times.user + times.system
        return used

    def _post(self, path: str, **more: object) -> requests.Response:
        answer = requests.post(self.url + path, timeout=120, **more)
        answer.raise_for_status()
        return answer


@dataclass(frozen=True)
class Run:
    """speed: photos a second, by the clock. core_ms: processor time for each photo."""

    speed: float
    core_ms: float


@contextmanager
def alone(folder: Path, workers: int) -> Iterator[Side]:
    """One server with so many threads."""
    with Server(folder, "--workers", str(workers)) as server:
        wait_for(lambda: server.get("/api/health/ready").ok, READY_SECONDS)
        yield Side(server.url, [psutil.Process(server.process.pid)])


@contextmanager
def together(folder: Path, workers: int) -> Iterator[Side]:
    """A coordinator and so many workers with a core each."""
    folder.mkdir()
    redis = RedisServer(folder)
    settings = Settings(
        outputs=folder / "coordinator", cluster=redis.url, cluster_key=KEY, open_browser=False
    )
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = multiprocessing.get_context("spawn").Process(target=serve, args=(settings, listener))
    serving.start()
    listener.close()
    started = []
    try:
        wait_for(partial(is_ready, url), READY_SECONDS)
        started = [start_worker(url, folder / f"worker-{n}", n) for n in range(workers)]
        wait_for(partial(count_ready, url, workers), READY_SECONDS)
        broker = redis.client.info("server")["process_id"]
        pids = [serving.pid, broker, *(worker.pid for worker in started)]
        yield Side(url, [psutil.Process(pid) for pid in pids])
    finally:
        for worker in started:
            worker.terminate()
        for worker in started:
            worker.wait()
        serving.terminate()
        serving.join()
        redis.stop()


def start_worker(url: str, outputs: Path, number: int) -> subprocess.Popen:
    """One slot on one core."""
    cores = sorted(os.sched_getaffinity(0))
    core = cores[number % len(cores)]
    return subprocess.Popen(
        ["taskset", "-c", str(core), sys.executable, "app.py", "worker", "--workers", "1",
         "--join", url, "--name", f"worker-{number}"],
        cwd=PROJECT,
        env=os.environ | {"GPEN_WEBUI_CLUSTER_KEY": KEY, "GPEN_WEBUI_OUTPUTS": str(outputs)},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/health/ready", timeout=5).ok
    except requests.ConnectionError:
        return False


def count_ready(url: str, wanted: int) -> bool:
    time.sleep(LOOK_EVERY)
    machines = requests.get(f"{url}/api/workers", timeout=60).json()["machines"]
    return sum(each["state"] == "ready" and not each["is_here"] for each in machines) == wanted


def measure(folder: Path, workers: int, photos: int, pairs: int) -> dict:
    """Pairs of runs, one on each side."""
    paths = make_photos(folder / "photos", photos)
    with ExitStack() as opened:
        sides = {
            "alone": opened.enter_context(alone(folder / "alone", workers)),
            "together": opened.enter_context(together(folder / "together", workers)),
        }
        for side in sides.values():
            side.restore(paths[: 2 * workers])  # so that all is loaded
        runs: dict[str, list[Run]] = {name: [] for name in sides}
        for pair in range(pairs):
            for name in sorted(sides, reverse=pair % 2 == 1):
                runs[name].append(sides[name].restore(paths))
                print(name, runs[name][-1], file=sys.stderr)
    ratios = [b.speed / a.speed for a, b in zip(runs["alone"], runs["together"], strict=True)]
    return {
        "workers": workers,
        "photos": photos,
        "speed_of_together": [round(ratio, 3) for ratio in ratios],
        "median": round(median(ratios), 3),
        "photos_per_second": {k: round(median(r.speed for r in v), 2) for k, v in runs.items()},
        "core_ms": {k: round(median(r.core_ms for r in v)) for k, v in runs.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--pairs", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpen-webui-speed-") as folder:
        print(json.dumps(measure(Path(folder), asked.workers, asked.photos, asked.pairs)))


if __name__ == "__main__":
    main()
