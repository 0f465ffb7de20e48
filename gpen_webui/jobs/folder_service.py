"""The same engine as the page's, for one results folder: an album of the command line."""

from __future__ import annotations

from contextlib import ExitStack

from gpen_webui.jobs.folder_record import FolderRecord
from gpen_webui.jobs.runner.foreman import Foreman
from gpen_webui.jobs.runner.local_pool import LocalPool, RestoreStages
from gpen_webui.jobs.runner.saving import Saver
from gpen_webui.jobs.store.claims import ClaimQueue
from gpen_webui.jobs.store.commands import JobCommands
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.events import EventNotifier, Events
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.jobs import Store
from gpen_webui.jobs.store.removal import Remover
from gpen_webui.stages.restorer import Restorer


class FolderService:
    """One job whose results folder is the user's own, from the making of the object to close().

    store, runner, pool, events: as in service.JobService. The store is new, and goes with the
    run: it needs neither backups nor a lock of its own. is_last: the process ends with it, and so
    the restorer. Raises StoreError.
    """

    def __init__(
        self,
        files: StoreFiles,
        record: FolderRecord,
        restorer: Restorer,
        workers: int,
        restore_stages: RestoreStages,
        max_photo_seconds: float,
        *,
        is_last: bool = False,
    ):
        with ExitStack() as opened:
            notifier = EventNotifier()
            database = Database(files.database, on_commit=notifier.notify)
            opened.callback(database.close)
            self.store = Store(files, database)
            self.events = Events(self.store, notifier)
            self.runner = Foreman(
                self.store,
                JobCommands(files, database, Remover(files, database)),
                ClaimQueue(files, database),
                Saver(files, database, self.store, record.complete),
            )
            self.pool = LocalPool(
                self.runner, lambda: (restorer, workers), restore_stages, max_photo_seconds
            )
            self.pool.start()
            opened.callback(self.pool.close, frees=not is_last)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Stop; unfinished photos wait for the next run."""
        self._opened.close()
