"""Worker processes for tests that kill, freeze and restart them.

    python -m tests.worker_process

A line of JSON at stdin, {"url", "key", "name", "slots", "outputs", "how", "log"}, starts a worker:
its process number is answered. This process has loaded everything once and only forks. All workers
end with it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from gpen_webui.cli.worker import work
from gpen_webui.cluster.worker import worker  # noqa: F401 - loaded before the forks
from gpen_webui.cluster.worker.worker import WorkerOptions
from gpen_webui.errors import UserError
from gpen_webui.settings import Settings

ASK_SECONDS = 0.3


def run(asked: dict) -> int:
    """A worker, in a process of its own."""
    log = os.open(asked["log"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for number in (1, 2):
        os.dup2(log, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    command = (sys.executable, "-m", "tests.worker_child", asked["how"])
    options = WorkerOptions(
        asked["url"], asked["key"], asked["name"], asked["slots"], ASK_SECONDS, command=command
    )
    settings = Settings.from_environment(outputs=Path(asked["outputs"]))
    try:
        return work(options, settings)
    except UserError as error:
        print(error, flush=True)
        return 2


def main() -> None:
    # Nobody waits for those that have ended: their numbers are given to nobody else meanwhile.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    workers: list[int] = []
    try:
        for line in sys.stdin.buffer:
            workers.append(start(line))
            print(workers[-1], flush=True)
    finally:
        for process in workers:
            with suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)


def start(line: bytes) -> int:
    """Fork a worker; its process number."""
    process = os.fork()
    if process == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        os._exit(run(json.loads(line)))
    return process


if __name__ == "__main__":
    main()
