"""A coordinator that tests can let fail in any way: real HTTP, but the store is a dictionary.

It keeps what a worker relies on: a claim is valid until it is finished, has failed or is taken
back, and a request that is repeated does nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import RLock, Thread

from gpen_webui.cluster.protocol import HASH_HEADER, PREFIX
from gpen_webui.options import RestoreOptions
from tests.waiting import wait_for

KEY = "a key for tests"
PROBE = "probe.jpg"


@dataclass
class Photo:
    """name, content: of the original. recorded: another hash than the content's. ends: what was
    recorded of it, each time."""

    name: str
    content: bytes
    crashed_before: bool = False
    recorded: str = ""
    seconds: float = 0.0
    claim: str | None = None
    result: bytes | None = None
    ends: list[dict] = field(default_factory=list)

    @property
    def sha256(self) -> str:
        return self.recorded or hashlib.sha256(self.content).hexdigest()


class PlayedCoordinator:
    """At work from the making of the object to close().

    model: a weight file that claims name. faults: for a kind of request (join, claim, probe,
    original, model, result, finish, fail, beat) how many of the next ones go wrong, and how: see
    `Handler.respond`. asked: how often each kind came. ranges: of originals that were asked for.
    refused: an error that claims get, (status, code, sentence).
    """

    def __init__(self, model: Path, model_name: str = "gpen-mini-256"):
        self.model, self.model_name = model, model_name
        self.model_sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
        self.photos: list[Photo] = []
        self.claims: dict[str, Photo] = {}
        self.requests: dict[str, str] = {}
        self.uploads: dict[str, bytes] = {}
        self.answers: dict[str, dict] = {}
        self.lock = RLock()
        self.faults: dict[str, list[str]] = {}
        self.asked: Counter[str] = Counter()
        self.ranges: list[str | None] = []
        self.beats: list[dict] = []
        self.probed = 0
        self.drop: set[str] = set()
        self.drain = False
        self.wake = 0
        self.broker: str | None = None
        self.refused: tuple[int, str, str] | None = None
        self.has_left = False
        self.token = uuid.uuid4().hex
        handler = type("BoundHandler", (Handler,), {"coordinator": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def add(self, *names: str, **more: object) -> list[Photo]:
        """Photos that wait; the content of each is its name, so that results can be foretold."""
        added = [Photo(name, name.encode(), **more) for name in names]
        with self.lock:
            self.photos += added
        return added

    def use_model(self, path: Path, content: bytes) -> None:
        """Have photos restored with these bytes, which may be no model at all."""
        path.write_bytes(content)
        self.model, self.model_name = path, path.stem
        self.model_sha256 = hashlib.sha256(content).hexdigest()

    def wait_until_ended(self, photos: list[Photo]) -> None:
        wait_for(lambda: all(photo.ends for photo in photos), said=lambda: str(photos))

    def wait_until_claimed(self, photo: Photo) -> str:
        return wait_for(lambda: photo.claim)

    def take_back(self, photo: Photo) -> None:
        """As if the lease had run out: its worker is told to drop it."""
        with self.lock:
            self.drop.add(photo.claim)
            del self.claims[photo.claim]
            photo.claim = None

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    # What is asked

    def join(self, body: dict) -> tuple[int, dict]:
        if body["key"] != KEY:
            return error(403, "wrong_key", "The key is not the one of this server.")
        told = {"worker": "w1", "name": body["name"], "token": self.token, "beat_seconds": 0.05}
        return 201, told | {"lease_seconds": 20.0, "broker": self.broker, "queue": "restore"}

    def claim(self, body: dict) -> tuple[int, dict | None]:
        if self.refused:
            return error(*self.refused)
        if body["request"] in self.requests:
            claim = self.requests[body["request"]]
            return 200, self.claimed(claim)
        for photo in self.photos:
            if not photo.claim and not photo.ends:
                claim = self.requests[body["request"]] = self.begin(photo)
                return 200, self.claimed(claim)
        return 204, None

    def begin(self, photo: Photo) -> str:
        claim = photo.claim = uuid.uuid4().hex
        self.claims[claim] = photo
        return claim

    def claimed(self, claim: str) -> dict:
        photo = self.claims[claim]
        file = {"name": self.model_name, "sha256": self.model_sha256, "file": self.model.name}
        return {
            "claim": claim,
            "job": "j1",
            "item": 0,
            "attempt": 1,
            "name": photo.name,
            "options": RestoreOptions().as_dict(),
            "crashed_before": photo.crashed_before,
            "model": file | {"size": self.model.stat().st_size},
            "small_model": None,
            "original": {"sha256": photo.sha256, "size": len(photo.content), "name": photo.name},
            "max_photo_seconds": photo.seconds,
        }

    def probe(self) -> tuple[int, dict]:
        photo = Photo(PROBE, PROBE.encode())
        return 200, self.claimed(self.begin(photo))

    def beat(self, body: dict) -> tuple[int, dict]:
        self.beats.append(body)
        told = {"drop": sorted(self.drop), "drain": self.drain, "wake": self.wake}
        return 200, told

    def finish(self, claim: str, body: dict) -> tuple[int, dict]:
        if claim in self.answers:
            return 200, self.answers[claim]
        photo = self.claims.get(claim)
        if photo is None:
            return error(409, "not_valid", "The claim is not valid any more.")
        if body["sha256"] is None:
            photo.result = photo.content
        elif claim in self.uploads:
            photo.result = self.uploads.pop(claim)
        else:
            return 200, {"send": True}
        photo.ends.append(body)
        self.probed += photo.name == PROBE
        self.answers[claim] = {"send": False}
        return 200, {"send": False}

    def fail(self, claim: str, body: dict) -> tuple[int, dict]:
        if claim in self.answers:
            return 200, self.answers[claim]
        photo = self.claims.get(claim)
        if photo is None:
            return error(409, "not_valid", "The claim is not valid any more.")
        photo.ends.append(body)
        self.answers[claim] = {}
        return 200, {}

    def put(self, claim: str, data: bytes, sha256: str) -> tuple[int, dict]:
        if claim not in self.claims:
            return error(409, "not_valid", "The claim is not valid any more.")
        if hashlib.sha256(data).hexdigest() != sha256:
            return error(422, "broken", "The bytes are not those that were announced.")
        self.uploads[claim] = data
        return 200, {}


class Handler(BaseHTTPRequestHandler):
    """One request. coordinator: set by the class that is made for it."""

    coordinator: PlayedCoordinator
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.respond()

    do_GET = do_PUT = do_POST  # noqa: N815 - as the library has it

    def log_message(self, *_: object) -> None:
        pass

    def respond(self) -> None:
        """Answer, or go wrong as `faults` says:

        lost: it is done, but the answer does not arrive. away: nothing is done or answered.
        full: 507. broken: 422. proxy: 404 without the coordinator's words. cut: a file breaks off
        in the middle.
        """
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.removeprefix(PREFIX).strip("/")
        kind = "model" if path.startswith("models/") else path.split("/")[-1]
        coordinator = self.coordinator
        with coordinator.lock:
            coordinator.asked[kind] += 1
            faults = coordinator.faults.get(kind, [])
            fault = faults.pop(0) if faults else ""
            if fault == "away":
                return self.hang_up()
            if fault == "proxy":
                return self.tell(404, {"detail": "no such site"})
            if fault in ("full", "broken"):
                status = 507 if fault == "full" else 422
                return self.tell(*error(status, fault, f"The disk is {fault}."))
            if kind == "original" or kind == "model":
                return self.send_file(kind, path, cut=fault == "cut")
            if (
                kind != "join"
                and self.headers.get("Authorization") != f"Bearer {coordinator.token}"
            ):
                return self.tell(*error(401, "no_access", "The token is not good any more."))
            status, answer = self.outcome(kind, path, body)
        if fault == "lost":
            return self.hang_up()
        return self.tell(status, answer)

    def outcome(self, kind: str, path: str, body: bytes) -> tuple[int, dict | None]:
        coordinator, claim = self.coordinator, ""
        if found := re.fullmatch(r"claims/(\w+)/\w+", path):
            claim = found[1]
        if kind == "result":
            return coordinator.put(claim, body, self.headers[HASH_HEADER])
        value = json.loads(body)
        match kind:
            case "join" | "claim" | "beat":
                return getattr(coordinator, kind)(value)
            case "finish" | "fail":
                return getattr(coordinator, kind)(claim, value)
            case "probe":
                return coordinator.probe()
            case "leave":
                coordinator.has_left = True
                return 200, {}
        return error(404, "unknown", "There is no such address.")

    def send_file(self, kind: str, path: str, cut: bool) -> None:
        if kind == "model":
            data = self.coordinator.model.read_bytes()
        else:
            self.coordinator.ranges.append(self.headers.get("Range"))
            data = self.coordinator.claims[path.split("/")[1]].content
        start = 0
        if asked := self.headers.get("Range"):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = len(data) // 2 if cut else len(data)
        self.wfile.write(data[start:end])
        if cut:
            self.hang_up()

    def tell(self, status: int, answer: dict | None) -> None:
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(2)


def error(status: int, code: str, message: str) -> tuple[int, dict]:
    return status, {"error": {"code": code, "message": message}}
