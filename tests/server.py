"""The real server process, on a free port, with an outputs folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import cv2
import requests
import websocket

from tests.waiting import wait_for

PROJECT = Path(__file__).resolve().parent.parent
ASTRONAUT = Path(__file__).resolve().parent / "data" / "astronaut.jpg"
START_SECONDS = 120.0
ENDED = ("done", "cancelled")


class Server:
    """`python app.py` at work; also a context manager.

    url: where it is, without a slash at the end. process: its first process. lines: what it
    has printed.
    """

    def __init__(
        self,
        outputs: Path,
        *options: str,
        port: int = 0,
        environment: dict[str, str] | None = None,
        command: tuple[str, ...] = ("app.py",),
        prefix: Sequence[str] = (),
    ):
        self.outputs = outputs
        self.session = requests.Session()
        arguments = ["--no-browser", "--port", str(port), "--outputs", str(outputs), *options]
        self.process = subprocess.Popen(
            [*prefix, sys.executable, *command, *arguments],
            cwd=PROJECT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        printed: Queue[str] = Queue()
        Thread(target=self._read, args=(printed,), daemon=True).start()
        self.address = self._address(printed)
        self.url = self.address.split("/?")[0].rstrip("/")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def stop(self, number: int = signal.SIGTERM, patience: float = 60.0) -> int:
        """Ask it to end; its exit code."""
        self.session.close()  # it would wait a moment for what we still might ask
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL to every process of it, which leaves it no time for anything."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def get(self, path: str, **options: object) -> requests.Response:
        return self.session.get(self.url + path, **{"timeout": 60, **options})

    def post(self, path: str, **options: object) -> requests.Response:
        return self.session.post(self.url + path, **{"timeout": 120, **options})

    def delete(self, path: str, **options: object) -> requests.Response:
        return self.session.delete(self.url + path, **{"timeout": 60, **options})

    def new_album(self, photos: list[tuple[str, bytes]], start: bool = True, **options) -> str:
        """An album of (name, content), started if asked to; its id."""
        asked = {"kind": "album", "name": "Album", "options": options}
        job = self.post("/api/jobs", json=asked).json()["id"]
        for name, content in photos:
            answer = self.post(
                f"/api/jobs/{job}/items", files={"photo": ("upload", content)}, data={"name": name}
            )
            assert answer.status_code == 201, answer.text
        if start:
            assert self.post(f"/api/jobs/{job}/start").status_code == 202
        return job

    def job(self, job: str) -> dict:
        return self.get(f"/api/jobs/{job}").json()

    def wait_for(self, job: str, states: tuple[str, ...] = ENDED, patience: float = 120) -> dict:
        """The job as soon as it is in one of these states."""
        return self.wait_until(job, lambda found: found["state"] in states, patience)

    def wait_until(self, job: str, is_it: Callable[[dict], object], patience: float = 120) -> dict:
        """The job as soon as it is as wanted."""
        found: dict = {}

        def look() -> bool:
            found.update(self.job(job))
            return bool(is_it(found))

        wait_for(look, patience, lambda: f"the job is still {found['state']}: {found['reason']}")
        return found

    def errors(self) -> list[str]:
        """What its log calls an error: nothing that a photo or a client may bring about."""
        logs = sorted((self.outputs / ".gpen-webui").glob("gpen-webui.log*"))
        lines = [line for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if " ERROR " in line]

    def watch(self, path: str, **options: object) -> websocket.WebSocket:
        """An open WebSocket."""
        return websocket.create_connection(
            self.url.replace("http", "ws", 1) + path, **{"timeout": 60, **options}
        )

    def _read(self, printed: Queue[str]) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            printed.put(line)
        printed.put("")

    def _address(self, printed: Queue[str]) -> str:
        with contextlib.suppress(Empty):
            while line := printed.get(timeout=START_SECONDS):
                if found := re.search(r"http://\S+", line):
                    return found.group()
        self.kill()
        raise AssertionError(f"the server did not start: {self.lines}")


def events_of(socket: websocket.WebSocket) -> Iterator[dict]:
    """The events of a WebSocket until the server closes it."""
    while text := socket.recv():
        yield json.loads(text)


def small_photo(number: int = 0, side: int = 192) -> bytes:
    """A JPEG of a face, small and quick to restore; each number gives another one."""
    pixels = cv2.resize(cv2.imread(str(ASTRONAUT)), (side, side), interpolation=cv2.INTER_AREA)
    pixels[:2, :2] = (number % 256, number // 256 % 256, 0)
    return cv2.imencode(".jpg", pixels)[1].tobytes()
