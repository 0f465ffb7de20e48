"""The workers of this process: threads around one shared restorer.

Each worker takes one photo at a time through `restore_stages`, so memory is bounded by the
workers and not by the album. What becomes of it is told to the foreman.

A native call cannot be stopped from outside. Where one outruns the time limit, its item
fails at once and its thread is given up: another takes its place, and what the old one
still brings is thrown away.

`_lock` guards the sets of threads; it comes after all of the foreman's locks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Lock, Thread, current_thread
from typing import Protocol

from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.runner.failures import not_saved, too_many_stuck, too_slow
from gpen_webui.jobs.runner.foreman import Foreman
from gpen_webui.jobs.runner.network_cache import NetworkCache
from gpen_webui.jobs.runner.saving import CannotSaveError
from gpen_webui.jobs.runner.shared_restorer import LoadRestorer, SharedRestorer, why_not_loaded
from gpen_webui.jobs.runner.task import Interrupted, Task
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import ItemReport, RestoredFile, StageError, put_network_first
from gpen_webui.stages.restorer import NetworkResult, Restorer

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.2  # between looks at the time limit
MAX_STUCK = 4  # threads given up, before no more are made

Stages = Generator[str, None, RestoredFile]


class RestoreStages(Protocol):
    """gpen_webui.pipeline.restore_stages, or a stand-in."""

    def __call__(
        self,
        restorer: Restorer,
        source: Path,
        name: str,
        options: RestoreOptions,
        reuse: NetworkResult | None,
    ) -> Stages: ...


class LocalPool:
    """See interface.WorkerPool. max_photo_seconds 0: no time limit."""

    def __init__(
        self,
        foreman: Foreman,
        load_restorer: LoadRestorer,
        restore_stages: RestoreStages,
        max_photo_seconds: float = 0,
    ):
        self._foreman = foreman
        self._restorer = SharedRestorer(load_restorer)
        self._restore_stages = restore_stages
        self._limit = max_photo_seconds
        self._cache = NetworkCache()
        self._closing = Event()
        self._lock = Lock()
        self._workers: dict[Thread, Task | None] = {}  # and what each has in progress
        self._stuck: set[Thread] = set()

    def start(self) -> None:
        """Begin to work."""
        self._fill()
        if self._limit:
            Thread(target=self._watch, name="time-limit", daemon=True).start()

    def warm_up(self) -> None:
        """Load the model in the background, before the first photo needs it."""
        Thread(target=self._load_model, name="warm-up", daemon=True).start()

    def replace_restorer(self) -> None:
        """Load the model anew for the next photo: the settings or the files have changed."""
        self._restorer.replace()

    def status(self) -> dict:
        with self._lock:
            workers, stuck = len(self._workers), len(self._stuck)
            busy = sum(task is not None for task in self._workers.values())
        state, message = self._restorer.state, self._restorer.message
        if self._foreman.store_error:
            state, message = "failed", self._foreman.store_error
        elif not workers and stuck:
            state, message = "failed", too_many_stuck(stuck)
        return {
            "state": state,
            "message": message,
            "model": self._restorer.model,
            "workers": workers,
            "busy": busy,
            "stuck": stuck,
        }

    def close(self, patience: float = 10.0) -> None:
        self._closing.set()
        self._foreman.close()
        with self._lock:
            workers = list(self._workers)
        deadline = time.monotonic() + patience
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        self._restorer.replace()

    # Threads

    def _fill(self) -> None:
        with self._lock:
            wanted = 0 if len(self._stuck) >= MAX_STUCK else self._restorer.workers
            while len(self._workers) < wanted and not self._closing.is_set():
                worker = Thread(target=self._serve, name="restore", daemon=True)
                self._workers[worker] = None
                worker.start()

    def _serve(self) -> None:
        put_network_first()
        while task := self._foreman.next_task():
            self._hold(task)
            try:
                self._carry_out(task)
            except Exception:  # a worker never dies; the item is done again after a restart
                log.exception("a worker could not finish %s", ascii(task.claim.name))
            self._hold(None)
            self._foreman.let_go(task)
            with self._lock:
                if current_thread() in self._stuck:
                    break
        with self._lock:
            self._workers.pop(current_thread(), None)
            self._stuck.discard(current_thread())
        self._fill()

    def _hold(self, task: Task | None) -> None:
        """What this thread has in progress, unless it was given up."""
        with self._lock:
            if current_thread() in self._workers:
                self._workers[current_thread()] = task

    def _watch(self) -> None:
        """Enforce the time limit."""
        while not self._closing.wait(WATCH_SECONDS):
            failed, given_up = self._give_up_late()
            if given_up:
                self._fill()
            for task in failed:
                with suppress(StoreError):  # closing; the next start takes it up
                    self._foreman.finish(task, self._too_slow(task))
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

    def _too_slow(self, task: Task) -> ItemReport:
        return self._failed(task, too_slow(task.claim.name, task.stage, self._limit))

    def _load_model(self) -> None:
        try:
            self._restorer.release(self._restorer.acquire())
        except Exception:  # the restorer's state tells; the next photo tries again
            return
        self._fill()

    # One item

    def _carry_out(self, task: Task) -> None:
        try:
            restorer = self._restorer.acquire()
        except Exception as error:
            if task.stop():
                self._foreman.release(task, why_not_loaded(error))
            return
        try:
            self._fill()
            self._restore(task, restorer)
        finally:
            self._restorer.release(restorer)

    def _restore(self, task: Task, restorer: Restorer) -> None:
        try:
            report = self._report_of(task, restorer)
            task.settle()
        except Interrupted:  # whoever stopped it records what becomes of it
            return
        except (CannotSaveError, StoreError) as error:
            self._foreman.release(task, str(error))
            return
        self._foreman.finish(task, report)

    def _report_of(self, task: Task, restorer: Restorer) -> ItemReport:
        """The report of a photo that is restored and saved, or has failed."""
        try:
            restored = self._restored(task, restorer)
            self._foreman.save(task, restored)
            return restored.report
        except StageError as error:
            return self._failed(task, str(error))
        except (Interrupted, CannotSaveError, StoreError):
            raise
        except Exception:
            log.exception("%s could not be saved", ascii(task.claim.name))
            return self._failed(task, not_saved(task.claim.name))

    def _restored(self, task: Task, restorer: Restorer) -> RestoredFile:
        """Take an item through its stages. Raises Interrupted, StageError."""
        claim = task.claim
        key = (claim.sha256, claim.options.network_key(), restorer.model.sha256)
        is_photo = claim.kind == "photo"
        task.begin(restorer.model)
        reuse = self._cache.get(key) if is_photo else None
        stages = self._restore_stages(restorer, claim.source, claim.name, claim.options, reuse)
        with closing(stages):
            restored = self._follow(task, stages)
        if is_photo:
            self._cache.put(key, restored.restoration.network)
        return restored

    def _follow(self, task: Task, stages: Stages) -> RestoredFile:
        while True:
            try:
                stage = next(stages)
            except StopIteration as end:
                return end.value
            self._foreman.enter(task, stage)

    def _failed(self, task: Task, message: str) -> ItemReport:
        """The report of an item that failed in its present stage."""
        claim = task.claim
        return ItemReport.failed(claim.name, claim.options, task.model, task.stage, message)
