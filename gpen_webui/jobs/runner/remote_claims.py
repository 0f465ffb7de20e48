"""Items in the hands of other machines: leases, deliveries, and what becomes of them.

A claim is valid until it is finished, has failed, is stopped (cancelled, deleted), or was not
renewed for as long as a lease lasts, by this process's monotonic clock. An item whose lease has
run out waits again, and nobody is blamed: what its machine still brings is thrown away. While a
result is being saved a lease does not run out, or the late one's clearing up would remove what
its successor has saved.

Whoever gets no answer may ask the same again: a claim is found by the name of the request that
made it, and what has ended is remembered for a while.

`_lock` guards the claims; it comes after all of the foreman's locks. A claim's own lock is held
while it is ended, so that a result is saved once.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import BinaryIO

from gpen_webui.errors import UserError
from gpen_webui.files.originals import OriginalError, hold_open
from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.runner import photo_log
from gpen_webui.jobs.runner.failures import why_not_recorded
from gpen_webui.jobs.runner.foreman import Foreman
from gpen_webui.jobs.runner.received import ReceivedResult
from gpen_webui.jobs.runner.saving import CannotSaveError, DeliveredFile
from gpen_webui.jobs.runner.statistics import Statistics
from gpen_webui.jobs.runner.task import Interrupted, Task
from gpen_webui.jobs.store.claims import Claim
from gpen_webui.jobs.store.machines import Machine
from gpen_webui.models.installed import InstalledModel
from gpen_webui.pipeline import ItemReport

log = logging.getLogger(__name__)

REMEMBERED = 10_000  # claims that have ended
ID_DIGITS = 32


class ClaimGoneError(UserError):
    """A claim is not valid any more, or is another machine's; what it brings is thrown away."""

    def __init__(self) -> None:
        super().__init__("This photo is no longer yours: it was cancelled, or given to another.")


class ClaimBusyError(UserError):
    """The same is being done already, for the same machine; ask again in a moment."""

    def __init__(self) -> None:
        super().__init__("This photo is just being saved; ask again in a moment.")


