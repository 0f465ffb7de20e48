"""Everything that jobs need, put together for one outputs folder.

`web` and `cli` call `open_jobs` and use the parts of what it returns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from gpen_webui.files.lock import FileLock
from gpen_webui.jobs.outputs_lock import lock_outputs
from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.runner.foreman import Foreman
from gpen_webui.jobs.runner.interface import JobRunner, WorkerPool
from gpen_webui.jobs.runner.loading_record import LoadingRecord
from gpen_webui.jobs.runner.local_pool import LocalPool, RestoreStages
from gpen_webui.jobs.runner.other_machines import OtherMachines
from gpen_webui.jobs.runner.remote_claims import RemoteClaims
from gpen_webui.jobs.runner.saving import Saver
from gpen_webui.jobs.runner.shared_restorer import LoadRestorer
from gpen_webui.jobs.store.claims import ClaimQueue
from gpen_webui.jobs.store.commands import JobCommands
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.events import EventNotifier, Events
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.jobs import Store
from gpen_webui.jobs.store.leftovers import take_up_leftovers
from gpen_webui.jobs.store.maintenance import Maintenance
from gpen_webui.jobs.store.removal import Remover
from gpen_webui.jobs.store.rescue import prepare_migration, rescue_if_needed
from gpen_webui.jobs.store.workers import WorkerRows
from gpen_webui.logs import log_to_file
from gpen_webui.networks import choose_workers
from gpen_webui.pipeline import open_restorer, restore_stages
from gpen_webui.settings import Settings
from gpen_webui.stages.restorer import Restorer

log = logging.getLogger(__name__)


class JobService:
    """The jobs of one outputs folder, at work from the making of the object to close().

    store: collect and look. runner: what users ask for. pool: who restores. events: follow.
    rescue: what was found again of a store that was damaged; None where it was whole. others: the
    machines that help; None where there are none.
    """

    def __init__(
        self,
        settings: Settings,
        load_restorer: LoadRestorer,
        restore_stages: RestoreStages,
        max_original_bytes: int | None = None,
        measure_kind: Callable[[Restorer], str] | None = None,
    ):
        self.settings = settings
        self.others: OtherMachines | None = None

        def load() -> tuple[Restorer, int]:
            restorer, workers = load_restorer()
            if self.others and measure_kind:
                self.others.set_kind(measure_kind(restorer))
            return restorer, workers

        with ExitStack() as opened:
            files = _open_files(settings.outputs, max_original_bytes)
            opened.callback(_open_lock(files).close)
            notifier = EventNotifier()
            self.rescue = rescue_if_needed(files)
            prepare_migration(files)
            database = Database(files.database, on_commit=notifier.notify)
            opened.callback(database.close)
            take_up_leftovers(files, database)
            remover = Remover(files, database)
            self.store = Store(files, database)
            self.events = Events(self.store, notifier)
            claims = ClaimQueue(files, database)
            foreman = Foreman(
                self.store,
                JobCommands(files, database, remover),
                claims,
                Saver(files, database, self.store),
            )
            loading = LoadingRecord(files.root / "loading", _load_settings(settings), files.staging)
            pool = LocalPool(
                foreman,
                load,
                restore_stages,
                settings.max_photo_seconds,
                loading,
            )
            if settings.cluster:
                lease = settings.lease_seconds
                remote = RemoteClaims(foreman, files.received, lease, pool.statistics)
                self.others = OtherMachines(settings, foreman, remote, WorkerRows(database))
            foreman.recover(photos_are_blamed=not loading.is_left_over)
            if self.others:
                self.others.adopt(claims.adopted())
                opened.callback(self.others.close)
            opened.callback(Maintenance(files.database, remover).close)
            pool.start()
            opened.callback(pool.close)
            self.runner: JobRunner = foreman
            self.pool: WorkerPool = pool
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Stop the pool, put unfinished items back, and let others in."""
        self._opened.close()


def open_jobs(
    settings: Settings,
    chosen_model: Callable[[], str | None] | None = None,
    chosen_precision: Callable[[], str] | None = None,
    max_original_bytes: int | None = None,
    measure_kind: Callable[[Restorer], str] | None = None,
) -> JobService:
    """The jobs of settings.outputs, taken up where the last process left them.

    chosen_model, chosen_precision: tell which to load, each time; else the settings do.
    max_original_bytes: photos that stay where they are may be so large; None: no limit.
    measure_kind: tells the kind of this machine, where others help it.
    Raises OutputsInUseError where another process works in the folder, StoreError where it
    cannot be used. Loads no model.
    """

    def load_restorer() -> tuple[Restorer, int]:
        current = settings
        if chosen_model:
            current = replace(current, model=chosen_model())
        if chosen_precision:
            current = replace(current, precision=chosen_precision())
        workers = choose_workers(current)
        started = time.perf_counter()
        restorer = open_restorer(current, workers)
        seconds = time.perf_counter() - started
        log.info("loaded %s in %.1f s, %d workers", restorer.model.name, seconds, workers)
        return restorer, workers

    log_to_file(settings.outputs, settings.log_level, settings.log_format)
    return JobService(settings, load_restorer, restore_stages, max_original_bytes, measure_kind)


def _load_settings(settings: Settings) -> str:
    """What loading a model depends on, and a restart may change."""
    return f"{settings.model} {settings.device} {settings.precision} {settings.workers}"


def _open_files(outputs: Path, max_original_bytes: int | None) -> StoreFiles:
    try:
        return StoreFiles(outputs, max_original_bytes=max_original_bytes)
    except OSError as error:
        raise _unusable(outputs, error) from error


def _open_lock(files: StoreFiles) -> FileLock:
    try:
        return lock_outputs(files.lock)
    except OSError as error:
        raise _unusable(files.outputs, error) from error


def _unusable(outputs: Path, error: OSError) -> StoreError:
    return StoreError(
        f"The folder {outputs} cannot be written ({error.strerror or error}); "
        "check its permissions, or choose another folder with --outputs."
    )
