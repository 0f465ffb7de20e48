"""The workers of this process: threads around one shared restorer.

Each worker takes one photo at a time through `restore_stages`, so memory is bounded by the
workers and not by the album. What becomes of it is told to the foreman.

A native call cannot be stopped from outside. Where one outruns the time limit, its item
fails at once and its thread is given up: another takes its place, and what the old one
still brings is thrown away.

A worker never dies: whatever it meets, it puts its item back, says why, and goes on. Should a
thread die all the same, or not be started, it is replaced: by the supervisor, and whenever
health is asked.

`_lock` guards the sets of threads; it comes after all of the foreman's locks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread, current_thread
from typing import TYPE_CHECKING, Protocol

from gpen_webui.files.originals import Original
from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.runner import photo_log
from gpen_webui.jobs.runner.failures import (
    not_restored,
    too_many_stuck,
    too_slow,
    why_not_recorded,
)
from gpen_webui.jobs.runner.foreman import RETRY_SECONDS, Foreman
from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.jobs.runner.loading_record import LoadingRecord
from gpen_webui.jobs.runner.saving import CannotSaveError
from gpen_webui.jobs.runner.shared_restorer import LoadRestorer, SharedRestorer, why_not_loaded
from gpen_webui.jobs.runner.statistics import Statistics
from gpen_webui.jobs.runner.task import Interrupted, Task
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import ItemReport, RestoredFile, StageError, put_network_first
from gpen_webui.shortage import ShortageError, shortage_of
from gpen_webui.stages.base import Intermediates
from gpen_webui.stages.restorer import Restorer

if TYPE_CHECKING:
    import numpy as np

    from gpen_webui.stages.preview_part import PreviewRequest

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.2  # between looks at the workers
MAX_STUCK = 4  # threads given up, before no more are made

Stages = Generator[str, None, RestoredFile]


class RestoreStages(Protocol):
    """gpen_webui.pipeline.restore_stages, or a stand-in."""

    def __call__(
        self,
        restorer: Restorer,
        source: Path | Original,
        name: str,
        options: RestoreOptions,
        reuse: Intermediates | None,
    ) -> Stages: ...


class LocalPool:
    """See interface.WorkerPool.

    max_photo_seconds 0: no time limit. loading: where loading the model may kill the process
    and a new one go on.
    """

    def __init__(
        self,
        foreman: Foreman,
        load_restorer: LoadRestorer,
        restore_stages: RestoreStages,
        max_photo_seconds: float = 0,
        loading: LoadingRecord | None = None,
    ):
        self.statistics = Statistics()
        self._foreman = foreman
        self._restorer = SharedRestorer(
            loading.watched(load_restorer) if loading else load_restorer
        )
        self._restore_stages = restore_stages
        self._loading = loading
        self._limit = max_photo_seconds
        self._kept = KeptIntermediates()
        self._closing = Event()
        self._lock = Lock()
        self._workers: dict[Thread, Task | None] = {}  # and what each has in progress
        self._stuck: set[Thread] = set()
        self._numbers = count(1)
        self._supervisor: Thread | None = None
        self._not_started = ""  # why no further thread could be started

    def start(self) -> None:
        """Begin to work. Raises StoreError."""
        if self._loading and self._loading.is_hopeless:
            reason = self._loading.why_hopeless()
            self._restorer.refuse(reason)
            self._foreman.pause_all(reason)
        self._fill()
        self._keep_supervisor()

    def warm_up(self) -> None:
        """Load the model in the background, unless that has killed the process before."""
        if not (self._loading and self._loading.is_hopeless):
            with suppress(RuntimeError):  # no thread: the first photo loads it
                Thread(target=self._load_model, name="warm-up", daemon=True).start()

    def replace_restorer(self) -> None:
        """Load the model anew for the next photo: the settings or the files have changed."""
        if self._loading:
            self._loading.clear()
        self._restorer.replace()

    def status(self) -> dict:
        self._fill()
        self._keep_supervisor()
        with self._lock:
            workers, stuck = len(self._workers), len(self._stuck)
            busy = sum(task is not None for task in self._workers.values())
        state, message = self._restorer.state, self._restorer.message
        if problem := self._foreman.why_no_store():
            state, message = "failed", problem
        elif not workers and not self._closing.is_set():
            state = "failed"
            message = too_many_stuck(stuck) if stuck >= MAX_STUCK else self._not_started
        return {
            "state": state,
            "message": message,
            "model": self._restorer.model,
            "workers": workers,
            "busy": busy,
            "stuck": stuck,
        }

    def preview(self, sha256: str, request: PreviewRequest) -> np.ndarray | None:
        if self._restorer.model is None:
            return None
        restorer = self._restorer.acquire()
        try:
            reuse = self._kept.of(sha256, restorer.model.sha256, restorer.description)
            return restorer.preview.show(request, reuse)
        finally:
            self._restorer.release(restorer)

    def close(self, patience: float = 10.0, *, frees: bool = True) -> None:
        """frees: the restorer too; not where the process is about to end."""
        self._closing.set()
        self._foreman.close()
        with self._lock:
            workers = list(self._workers)
        deadline = time.monotonic() + patience
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        if self._loading:
            self._loading.clear()  # a load that is cut off now is no death
        if frees:
            self._restorer.replace()

    # Threads

    def _fill(self) -> None:
        """As many living workers as there should be."""
        with self._lock:
            for worker in [worker for worker in self._workers if not worker.is_alive()]:
                del self._workers[worker]
            wanted = 0 if len(self._stuck) >= MAX_STUCK else self._restorer.workers
            while len(self._workers) < wanted and not self._closing.is_set():
                if not self._start_worker():
                    break

    def _start_worker(self) -> bool:
        name = f"restore-{next(self._numbers)}"
        worker = Thread(target=self._serve, name=name, daemon=True)
        self._workers[worker] = None
        try:
            worker.start()
        except (RuntimeError, MemoryError) as error:
            del self._workers[worker]
            shortage = shortage_of(error)
            self._not_started = str(shortage or f"No thread can be started ({error!r}).")
            return False
        return True

    def _keep_supervisor(self) -> None:
        """Start the supervisor, unless it lives."""
        with self._lock:
            if self._closing.is_set() or (self._supervisor and self._supervisor.is_alive()):
                return
            supervisor = Thread(target=self._supervise, name="supervisor", daemon=True)
            with suppress(RuntimeError):  # no thread: tried again when health is asked
                supervisor.start()
                self._supervisor = supervisor

    def _serve(self) -> None:
        with suppress(OSError):
            put_network_first()
        while not self._foreman.is_closing and not self._is_given_up():
            seen = self._foreman.changes
            patience = self._work()
            if patience != 0:
                self._foreman.wait_for_change(seen, patience)
        with self._lock:
            self._workers.pop(current_thread(), None)
            self._stuck.discard(current_thread())
        self._fill()

    def _work(self) -> float | None:
        """Restore the next photo; how long to wait afterwards: None for a change, 0 not at all.

        Never raises anything: a worker that dies would leave photos behind that look as if
        they were in progress.
        """
        try:
            return self._restore_next()
        except StoreError as error:
            self._foreman.store_error = str(error)
        except BaseException as error:
            with suppress(Exception):
                log.error("a worker could not go on", exc_info=error)
            self._foreman.store_error = f"The job store is broken ({error!r})."
        return RETRY_SECONDS

    def _is_given_up(self) -> bool:
        with self._lock:
            return current_thread() in self._stuck

    def _hold(self, task: Task | None) -> None:
        """What this thread has in progress, unless it was given up."""
        with self._lock:
            if current_thread() in self._workers:
                self._workers[current_thread()] = task

    def _supervise(self) -> None:
        """Enforce the time limit, and replace threads that have died."""
        while not self._closing.wait(WATCH_SECONDS):
            try:
                self._enforce_limit()
                self._fill()
            except BaseException as error:
                with suppress(Exception):
                    log.error("the workers could not be supervised", exc_info=error)

    def _enforce_limit(self) -> None:
        failed, given_up = self._give_up_late() if self._limit else ([], [])
        if given_up:
            self._fill()
        for task in failed:
            with photo_log.about_task(task):
                message = too_slow(task.claim.name, task.stage, self._limit)
                self._finish(task, self._failed(task, message))
        for task in given_up:
            self._foreman.let_go(task)

    def _give_up_late(self) -> tuple[list[Task], list[Task]]:
        """Items that outran the limit: those that fail by it, and all whose threads are given up.

        A thread comes back when it can.
        """
        latest = time.monotonic() - self._limit
        with self._lock:
            late = {
                worker: task
                for worker, task in self._workers.items()
                if task and task.started and task.started < latest
            }
            failed = [task for task in late.values() if task.stop()]
            given_up = {worker: task for worker, task in late.items() if task.is_stopped}
            for worker in given_up:
                del self._workers[worker]
                self._stuck.add(worker)
        return failed, list(given_up.values())

    def _load_model(self) -> None:
        try:
            self._restorer.release(self._restorer.acquire())
        except Exception:  # the restorer's state tells; the next photo tries again
            return
        self._fill()

    # One item

    def _restore_next(self) -> float | None:
        """As `_work`. The model comes first: an item is claimed by who can restore it."""
        if not self._foreman.has_work():
            return None
        try:
            restorer = self._restorer.acquire()
        except Exception as error:
            self._foreman.pause_all(why_not_loaded(error))
            return None
        try:
            self._fill()
            task = self._foreman.claim()
            if task is None:
                return None
            self._carry_out(task, restorer)
        finally:
            self._restorer.release(restorer)
        return 0

    def _carry_out(self, task: Task, restorer: Restorer) -> None:
        task.worker = current_thread().name
        try:
            with photo_log.about_task(task):
                self._restore_or_give_back(task, restorer)
        finally:
            self._hold(None)
            self._foreman.let_go(task)

    def _restore_or_give_back(self, task: Task, restorer: Restorer) -> None:
        try:
            self._hold(task)
            photo_log.begun(task)
            self._restore(task, restorer)
        except BaseException as error:
            self._give_back(task, error)

    def _restore(self, task: Task, restorer: Restorer) -> None:
        try:
            report = self._report_of(task, restorer)
            task.settle()
        except Interrupted:  # whoever stopped it records what becomes of it
            photo_log.stopped(task)
            self.statistics.photo_ended("stopped", {})
            return
        self._finish(task, report)

    def _finish(self, task: Task, report: ItemReport) -> None:
        try:
            self._foreman.finish(task, report)
        except Exception as error:
            self._give_back(task, error)
            return
        if not report.error:
            photo_log.ended(task, report)
        self.statistics.photo_ended(report.state, report.seconds)

    def _give_back(self, task: Task, error: BaseException) -> None:
        """What came of an item cannot be saved or recorded: its job pauses with the reason."""
        reason = why_not_recorded(task.claim.name, error)
        with suppress(StoreError):  # closing; the next start takes it up
            self._foreman.release(task, reason)
        photo_log.put_back(task, reason)
        self.statistics.photo_ended("stopped", {})

    def _report_of(self, task: Task, restorer: Restorer) -> ItemReport:
        """The report of a photo that is restored and saved, or has failed.

        Raises Interrupted; anything else is no fault of the photo.
        """
        try:
            restored = self._restored(task, restorer)
        except StageError as error:
            return self._failed(task, str(error), error)
        except (Interrupted, ShortageError, CannotSaveError, StoreError):
            raise
        except Exception as error:
            if shortage := shortage_of(error):
                raise shortage from error
            return self._failed(task, not_restored(task.claim.name), error)
        self._foreman.save(task, restored)
        return restored.report

    def _restored(self, task: Task, restorer: Restorer) -> RestoredFile:
        """Take an item through its stages. Raises Interrupted, StageError, ShortageError."""
        claim = task.claim
        is_photo = claim.kind == "photo" and claim.sha256 != ""  # else it was not read yet
        task.begin(restorer.model)
        by = restorer.model.sha256, restorer.description
        reuse = self._kept.of(claim.sha256, *by) if is_photo else None
        stages = self._restore_stages(restorer, claim.source, claim.name, claim.options, reuse)
        with closing(stages):
            return self._follow(task, stages)

    def _follow(self, task: Task, stages: Stages) -> RestoredFile:
        entered = None
        while True:
            try:
                stage = next(stages)
            except StopIteration as end:
                return end.value
            if stage == entered:  # a place where the photo may be stopped
                self._foreman.go_on(task, getattr(stage, "percent", None))
                continue
            entered = stage
            self._foreman.enter(task, stage)
            photo_log.entered(task, stage)

    def _failed(self, task: Task, message: str, error: BaseException | None = None) -> ItemReport:
        """The report of an item that failed in its present stage."""
        photo_log.failed(task, message, error)
        claim = task.claim
        return ItemReport.failed(claim.name, claim.options, task.model, task.stage, message)
