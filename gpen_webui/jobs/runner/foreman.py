"""The foreman: takes what users ask for, hands items to workers, decides how jobs end.

He knows no threads and no model. Workers ask him for items and tell him what came of them;
what he is told stands in the store before he answers.

Locks, in the order in which they may be taken; no code takes one to the left of what it holds:

    transition -> claiming -> the store's writer -> changed -> a task's own

`transition`: a job ends, or a user changes its state. `claiming`: an item is handed out.
`changed` guards the items in progress; it is never held while the disk is used.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from threading import Condition, Event, Lock, RLock
from typing import TypeVar

from gpen_webui.jobs.naming import is_legal, renamed_words
from gpen_webui.jobs.records import Job, StoreError
from gpen_webui.jobs.runner.failures import why_not_recorded
from gpen_webui.jobs.runner.machine_figures import MachineFigures
from gpen_webui.jobs.runner.saving import CannotSaveError, DeliveredFile, Saver
from gpen_webui.jobs.runner.task import Interrupted, Task
from gpen_webui.jobs.runner.throughput import ThroughputEstimator
from gpen_webui.jobs.store.claims import Claim, ClaimQueue
from gpen_webui.jobs.store.commands import JobCommands
from gpen_webui.jobs.store.jobs import Store
from gpen_webui.jobs.store.machines import HERE, Machine
from gpen_webui.logs import about
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import ItemReport, RestoredFile
from gpen_webui.states import Stage

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0  # between tries to record something in a store that cannot be written
PROGRESS_SECONDS = 1.0  # between two events that tell how far a stage is
SAVING_PATIENCE = 5.0  # seconds for results that are just being saved

Value = TypeVar("Value")


class Foreman:
    """See interface.JobRunner; below that, what workers ask and tell.

    store_error: why the store cannot be written; None where it can. here: this machine, where
    others help it. figures: what each machine has done.
    """

    def __init__(self, store: Store, commands: JobCommands, claims: ClaimQueue, saver: Saver):
        self.store_error: str | None = None
        self.here: Machine | None = None
        self.figures = MachineFigures()
        self._store = store
        self._commands = commands
        self._claims = claims
        self._saver = saver
        self._throughput = ThroughputEstimator()
        self._closing = Event()
        self._transition = RLock()
        self._claiming = Lock()
        self._changed = Condition()
        self._changes = 0  # counts what workers might wait for
        self._tasks: set[Task] = set()  # in progress

    def recover(self, photos_are_blamed: bool) -> None:
        """Take up what an earlier process left; before anything else. Raises StoreError.

        photos_are_blamed: whether what it had in progress may have caused its death.
        """
        self._claims.recover(photos_are_blamed, adopts=self.here is not None)
        for job_id in self._claims.ending_jobs():
            self._finish_job(job_id)

    def close(self) -> None:
        """Hand out nothing more; items in progress wait again, unless they are being saved.

        Those in the hands of other machines stay there: the next start adopts them.
        """
        self._closing.set()
        self.notify_workers()
        with self._claiming:  # whoever was claiming has done so
            tasks = self.in_progress(HERE)
        for task in tasks:
            if task.stop():
                with suppress(Exception):  # the next start takes it up
                    self.release(task)

    # What users ask for

    def submit(self, job_id: str) -> Job:
        with self._transition:
            self._commands.start(job_id)
        _log(job_id, "started")
        return self._changed_job(job_id)

    def pause(self, job_id: str) -> Job:
        with self._transition:
            self._commands.pause(job_id)
        _log(job_id, "paused by the user")
        self._throughput.forget(job_id)
        return self._store.job(job_id)

    def resume(self, job_id: str) -> Job:
        with self._transition:
            self._commands.resume(job_id)
            _log(job_id, "resumed")
            self._finish_job(job_id)
        return self._changed_job(job_id)

    def cancel(self, job_id: str) -> Job:
        with self._transition:
            self._commands.cancel(job_id)
            _log(job_id, "cancelled")
            self._stop_tasks(job_id)
            self._finish_job(job_id)
        return self._changed_job(job_id)

    def retry(self, job_id: str) -> Job:
        with self._transition:
            self._commands.retry(job_id)
        _log(job_id, "its failed photos are retried")
        return self._changed_job(job_id)

    def restore_rest(self, job_id: str) -> Job:
        with self._transition:
            self._commands.restore_rest(job_id)
        _log(job_id, "the photos that were given up are restored")
        return self._changed_job(job_id)

    def redo(self, job_id: str, n: int, options: RestoreOptions) -> Job:
        with self._transition:
            self._commands.redo(job_id, n, options)
        _log(job_id, f"photo {n} is restored again with options of its own")
        return self._changed_job(job_id)

    def run_again(
        self,
        job_id: str,
        options: RestoreOptions,
        key: str | None = None,
        keep_own: bool = True,
    ) -> Job:
        again = self._commands.run_again(job_id, options, key, keep_own)
        _log(again, f"started as another run of {job_id}")
        return self._changed_job(again)

    def delete(self, job_id: str) -> None:
        with self._transition:
            self._commands.mark_deleted(job_id)
            self._stop_tasks(job_id)
            self._throughput.forget(job_id)
        _log(job_id, "deleted")
        self._commands.remove_deleted(job_id)  # takes a while, so nobody waits

    # What workers ask

    @property
    def is_closing(self) -> bool:
        """Whether nothing more is handed out."""
        return self._closing.is_set()

    @property
    def changes(self) -> int:
        """How often there may have been something new to do."""
        return self._changes

    def wait_for_change(self, seen: int, patience: float | None) -> None:
        """Wait until `changes` is not what was seen any more, at most `patience` seconds.

        Who saw it only after the closing does not wait at all.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._changes != seen or self.is_closing, patience)

    def waiting(self) -> int:
        """How many items of started jobs wait. Raises StoreError."""
        return self._claims.count_waiting()

    def why_no_store(self) -> str | None:
        """As `store_error`, also while nobody has anything to write."""
        try:
            self._claims.check_store()
        except StoreError as error:
            return str(error)
        return self.store_error

    def has_work(self) -> bool:
        """Whether an item waits. Raises StoreError."""
        has_work = not self.is_closing and self._claims.has_waiting()
        self.store_error = None
        return has_work

    def claim(self, machine: Machine | None = None, id: str = "") -> Task | None:
        """The next item; None where there is none that may be begun now. Raises StoreError.

        machine, id: another one that asks for it, and the claim's name. An item with which a
        process has died is alone in the machine that tries it again.
        """
        machine = machine or self.here
        with self._claiming:
            in_progress = self.in_progress(machine.id if machine else HERE)
            if self.is_closing or any(task.claim.crashed_before for task in in_progress):
                return None
            claim = self._claims.claim(not in_progress, machine, id)
            if claim is None:
                return None
            return self.take_up(claim, machine)

    def take_up(self, claim: Claim, machine: Machine | None) -> Task:
        """The item is in a machine's hands."""
        self._throughput.begin(claim.job_id)
        task = Task(claim, machine)
        with self._changed:
            self._tasks.add(task)
        return task

    def in_progress(self, machine: str) -> list[Task]:
        """The items in a machine's hands, by its id."""
        with self._changed:
            return [task for task in self._tasks if task.machine_id == machine]

    # What workers tell; all of it is retried while the store cannot be written

    def enter(self, task: Task, stage: str) -> None:
        """The item is about to enter a stage. Raises Interrupted where it was stopped."""
        task.check()
        task.stage = stage
        self._tell_stage(task)

    def go_on(self, task: Task, percent: int | None) -> None:
        """The item is in the middle of its stage, of which so much is done, if that is known.
        Raises Interrupted where it was stopped."""
        task.check()
        now = time.monotonic()
        if percent is not None and now >= task.progress_told + PROGRESS_SECONDS:
            task.progress_told = now
            self._tell_stage(task, percent)

    def _tell_stage(self, task: Task, percent: int | None = None) -> None:
        try:
            self._claims.record_stage(task.claim, task.stage, percent)
        except StoreError as error:
            self.store_error = str(error)
        except Exception:  # no reason to give the photo up
            log.exception("a stage could not be told")

    def save(self, task: Task, restored: RestoredFile | DeliveredFile) -> None:
        """Save a result, and complete its report.

        Raises CannotSaveError, Interrupted where the item was stopped, StoreError when closing.
        """
        task.settle()
        started = time.perf_counter()
        report = restored.report
        self._place(task, restored)
        saving = time.perf_counter() - started
        report.seconds[Stage.SAVE] = round(report.seconds.get(Stage.SAVE, 0) + saving, 4)

    def _place(self, task: Task, restored: RestoredFile | DeliveredFile) -> None:
        """Write a result, put it in its place and say where that is. Raises as `save`.

        Nothing is written before its place is on record: after a death, what lies at the
        recorded place is compared with what was written (see ClaimQueue.recover).
        """
        claim, refused = task.claim, ""
        for portable in (False, False, True):  # the second: somebody took the name meanwhile
            place = self._retry_until_stored(
                partial(self._claims.place_for, claim, restored.suffix, portable)
            )
            if place is None:
                self._saver.discard(claim, None)
                raise Interrupted
            if task.place is None:
                task.result_size = self._saver.write_staged(
                    claim, restored.data, restored.modified_ns
                )
            task.place = place
            refused = self._saver.place(claim, place)
            if not refused:
                restored.report.result = place.as_posix()
                if portable or not is_legal(claim.name):
                    restored.report.warnings.append(renamed_words(place))
                self._saver.save_sidecars(claim, place, restored.report)
                restored.report.superseded += self._saver.superseded_by(claim, restored.report)
                self._saver.keep_thumbnails(claim, restored)
                return
        raise CannotSaveError(refused)

    def finish(self, task: Task, report: ItemReport) -> bool:
        """The item has ended; what came of one that was cancelled meanwhile is removed, and it
        is False.

        Raises StoreError when closing, and whatever else kept it from being recorded; then it
        must be released.
        """
        claim = task.claim
        is_work = not report.error or report.error["stage"] not in (None, Stage.OPEN)
        pace = self._throughput.finish(claim.job_id, is_work)
        if task.machine:
            report.restored_by = {"machine": task.machine.name, "kind": task.machine.kind}
        is_ours = self._retry_until_stored(
            lambda: self._claims.finish(claim, report, task.result_size, pace)
        )
        if is_ours:
            self._saver.forget(claim)
            self._saver.remove_superseded(claim, report)
            self.figures.note(task.machine_id, is_restored=not report.error)
        else:
            self._saver.discard(claim, task.place)
        return is_ours

    def crashed(self, task: Task) -> None:
        """A process of another machine died with the item in progress."""
        machine = task.machine
        assert machine is not None, "what this process had dies with it"
        self._throughput.forget(task.claim.job_id)
        self._retry_until_stored(lambda: self._claims.crashed(task.claim, machine), MemoryError)
        self.figures.note(machine.id, is_restored=False)

    def forgive(self, machine: str) -> None:
        """No photo is to blame for this machine's crashes."""
        self._retry_until_stored(lambda: self._claims.forgive(machine))

    def tell_missing_kinds(self, kinds: Collection[str]) -> None:
        """As in ClaimQueue. Raises StoreError."""
        self._claims.tell_missing_kinds(kinds)

    def pause_because(self, task: Task, reason: str) -> None:
        """An item's job pauses; the item stays in its machine's hands. Raises StoreError."""
        self._claims.pause(task.claim.job_id, reason)

    def release(self, task: Task, reason: str | None = None) -> None:
        """Put an item back, without its result; reason: its job pauses because of it."""
        self._throughput.forget(task.claim.job_id)

        def put_back() -> None:
            with self._claiming:  # nobody begins it again before what it has left is gone
                if self._claims.release(task.claim, reason):
                    self._saver.discard(task.claim, task.place)

        self._retry_until_stored(put_back, MemoryError)

    def let_go(self, task: Task) -> None:
        """The worker is done with the item; the last one of a job ends it."""
        task.over.set()
        with self._changed:
            self._tasks.discard(task)
        self.notify_workers()
        with suppress(StoreError, MemoryError):  # closing; the next start takes it up
            self._retry_until_stored(lambda: self._finish_job(task.claim.job_id), MemoryError)

    def pause_all(self, reason: str) -> None:
        """No job can go on: each pauses with the reason, and nothing is claimed."""
        self._retry_until_stored(lambda: self._claims.pause_all(reason))
        log.warning("all started jobs are paused: %s", reason)

    # Ends of jobs

    def _finish_job(self, job_id: str) -> None:
        """End a job if it has nothing left to do: write its report, then say so."""
        with self._transition:
            if not self._claims.ending_jobs(job_id):
                return
            try:
                self._saver.save_report(job_id)
                self._claims.end(job_id)
                _log(job_id, "ended")
            except StoreError:
                raise
            except Exception as error:
                reason = why_not_recorded("The report", error)
                self._claims.pause(job_id, reason)
                _log(job_id, f"paused: {reason}")
            self._throughput.forget(job_id)

    def _stop_tasks(self, job_id: str) -> None:
        """Stop a job's items in progress; those that are just being saved are finished."""
        with self._changed:
            tasks = [task for task in self._tasks if task.claim.job_id == job_id]
        deadline = time.monotonic() + SAVING_PATIENCE
        for task in tasks:
            if not task.stop():
                task.over.wait(max(0.0, deadline - time.monotonic()))

    def _retry_until_stored(
        self, record: Callable[[], Value], *also_after: type[Exception]
    ) -> Value:
        """Record something, however long the store cannot be written.

        also_after: what else is no reason to give up. Gives up with the error when closing: the
        next start takes it up.
        """
        tried_again: tuple[type[Exception], ...] = (StoreError, *also_after)
        while True:
            try:
                return record()
            except tried_again as error:
                self.store_error = str(error) or repr(error)
                if self._closing.wait(RETRY_SECONDS):
                    raise

    def _changed_job(self, job_id: str) -> Job:
        self.notify_workers()
        return self._store.job(job_id)

    def notify_workers(self) -> None:
        """There may be something to do."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()


def _log(job_id: str, what: str) -> None:
    with about(job=job_id):
        log.info("job %s", what)
