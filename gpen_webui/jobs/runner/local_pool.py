"""The runner: a pool of threads around one shared restorer.

Each worker takes one photo at a time through `restore_file`, so memory is bounded by the
workers and not by the album. What it does is recorded in the store as it happens; see
interface.JobRunner for what is promised.

A native call cannot be stopped from outside. Where one outruns the time limit, its item
fails at once and its thread is given up: another takes its place, and what the old one
still brings is thrown away.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import PurePath
from threading import Condition, Event, Lock, RLock, Thread, current_thread
from typing import Protocol, TypeVar

from gpen_webui.jobs.records import Job, StoreError
from gpen_webui.jobs.runner.failures import explain, failure, too_many_stuck, too_slow
from gpen_webui.jobs.runner.network_cache import NetworkCache
from gpen_webui.jobs.runner.saving import CannotSaveError, Saver
from gpen_webui.jobs.runner.shared_restorer import LoadRestorer, SharedRestorer, why_not_loaded
from gpen_webui.jobs.runner.task import Task, ThroughputEstimator
from gpen_webui.jobs.store.claims import ClaimQueue
from gpen_webui.jobs.store.commands import JobCommands
from gpen_webui.jobs.store.jobs import Store
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import Interrupted, RestoredFile, put_network_first
from gpen_webui.stages.restorer import Restorer

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0  # between tries to record something in a store that cannot be written
WATCH_SECONDS = 0.2  # between looks at the time limit
SAVING_PATIENCE = 5.0  # seconds for results that are just being saved
MAX_STUCK = 4  # threads given up, before no more are made

Value = TypeVar("Value")


class RestoreFile(Protocol):
    """gpen_webui.pipeline.restore_file, or a stand-in."""

    def __call__(self, restorer, source, name, options, write, on_stage, reuse) -> RestoredFile: ...


class ThreadRunner:
    """See interface.JobRunner. max_photo_seconds 0: no time limit."""

    def __init__(
        self,
        store: Store,
        control: JobCommands,
        work: ClaimQueue,
        saver: Saver,
        load_restorer: LoadRestorer,
        restore_file: RestoreFile,
        max_photo_seconds: float = 0,
    ):
        self._store = store
        self._control = control
        self._work = work
        self._saver = saver
        self._restorer = SharedRestorer(load_restorer)
        self._restore_file = restore_file
        self._limit = max_photo_seconds
        self._cache = NetworkCache()
        self._throughput = ThroughputEstimator()
        self._store_error: str | None = None  # why the store cannot be written
        self._closing = Event()
        self._transition = RLock()  # a job ends, or the user changes its state: one at a time
        self._claiming = Lock()
        self._changed = Condition()  # guards what follows; never held while the disk is used
        self._wakeups = 0  # counts what workers might wait for
        self._tasks: set[Task] = set()
        self._workers: set[Thread] = set()
        self._stuck: set[Thread] = set()

    def start(self) -> None:
        """Take up what an earlier process left, then work. Raises StoreError."""
        self._control.clean_up()
        self._work.recover()
        for job_id in self._work.ending_jobs():
            self._finish_job(job_id)
        self._fill_pool()
        if self._limit:
            Thread(target=self._watch, name="time-limit", daemon=True).start()

    # What users ask for

    def submit(self, job_id: str) -> Job:
        with self._transition:
            self._control.start(job_id)
        return self._changed_job(job_id)

    def pause(self, job_id: str) -> Job:
        with self._transition:
            self._control.pause(job_id)
        self._throughput.forget(job_id)
        return self._store.job(job_id)

    def resume(self, job_id: str) -> Job:
        with self._transition:
            self._control.resume(job_id)
            self._finish_job(job_id)
        return self._changed_job(job_id)

    def cancel(self, job_id: str) -> Job:
        with self._transition:
            self._control.cancel(job_id)
            self._stop_tasks(job_id)
            self._finish_job(job_id)
        return self._changed_job(job_id)

    def retry(self, job_id: str) -> Job:
        with self._transition:
            self._control.retry(job_id)
        return self._changed_job(job_id)

    def run_again(self, job_id: str, options: RestoreOptions, key: str | None = None) -> Job:
        return self._changed_job(self._control.run_again(job_id, options, key))

    def delete(self, job_id: str) -> None:
        with self._transition:
            self._control.mark_deleted(job_id)
            self._stop_tasks(job_id)
            self._throughput.forget(job_id)
            self._control.remove_deleted()

    def warm_up(self) -> None:
        """Load the model in the background, before the first photo needs it."""
        Thread(target=self._load_model, name="warm-up", daemon=True).start()

    def replace_restorer(self) -> None:
        """Load the model anew for the next photo: the settings or the files have changed."""
        self._restorer.replace()

    def status(self) -> dict:
        with self._changed:
            busy, workers, stuck = len(self._tasks), len(self._workers), len(self._stuck)
        state, message = self._restorer.state, self._restorer.message
        if self._store_error:
            state, message = "failed", self._store_error
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
        self._wake_workers()
        with self._claiming, self._changed:  # nothing more is begun from here on
            tasks, workers = list(self._tasks), list(self._workers)
        for task in tasks:
            if task.stop():
                with suppress(StoreError):  # the next start takes it up
                    self._release(task)
        deadline = time.monotonic() + patience
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        self._restorer.replace()

    # The pool

    def _fill_pool(self) -> None:
        with self._changed:
            wanted = 0 if len(self._stuck) >= MAX_STUCK else self._restorer.workers
            while len(self._workers) < wanted and not self._closing.is_set():
                worker = Thread(target=self._serve, name="restore", daemon=True)
                self._workers.add(worker)
                worker.start()

    def _serve(self) -> None:
        put_network_first()
        while task := self._next_task():
            try:
                self._carry_out(task)
            except Exception:  # a worker never dies; the item is done again after a restart
                log.exception("a worker could not finish %s", ascii(task.claim.name))
            task.over.set()
            with self._changed:
                self._tasks.discard(task)
                given_up = current_thread() in self._stuck
            self._wake_workers()
            self._finish_job_surely(task.claim.job_id)
            if given_up:
                break
        with self._changed:
            self._workers.discard(current_thread())
            self._stuck.discard(current_thread())
        self._fill_pool()

    def _next_task(self) -> Task | None:
        """The next item, as soon as there is one; None when the worker is to end."""
        while not self._closing.is_set():
            seen, patience = self._wakeups, None
            try:
                with self._claiming:
                    task = self._claim()
                self._store_error = None
                if task:
                    return task
            except StoreError as error:
                self._store_error, patience = str(error), RETRY_SECONDS
            except Exception as error:  # a worker never dies
                log.exception("no photo could be taken from the store")
                self._store_error, patience = f"The job store is broken ({error}).", RETRY_SECONDS
            with self._changed:
                self._changed.wait_for(lambda seen=seen: self._wakeups != seen, patience)
        return None

    def _claim(self) -> Task | None:
        with self._changed:
            in_progress = list(self._tasks)
        if self._closing.is_set() or any(task.claim.crashed_before for task in in_progress):
            return None
        claim = self._work.claim(alone=not in_progress)
        if claim is None:
            return None
        self._throughput.begin(claim.job_id)
        task = Task(claim)
        with self._changed:
            self._tasks.add(task)
        return task

    def _wake_workers(self) -> None:
        """Wake the workers that wait: there may be something to do."""
        with self._changed:
            self._wakeups += 1
            self._changed.notify_all()

    def _changed_job(self, job_id: str) -> Job:
        self._wake_workers()
        return self._store.job(job_id)

    def _load_model(self) -> None:
        try:
            self._restorer.release(self._restorer.acquire())
        except Exception:  # the restorer's state tells; the next photo tries again
            return
        self._fill_pool()

    # One item

    def _carry_out(self, task: Task) -> None:
        try:
            restorer = self._restorer.acquire()
        except Exception as error:
            if task.stop():
                self._release(task, why_not_loaded(error))
            return
        try:
            self._fill_pool()
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
            self._release(task, str(error))
            return
        self._finish(task, report)

    def _report_of(self, task: Task, restorer: Restorer) -> dict:
        """The report of a photo that is restored and saved, or has failed."""
        try:
            return self._restored(task, restorer)
        except (Interrupted, CannotSaveError, StoreError):
            raise
        except Exception as error:
            return failure(task, explain(task, error))

    def _restored(self, task: Task, restorer: Restorer) -> dict:
        claim, options = task.claim, task.claim.options
        key = (claim.sha256, options.network_key(), restorer.model.sha256)
        is_photo = claim.kind == "photo"
        task.begin(restorer.model)
        restored = self._restore_file(
            restorer,
            claim.source,
            claim.name,
            options,
            lambda data, suffix: self._save(task, data, suffix),
            lambda stage: self._enter(task, stage),
            self._cache.get(key) if is_photo else None,
        )
        if is_photo:
            self._cache.put(key, restored.restoration.network)
        return restored.report.as_dict()

    def _enter(self, task: Task, stage: str) -> None:
        task.check()
        task.stage = stage
        try:
            self._work.stage(task.claim, stage)
        except StoreError as error:  # no reason to give the photo up
            self._store_error = str(error)

    def _save(self, task: Task, data: bytes, suffix: str) -> PurePath:
        task.settle()
        place = self._retry_until_stored(lambda: self._work.place_for(task.claim, suffix))
        if place is None:
            raise Interrupted
        self._saver.save_result(task.claim, place, data)
        task.result_size = len(data)
        return place

    def _finish(self, task: Task, report: dict) -> None:
        """Record how an item ended; what came of one that was cancelled meanwhile is removed."""
        claim, pace = task.claim, self._throughput.finish(task.claim.job_id)
        is_ours = self._retry_until_stored(
            lambda: self._work.finish(claim, report, task.result_size, pace)
        )
        if not is_ours and report["result"]:
            self._saver.discard_result(claim, report["result"])

    def _release(self, task: Task, reason: str | None = None) -> None:
        """Put an item back; reason: its job pauses because of it."""
        self._throughput.forget(task.claim.job_id)
        self._retry_until_stored(lambda: self._work.release(task.claim, reason))

    def _finish_job(self, job_id: str) -> None:
        """End a job if it has nothing left to do: write its report, then say so."""
        with self._transition:
            if not self._work.ending_jobs(job_id):
                return
            try:
                self._saver.save_report(job_id)
                self._work.end(job_id)
            except CannotSaveError as error:
                self._work.pause(job_id, str(error))
            self._throughput.forget(job_id)

    def _finish_job_surely(self, job_id: str) -> None:
        with suppress(StoreError):  # closing; the next start takes it up
            self._retry_until_stored(lambda: self._finish_job(job_id))

    def _retry_until_stored(self, record: Callable[[], Value]) -> Value:
        """Record something, however long the store cannot be written.

        Gives up with the StoreError when the runner closes: the next start takes it up.
        """
        while True:
            try:
                return record()
            except StoreError as error:
                self._store_error = str(error)
                if self._closing.wait(RETRY_SECONDS):
                    raise

    # Stopping items

    def _stop_tasks(self, job_id: str) -> None:
        """Stop a job's items in hand; those that are just being saved are finished."""
        with self._changed:
            tasks = [task for task in self._tasks if task.claim.job_id == job_id]
        deadline = time.monotonic() + SAVING_PATIENCE
        for task in tasks:
            if not task.stop():
                task.over.wait(max(0.0, deadline - time.monotonic()))

    def _watch(self) -> None:
        """Enforce the time limit."""
        while not self._closing.wait(WATCH_SECONDS):
            latest = time.monotonic() - self._limit
            with self._changed:
                late = [task for task in self._tasks if task.started and task.started < latest]
                failed = [task for task in late if task.stop()]
                for task in late:
                    if task.is_stopped:  # its thread comes back when it can
                        self._tasks.discard(task)
                        self._workers.discard(task.worker)
                        self._stuck.add(task.worker)
            if late:
                self._fill_pool()
            for task in failed:
                with suppress(StoreError):  # closing; the next start takes it up
                    self._finish(task, failure(task, too_slow(task, self._limit)))
                self._finish_job_surely(task.claim.job_id)
