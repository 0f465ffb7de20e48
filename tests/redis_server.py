"""A real Redis on a free port; tests that need it are skipped where there is none."""

from __future__ import annotations

import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from tests.ports import free_port
from tests.server import PROJECT
from tests.waiting import wait_for


class RedisServer:
    """Can be stopped and started again; it keeps nothing. address: that it listens at."""

    def __init__(self, folder: Path, address: str = "127.0.0.1"):
        found = shutil.which("redis-server")
        if found is None:
            pytest.skip("needs redis-server, which is not on the PATH")
        self.port = free_port()
        self.url = f"redis://{address}:{self.port}"
        self.client = redis.Redis(address, self.port)
        self._command = [
            found, "--port", str(self.port), "--bind", address, "--save", "", "--dir",
            str(folder), "--protected-mode", "no",
        ]  # fmt: skip
        self._process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_for(self._answers)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.wait()

    def url_of_documented_user(self) -> str:
        """Its address for a new user who has the rights that docs/cluster.md gives."""
        text = (PROJECT / "docs" / "cluster.md").read_text("utf-8")
        [line] = [line for line in text.splitlines() if line.startswith("user gpen on")]
        rules = [rule for rule in line.split()[3:] if not rule.startswith((">", "#"))]
        assert self.client.execute_command("ACL", "SETUSER", "gpen", "on", ">secret", *rules)
        return self.url.replace("redis://", "redis://gpen:secret@")

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError):
            return self.client.ping()
        return False
