"""Worker processes, as a test starts, kills, freezes and stops them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.cluster_kit import KEY
from tests.server import PROJECT
from tests.waiting import wait_for


class WorkerProcess:
    """One worker. name: as it joins. pid: of its first process."""

    def __init__(self, pid: int, name: str, log: Path):
        self.pid = pid
        self.name = name
        self._log = log

    def said(self, words: str) -> bool:
        return self._log.exists() and words in self._log.read_text(encoding="utf-8")

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.said("Ready."), said=self._log.read_text)

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def lives(self) -> bool:
        try:
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def wait_until_ended(self) -> None:
        wait_for(lambda: not self.lives(), said=self._log.read_text)


class WorkerProcesses:
    """Starts workers; close() ends all of them. folder: for what they write. before: a command
    that runs theirs."""

    def __init__(self, folder: Path, gates: Path, before: Sequence[str] = ()):
        self._folder = folder
        folder.mkdir()
        self._starter = subprocess.Popen(
            [*before, sys.executable, "-m", "tests.worker_process"],
            cwd=PROJECT,
            env=os.environ | {"GATES": str(gates)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started = 0

    def start(
        self, url: str, name: str, slots: int = 2, how: str = "played", key: str = KEY
    ) -> WorkerProcess:
        self._started += 1
        log = self._folder / f"{name}-{self._started}.txt"
        outputs = self._folder / name
        asked = {"url": url, "key": key, "name": name, "slots": slots, "how": how}
        asked |= {"outputs": str(outputs), "log": str(log)}
        assert self._starter.stdin
        assert self._starter.stdout
        self._starter.stdin.write(json.dumps(asked) + "\n")
        self._starter.stdin.flush()
        return WorkerProcess(int(self._starter.stdout.readline()), name, log)

    def close(self) -> None:
        assert self._starter.stdin
        self._starter.stdin.close()
        self._starter.wait()


def kill(process: WorkerProcess) -> None:
    """SIGKILL, which leaves it no time for anything."""
    process.send(signal.SIGKILL)
    process.wait_until_ended()
