"""What is done beside the work, at the start and then once a day."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event, Thread

from gpen_webui.jobs.store.backups import DAY, back_up
from gpen_webui.jobs.store.removal import Remover

log = logging.getLogger(__name__)


class Maintenance:
    """Removes what is left of deleted jobs, and backs the store up; in a thread of its own."""

    def __init__(self, database: Path, remover: Remover):
        self._database = database
        self._remover = remover
        self._closing = Event()
        self._thread = Thread(target=self._work, name="maintenance", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, once what is just being done is done."""
        self._closing.set()
        self._remover.stop()
        self._thread.join()

    def _work(self) -> None:
        while True:
            for do in (lambda: back_up(self._database), self._remover.remove_all):
                try:
                    do()
                except Exception:  # tomorrow again
                    log.exception("the job store was not maintained")
            if self._closing.wait(DAY):
                return