class RemoteClaim(ReceivedResult):
    """An item in another machine's hands. received: the folder in which its result is received.
    deadline: time.monotonic, of its lease. id: the random name that only its machine knows."""

    def __init__(self, task: Task, machine: Machine, received: Path):
        super().__init__(received, task.claim.id)
        self.task = task
        self.machine = machine
        self.deadline = 0.0
        self._lock = Lock()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Nobody else ends this claim meanwhile. Raises ClaimBusyError."""
        if not self._lock.acquire(blocking=False):
            raise ClaimBusyError
        try:
            yield
        finally:
            self._lock.release()


class RemoteClaims:
    """All items in other machines' hands. Thread-safe.

    received: the folder for results that come, on the file system of the store. lease_seconds:
    how long a claim holds that nobody renews.
    """

    def __init__(
        self, foreman: Foreman, received: Path, lease_seconds: float, statistics: Statistics
    ):
        received.mkdir(exist_ok=True)
        self.lease_seconds = lease_seconds
        self._foreman = foreman
        self.received = received
        self._statistics = statistics
        self._asking = Lock()  # one request at a time gets an item; before all others
        self._lock = Lock()
        self._claims: dict[str, RemoteClaim] = {}
        self._ended: OrderedDict[str, str] = OrderedDict()  # and whose they were
        self._look_after: Callable[[], None] = lambda: None
        self._closing = Event()
        self._thread = Thread(target=self._watch_leases, name="leases", daemon=True)

    def start(
        self,
        adopted: Iterable[tuple[Claim, Machine]],
        look_after: Callable[[], None] = lambda: None,
    ) -> None:
        """Take up what machines have had in their hands since before the start.

        look_after: called whenever the leases were looked at.
        """
        self._look_after = look_after
        for claim, machine in adopted:
            self._hold(self._foreman.take_up(claim, machine), machine)
        known = set(self._claims)
        for path in self.received.iterdir():
            if path.name.split(".")[0] not in known:
                path.unlink(missing_ok=True)
        if known:
            log.info("%d photos are still in the hands of other machines", len(known))
        self._thread.start()

    def close(self) -> None:
        """Watch no leases any more; the next start adopts what is in other hands."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    # Claims

    def claim(self, machine: Machine, request: str) -> RemoteClaim | None:
        """The next item for a machine, or the one that this very request got before.

        request: a random name of the machine's own, from which that of the claim is made; so a
        request is known even after a restart. Raises ClaimGoneError where what it got has ended.
        """
        id = hashlib.sha256(f"{machine.id} {request}".encode()).hexdigest()[:ID_DIGITS]
        with self._asking:
            if (held := self._claims.get(id)) is not None:
                return held
            if id in self._ended:
                raise ClaimGoneError
            task = self._foreman.claim(machine, id)
            if task is None:
                return None
            with photo_log.about_task(task):
                photo_log.begun(task)
            return self._hold(task, machine)

    def _hold(self, task: Task, machine: Machine) -> RemoteClaim:
        task.worker = machine.name
        claim = RemoteClaim(task, machine, self.received)
        claim.deadline = time.monotonic() + self.lease_seconds
        with self._lock:
            self._claims[claim.id] = claim
        return claim

    def find(self, claim_id: str, machine: str) -> RemoteClaim:
        """A claim that is valid. Raises ClaimGoneError."""
        with self._lock:
            claim = self._claims.get(claim_id)
        if claim is None or claim.machine.id != machine or claim.task.is_stopped:
            raise ClaimGoneError
        return claim

    def of(self, machine: str) -> list[RemoteClaim]:
        """All claims of a machine, by its id."""
        with self._lock:
            return [claim for claim in self._claims.values() if claim.machine.id == machine]

    def has_ended(self, claim_id: str, machine: str) -> bool:
        """Whether this machine has finished this claim lately: then it is only told again."""
        with self._lock:
            return self._ended.get(claim_id) == machine

    def renew(self, machine: str, named: Iterable[tuple[str, str, int | None]]) -> list[str]:
        """A machine lives, and holds these claims (their ids, stages and percents).

        Returns those that it must drop, which are then out of its hands.
        """
        drop = []
        for claim_id, stage, percent in named:
            try:
                claim = self.find(claim_id, machine)
                claim.deadline = time.monotonic() + self.lease_seconds
                self._tell(claim.task, stage, percent)
            except (ClaimGoneError, Interrupted):
                drop.append(claim_id)
        for claim in self.of(machine):
            if claim.task.is_stopped:
                drop.append(claim.id)
                with suppress(ClaimBusyError), claim.at_work():
                    self._let_go(claim)
        return list(dict.fromkeys(drop))

    def _tell(self, task: Task, stage: str, percent: int | None) -> None:
        if stage != task.stage:
            self._foreman.enter(task, stage)
        else:
            self._foreman.go_on(task, percent)

    # Ends

    def finish(
        self,
        claim: RemoteClaim,
        report: ItemReport,
        sha256: str | None,
        suffix: str,
        small: tuple[bytes, bytes] | None = None,
    ) -> bool:
        """Save a result and record it; False where it has to be sent (again) before.

        sha256: of the result that was received; None where the original is passed on. small: see
        DeliveredFile. Raises ClaimGoneError; ClaimBusyError and CannotSaveError where it must be
        tried again later.
        """
        with claim.at_work(), self._original(claim.task.claim, sha256) as (original, date):
            if self.has_ended(claim.id, claim.machine.id):
                return True
            result = original or claim.received(str(sha256))
            if isinstance(result, Path) and claim.task.place is None and not result.exists():
                return False
            self._save(claim, DeliveredFile(result, suffix, report, date, small))
            return True

    @contextmanager
    def _original(
        self, claim: Claim, sha256: str | None
    ) -> Iterator[tuple[BinaryIO | None, int | None]]:
        """The opened original, where it is passed on, and the date that its result gets.

        Raises ClaimGoneError where it has gone: whoever is next to claim it says so.
        """
        if sha256 is not None and not claim.options.copy_date:
            yield None, None
            return
        try:
            with hold_open(claim.source, claim.name) as path, path.open("rb") as file:
                date = path.stat().st_mtime_ns if claim.options.copy_date else None
                yield file if sha256 is None else None, date
        except (OriginalError, FileNotFoundError) as error:
            raise ClaimGoneError from error

    def _save(self, claim: RemoteClaim, delivered: DeliveredFile) -> None:
        task = claim.task
        with photo_log.about_task(task):
            try:
                self._foreman.save(task, delivered)
                self._end(claim, delivered.report)
            except Interrupted as error:
                self._statistics.photo_ended("stopped", {})
                self._let_go(claim)
                raise ClaimGoneError from error
            except CannotSaveError as error:
                if task.place is not None:  # perhaps half of it is there: it is made again
                    self._give_back(claim, str(error))
                    raise ClaimGoneError from error
                self.cannot_receive(claim, str(error))
                task.reopen()
                raise
            except StoreError:  # closing: it is brought again to the next process
                task.reopen()
                raise
            except ClaimGoneError:
                raise
            except Exception as error:  # no photo is to blame: its job pauses
                self._give_back(claim, why_not_recorded(task.claim.name, error))
                raise ClaimGoneError from error

    def cannot_receive(self, claim: RemoteClaim, reason: str) -> None:
        """There is no room for its result: the job pauses, the machine tries again later."""
        with suppress(StoreError):
            self._foreman.pause_because(claim.task, reason)

    def fail_photo(
        self, claim: RemoteClaim, model: InstalledModel, stage: str | None, message: str
    ) -> None:
        """The photo cannot be restored. Raises as `finish`."""
        task = claim.task
        task.stage = stage or task.stage
        report = ItemReport.failed(task.claim.name, task.claim.options, model, task.stage, message)
        with claim.at_work(), photo_log.about_task(task):
            try:
                task.settle()
                photo_log.failed(task, message, None)
                self._end(claim, report)
            except Interrupted as error:
                self._let_go(claim)
                raise ClaimGoneError from error

    def _end(self, claim: RemoteClaim, report: ItemReport) -> None:
        is_recorded = self._foreman.finish(claim.task, report)
        self._let_go(claim, is_recorded)
        if not is_recorded:
            self._statistics.photo_ended("stopped", {})
            raise ClaimGoneError
        if not report.error:
            photo_log.ended(claim.task, report)
        self._statistics.photo_ended(report.state, report.seconds)

    def crashed(self, claim: RemoteClaim) -> None:
        """The machine's process died with it: that counts against the photo."""
        self._stop(claim, self._foreman.crashed, "a process of its machine died with it")

    def release(self, claim: RemoteClaim, why: str) -> None:
        """The item waits again, and no photo is blamed. why: for the log."""
        self._stop(claim, self._foreman.release, why)

    def _stop(self, claim: RemoteClaim, record: Callable[[Task], None], why: str) -> None:
        """Take an item out of a machine's hands, unless its result is just being saved."""
        with suppress(ClaimBusyError), claim.at_work():
            if claim.task.stop():
                with photo_log.about_task(claim.task):
                    photo_log.put_back(claim.task, why)
                with suppress(StoreError):  # closing; the next start takes it up
                    record(claim.task)
                self._statistics.photo_ended("stopped", {})
            self._let_go(claim)

    def release_all(self, machine: str, why: str) -> None:
        """All that a machine holds waits again."""
        for claim in self.of(machine):
            self.release(claim, why)

    def _give_back(self, claim: RemoteClaim, reason: str) -> None:
        with suppress(StoreError):
            self._foreman.release(claim.task, reason)
        photo_log.put_back(claim.task, reason)
        self._statistics.photo_ended("stopped", {})
        self._let_go(claim)

    def _let_go(self, claim: RemoteClaim, is_finished: bool = False) -> None:
        with self._lock:
            if self._claims.pop(claim.id, None) is None:
                return
            if is_finished:
                self._ended[claim.id] = claim.machine.id
                if len(self._ended) > REMEMBERED:
                    self._ended.popitem(last=False)
        claim.remove_received()
        self._foreman.let_go(claim.task)

    # Leases

    def _watch_leases(self) -> None:
        while not self._closing.wait(self.lease_seconds / 20):
            try:
                self._end_leases()
                self._look_after()
            except Exception:  # a thread that ends would leave photos in dead hands
                log.exception("the leases could not be watched")

    def _end_leases(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [claim for claim in self._claims.values() if claim.deadline < now]
        for claim in late:
            self.release(claim, f"nothing was heard of {claim.machine.name}")
