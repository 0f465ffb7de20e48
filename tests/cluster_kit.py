"""A coordinator at work behind real HTTP, and workers that only play.

The store, the leases and the requests are real. A played worker restores a photo as
jobs_kit.PlayedRestoration does: its result is the original's text with the options behind it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Thread
from unittest import mock

import cv2
import numpy as np
import requests
from flask import Flask
from werkzeug.serving import make_server

from gpen_webui.cluster.protocol import PREFIX, PROTOCOL
from gpen_webui.cluster.version import program_version
from gpen_webui.jobs.runner.local_pool import LocalPool
from gpen_webui.jobs.service import JobService
from gpen_webui.options import RestoreOptions
from gpen_webui.web import cluster, error_answers, guard, metrics, uploads, workers
from tests.jobs_kit import JobsHarness, restored_text

KEY = "a key for tests only"
FACE = {"number": 1, "restored": True}


class IdlePool(LocalPool):
    """The coordinator's own pool, which leaves everything to the workers."""

    def _restore_next(self) -> None:
        return None


def idle_pool(pool: type[LocalPool] = IdlePool) -> AbstractContextManager:
    """Services that are made meanwhile have such a pool of their own."""
    return mock.patch("gpen_webui.jobs.service.LocalPool", pool)


class Coordinator:
    """A service with other machines, behind a server on a free port.

    works_itself: whether its own pool restores photos too. port: 0 for a free one. address: that
    it listens at.
    """

    def __init__(
        self,
        harness: JobsHarness,
        works_itself: bool = False,
        port: int = 0,
        address: str = "127.0.0.1",
        **settings: object,
    ):
        self.harness = harness
        defaults = {"cluster": "none", "cluster_key": KEY, "lease_seconds": 20, "host": address}
        harness.settings = replace(harness.settings, **(defaults | settings))
        with idle_pool(LocalPool if works_itself else IdlePool):
            self.service: JobService = harness.open()
        app = self._app()
        self.coordinator = app.extensions["coordinator"]
        self._server = make_server(address, port, app, threaded=True)
        self.port = self._server.server_port
        self.url = f"http://{address}:{self.port}"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop answering, then stop working: its claims stay in the workers' hands."""
        self._server.shutdown()
        self._server.server_close()
        self.coordinator.close()
        self.harness.close()

    def _app(self) -> Flask:
        app = Flask("gpen_webui")
        app.extensions["settings"] = self.harness.settings
        guard.init_app(app)
        uploads.init_app(app)
        metrics.init_app(app)
        error_answers.init_app(app)
        app.extensions["jobs"] = self.service
        app.register_blueprint(workers.blueprint)
        app.register_blueprint(metrics.blueprint)
        cluster.init_app(app, lambda: None)
        return app


class PlayedWorker:
    """A worker that does what a test tells it to, one request at a time."""

    def __init__(self, url: str, name: str = "attic", join: bool = True, **about: object):
        self.url = url + PREFIX
        self.session = requests.Session()
        self.about = {
            "key": KEY, "name": name, "machine": secrets.token_hex(8), "version": program_version(),
            "protocol": PROTOCOL, "kind": "avx2", "slots": 4, "device": "cpu",
            "engine": "It is only played.", "precision": "exact",
        } | about  # fmt: skip
        if join:
            assert self.join().status_code == 201
            assert self.pass_probe().status_code == 200

    def join(self) -> requests.Response:
        answer = self.session.post(f"{self.url}/join", json=self.about, timeout=30)
        if answer.status_code == 201:
            self.session.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return answer

    def post(self, path: str, **message: object) -> requests.Response:
        return self.session.post(f"{self.url}/{path}", json=message, timeout=30)

    def pass_probe(self) -> requests.Response:
        claim = self.post("probe").json()
        original = self.original(claim)
        assert hashlib.sha256(original).hexdigest() == claim["original"]["sha256"]
        picture = cv2.imdecode(np.frombuffer(original, np.uint8), cv2.IMREAD_COLOR)
        data = cv2.imencode(".jpg", picture // 2)[1].tobytes()
        assert self.send(claim, data).status_code == 200
        report = self.report(claim) | {"faces": [FACE]}
        return self.finish(claim, data, report=report)

    def ask(self, request: str | None = None) -> requests.Response:
        return self.post(
            "claim",
            request=request or secrets.token_hex(8),
            version=self.about["version"],
            kind=self.about["kind"],
            precision=self.about["precision"],
        )

    def claim(self) -> dict:
        """The next photo, which must be there."""
        answer = self.ask()
        assert answer.status_code == 200, answer.text
        return answer.json()

    def original(self, claim: dict, **headers: str) -> bytes:
        answer = self.session.get(
            f"{self.url}/claims/{claim['claim']}/original", headers=headers, timeout=30
        )
        assert answer.status_code in (200, 206), answer.text
        return answer.content

    def restore(self, claim: dict) -> bytes:
        return restored_text(self.original(claim), RestoreOptions(**claim["options"]))

    def send(self, claim: dict, data: bytes, sha256: str | None = None) -> requests.Response:
        return self.session.put(
            f"{self.url}/claims/{claim['claim']}/result",
            data=data,
            headers={"X-Content-SHA256": sha256 or hashlib.sha256(data).hexdigest()},
            timeout=30,
        )

    def report(self, claim: dict) -> dict:
        return {
            "name": "whatever", "state": "done", "options": {}, "model": claim["model"]["name"],
            "model_sha256": claim["model"]["sha256"], "seconds": {"network": 0.001},
        }  # fmt: skip

    def finish(self, claim: dict, data: bytes | None, **more: object) -> requests.Response:
        message = {
            "report": self.report(claim),
            "sha256": None if data is None else hashlib.sha256(data).hexdigest(),
            "suffix": ".jpg",
        }
        return self.post(f"claims/{claim['claim']}/finish", **(message | more))

    def carry_out(self, claim: dict) -> requests.Response:
        """Restore and deliver a photo as it should be."""
        data = self.restore(claim)
        assert self.send(claim, data).status_code == 200
        return self.finish(claim, data)

    def fail(self, claim: dict, reason: str, message: str = "It did not work.") -> int:
        path = f"claims/{claim['claim']}/fail"
        return self.post(path, reason=reason, message=message, stage="network").status_code

    def beat(self, *claims: dict, stage: str = "network") -> dict:
        held = [{"claim": claim["claim"], "stage": stage} for claim in claims]
        answer = self.post("beat", slots=self.about["slots"], claims=held)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def work(self, until: Callable[[], bool] = lambda: False) -> int:
        """Restore photos until there are none, or it is enough; how many."""
        restored = 0
        while not until() and (answer := self.ask()).status_code == 200:
            restored += self.carry_out(answer.json()).status_code == 200
        return restored
