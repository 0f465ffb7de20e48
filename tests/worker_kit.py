"""A worker at work in a test's own process; its restoring process only plays."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Thread

from gpen_webui.cluster.worker.work_folder import WorkFolder
from gpen_webui.cluster.worker.worker import Worker, WorkerOptions
from gpen_webui.errors import UserError
from gpen_webui.options import RestoreOptions
from gpen_webui.settings import Settings
from tests.jobs_kit import restored_text
from tests.played_coordinator import KEY, Photo, PlayedCoordinator
from tests.server import PROJECT
from tests.waiting import wait_for

EMBEDDED = PROJECT / "models" / "gpen-mini-256.safetensors"
COMMAND = (sys.executable, "-m", "tests.worker_child", "played")


class RunningWorker:
    """A worker in a thread of this process. lines: what it said. error: how it ended."""

    def __init__(self, coordinator: PlayedCoordinator, folder: Path, **options: object):
        self.lines: list[str] = []
        self.error: UserError | None = None
        self.restored = -1
        self.folder = WorkFolder(folder)
        defaults = {"slots": 2, "ask_seconds": 0.1, "command": COMMAND, "key": KEY, "name": "box"}
        settings = Settings(models=options.pop("models", PROJECT / "models"))
        self.worker = Worker(
            WorkerOptions(coordinator.url, **(defaults | options)),
            settings,
            self.folder,
            self.lines.append,
        )
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.restored = self.worker.run()
        except UserError as error:
            self.error = error
        finally:
            self.folder.close()

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.said("Ready") or self.error, said=lambda: str(self.lines))
        assert not self.error, self.error

    def said(self, words: str) -> bool:
        return any(words in line for line in self.lines)

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive(), self.lines


def check_restored(photos: list[Photo]) -> None:
    """Each was recorded once, with the only right result."""
    for photo in photos:
        [end] = photo.ends
        assert "report" in end, end
        assert photo.result == restored_text(photo.content, RestoreOptions())
