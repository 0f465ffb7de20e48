"""What workers report: items claimed, their stages, results and failures."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gpen_webui.files.names import portable_path
from gpen_webui.files.originals import Original
from gpen_webui.jobs.records import UnknownJobError
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.machines import (
    MAX_CRASHES,
    RUNNING_CLAIMS,
    THE_ONLY_ONE,
    WAITING_FOR_KIND,
    Machine,
    add_crash,
    add_share,
    end_claim,
    next_item,
    record_claim,
    take_back_crashes,
    tell_missing_kind,
)
from gpen_webui.jobs.store.places import free_place
from gpen_webui.jobs.store.transactions import Change, item_row
from gpen_webui.jobs.store.unrecorded import put_back_earlier, remove_unrecorded
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.formats import with_photo_suffix
from gpen_webui.pipeline import ItemReport
from gpen_webui.states import ACTIVE_JOBS, ENDED_JOBS, ItemState, JobState

log = logging.getLogger(__name__)

EARLIER_KEPT = "The new settings could not be applied, so the earlier result was kept."

WITH_WAITING_ITEMS = """
    SELECT id FROM jobs WHERE state IN ('waiting', 'running') AND waiting AND NOT deleted
"""


@dataclass(frozen=True)
class Claim:
    """An item in a worker's hands; it stays valid until the item gets another state.

    crashed_before: the process died with it in progress before, so it must be run alone, lest an
    innocent neighbour is blamed for the next death. staged: where its result is written before it
    gets its place. earlier: the place of the result that it has already, of earlier_size bytes,
    which is set_aside when this one's takes the same place. id: a random one, where it is in
    another machine's hands.
    """

    job_id: str
    n: int
    attempt: int
    crashed_before: bool
    kind: str
    name: str
    source: Path | Original
    sha256: str
    size: int
    staged: Path
    folder: str
    options: RestoreOptions
    earlier: PurePosixPath | None
    earlier_size: int
    set_aside: Path
    id: str = ""


class ClaimQueue:
    """Changes of items that workers report, each one transaction with its event."""

    def __init__(self, files: StoreFiles, database: Database):
        self._files = files
        self._database = database

    def claim(self, alone: bool, machine: Machine | None = None, id: str = "") -> Claim | None:
        """Take the next item; None where there is none. alone: no other item is in progress.

        machine: who takes it, where there are several; then alone: none is in progress there.
        id: a random one, for a machine that is not this one.
        """
        with self._database.changing(durable=False) as change:
            found = next_item(change, machine or THE_ONLY_ONE)
            if found is None:
                return None
            job, item = found
            if item["crashes"] and not alone:
                return None
            if job["state"] == JobState.WAITING:
                change.job(job["id"], state=JobState.RUNNING)
            turn = change.sql.execute("SELECT max(turn) + 1 FROM jobs").fetchone()[0]
            change.set_job(job["id"], turn=turn)
            attempt = item["attempt"] + 1
            change.item(job["id"], item["n"], state=ItemState.RUNNING, attempt=attempt)
            if machine is not None:
                record_claim(change, id, job["id"], item["n"], attempt, machine)
            return self._claim_of(job, item, attempt, id)

    def adopted(self) -> list[tuple[str, Claim]]:
        """What other machines had in their hands when the last process ended, and which."""
        found = []
        with self._database.changing(durable=False) as change:
            for row in change.sql.execute(RUNNING_CLAIMS).fetchall():
                job, item = change.job_row(row["job"]), item_row(change.sql, row["job"], row["n"])
                claim = self._claim_of(job, item, row["attempt"], row["id"])
                found.append((row["worker"], claim))
        return found

    def _claim_of(self, job: dict, item: sqlite3.Row, attempt: int, id: str) -> Claim:
        return Claim(
            job_id=job["id"],
            n=item["n"],
            attempt=attempt,
            crashed_before=item["crashes"] > 0,
            kind=job["kind"],
            name=item["name"],
            source=self._files.original(item["source"], item["owned"]),
            sha256=item["sha256"],
            size=item["size"],
            staged=self._files.staged(job["id"], item["n"]),
            folder=job["folder"],
            options=RestoreOptions(**json.loads(item["options"] or job["options"])),
            earlier=PurePosixPath(item["result"]) if item["result"] else None,
            earlier_size=item["result_size"],
            set_aside=self._files.set_aside(job["id"], item["n"], attempt),
            id=id,
        )

    def tell_missing_kinds(self, kinds: Collection[str]) -> None:
        """Say of albums that stay with their kind of machine where none of these kinds is it; and
        no more, where one is again."""
        with self._database.reading() as connection:
            values = {"kinds": json.dumps(list(kinds))}
            found = connection.execute(WAITING_FOR_KIND, values).fetchall()
        for job_id, has_none in found:
            with self._database.changing(durable=False) as change:
                try:
                    job = change.job_row(job_id)
                except UnknownJobError:
                    continue
                if job["state"] not in ACTIVE_JOBS or has_none == (job["reason"] is not None):
                    continue
                if has_none:
                    tell_missing_kind(change, job_id)
                else:
                    change.job(job_id, reason=None)

    def check_store(self) -> None:
        """Raise StoreError where the store has gone."""
        self._database.check_presence()

    def has_waiting(self) -> bool:
        """Whether an item of a started job waits to be claimed."""
        with self._database.reading() as connection:
            return connection.execute(WITH_WAITING_ITEMS).fetchone() is not None

    def count_waiting(self) -> int:
        """How many items of started jobs wait to be claimed."""
        query = (
            "SELECT ifnull(sum(waiting), 0) FROM jobs "
            "WHERE state IN ('waiting', 'running') AND NOT deleted"
        )
        with self._database.reading() as connection:
            return connection.execute(query).fetchone()[0]

    def record_stage(self, claim: Claim, stage: str, percent: int | None = None) -> None:
        """Record the stage that an item has entered, or how much of it is done."""
        with self._database.changing(durable=False) as change:
            if _claimed(change, claim):
                change.record_stage(claim.job_id, claim.n, stage, percent)

    def place_for(self, claim: Claim, suffix: str, portable: bool = False) -> PurePosixPath | None:
        """Where this item's result goes: its planned name, or the next one that nothing has.

        An earlier result of the item is nothing that would be in the way.

        The name is on record before any file gets it (see `recover`). portable: the folder
        refused the name, so give one that any file system can hold. None where the item is no
        longer this worker's.
        """
        with self._database.changing(durable=False) as change:
            item = _claimed(change, claim)
            if item is None:
                return None
            planned = PurePosixPath(item["planned"])
            wanted = with_photo_suffix(planned, suffix)
            place = free_place(
                change, self._files, claim, portable_path(wanted) if portable else wanted
            )
            if place != planned:  # else it was flushed when the job was started
                path = str(place)
                change.set_item(claim.job_id, claim.n, planned=path, folded=path.casefold())
                change.durable = True
        return place

    def finish(
        self, claim: Claim, report: ItemReport, result_size: int, pace: float | None
    ) -> bool:
        """The item ended as its report says; False where it is no longer this worker's.

        One that had a result keeps it where the new one failed. Calling it again with the same
        report changes nothing, and is True again.
        """
        with self._database.changing() as change:
            if not _claimed(change, claim):
                return _is_finished(change, claim, report)
            if pace is not None:
                change.set_job(claim.job_id, pace=pace)
            if report.error and claim.earlier:
                keep_earlier(change, claim.job_id, claim.n, report.error["message"])
                _end_remote(change, claim)
                return True
            change.item(
                claim.job_id,
                claim.n,
                state=report.state,
                stage=None,
                result=report.result,
                result_size=result_size,
                faces=None if report.error else len(report.faces),
                seconds=round(sum(report.seconds.values()), 3),
                error=json.dumps(report.error) if report.error else None,
                warnings=json.dumps(report.warnings),
                report=json.dumps(report.as_dict()),
            )
            if by := report.restored_by:
                add_share(change, claim.job_id, by["machine"], by["kind"], 1)
            _end_remote(change, claim)
        return True

    def release(self, claim: Claim, reason: str | None = None) -> bool:
        """Put an item back as if it had not been begun; reason: pause its job because of it.

        False where the item is no longer this worker's, or has ended.
        """
        with self._database.changing() as change:
            if not _claimed(change, claim):
                return False
            change.item(claim.job_id, claim.n, state=ItemState.WAITING, stage=None)
            _end_remote(change, claim)
            if reason and change.job_row(claim.job_id)["state"] in ACTIVE_JOBS:
                change.job(claim.job_id, state=JobState.PAUSED, reason=reason)
        return True

    def crashed(self, claim: Claim, machine: Machine) -> bool:
        """A worker's process died with this item: it waits again, or has failed.

        It is left out after MAX_CRASHES, on two machines at least where there are so many.
        False where the item is no longer this worker's.
        """
        with self._database.changing() as change:
            row = _claimed(change, claim)
            if row is None:
                return False
            machines = add_crash(change, claim.job_id, claim.n, machine)
            is_proven = machines > 1 or not machine.has_company
            self._count_crash(change, claim.job_id, row, 1, is_proven)
            _end_remote(change, claim)
        return True

    def forgive(self, worker: str) -> None:
        """This machine's crashes were its own fault, and not that of the photos."""
        with self._database.changing() as change:
            take_back_crashes(change, worker)

    def pause(self, job_id: str, reason: str) -> None:
        """Pause a job because it cannot go on."""
        with self._database.changing() as change:
            if change.job_row(job_id)["state"] in ACTIVE_JOBS:
                change.job(job_id, state=JobState.PAUSED, reason=reason)

    def pause_all(self, reason: str) -> None:
        """Pause every started job of which something waits: none can go on."""
        with self._database.changing() as change:
            jobs = change.sql.execute(WITH_WAITING_ITEMS).fetchall()
            for job in jobs:
                change.job(job["id"], state=JobState.PAUSED, reason=reason)

    def end(self, job_id: str) -> None:
        """The report of a finished job is written: it is done."""
        with self._database.changing() as change:
            state = change.job_row(job_id)["state"]
            counts = change.counts(job_id)
            if state in ENDED_JOBS:
                change.set_job(job_id, report_due=0)
            elif not counts["waiting"] and not counts["running"]:
                change.job(job_id, state=JobState.DONE, reason=None, finished=time.time())

    def recover(self, is_blamed: bool = True, adopts: bool = False) -> None:
        """After the death of a process: what it had in progress waits again, or has failed.

        is_blamed: whether one of these items may have caused it. adopts: whether those in the
        hands of other machines stay there; else they wait again, and are not blamed. Results that
        it placed, but did not record, are removed: they will be made again.
        """
        for staged, job_id, n in self._files.staged_results():
            remove_unrecorded(self._files, self._database, staged, job_id, n)
        for path, job_id, n, attempt in self._files.results_set_aside():
            put_back_earlier(self._files, self._database, path, job_id, n, attempt)
        with self._database.changing() as change:
            told = (
                "SELECT id FROM jobs WHERE state IN ('waiting', 'running') AND reason IS NOT NULL"
            )
            for (job_id,) in change.sql.execute(f"{told} AND NOT deleted").fetchall():
                change.job(job_id, reason=None)  # what it waits for may be otherwise by now
            query = (
                "SELECT job, n FROM items JOIN jobs ON jobs.id = job "
                "WHERE items.state = 'running' AND jobs.running AND NOT deleted"
            )
            remote = {(row["job"], row["n"]) for row in change.sql.execute(RUNNING_CLAIMS)}
            for job_id, n in change.sql.execute(query).fetchall():
                row = item_row(change.sql, job_id, n)
                if (job_id, n) not in remote:
                    self._count_crash(change, job_id, row, int(is_blamed))
                elif not adopts:
                    self._count_crash(change, job_id, row, 0)

    def ending_jobs(self, job_id: str | None = None) -> list[str]:
        """Jobs that have nothing left to do, but whose end is not recorded; of all, or of one."""
        query = """
            SELECT id FROM jobs WHERE NOT deleted AND id = ifnull(?, id) AND (report_due OR (
                state IN ('waiting', 'running', 'paused') AND waiting + running = 0))
        """
        with self._database.reading() as connection:
            return [row["id"] for row in connection.execute(query, (job_id,))]

    def _count_crash(
        self, change: Change, job_id: str, row: sqlite3.Row, more: int, is_proven: bool = True
    ) -> None:
        """Let an item wait again, or fail where it is proven to be what makes processes die."""
        crashes, n = row["crashes"] + more, row["n"]
        if crashes < MAX_CRASHES or not is_proven:
            change.item(job_id, n, state=ItemState.WAITING, stage=None, crashes=crashes)
            return
        message = f"{row['name']} crashed the restorer {MAX_CRASHES} times and was left out."
        if row["result"]:
            keep_earlier(change, job_id, n, message)
            return
        error = json.dumps({"stage": row["stage"], "message": message})
        change.item(job_id, n, state=ItemState.FAILED, stage=None, crashes=crashes, error=error)


def _end_remote(change: Change, claim: Claim) -> None:
    if claim.id:
        end_claim(change, claim.id, claim.job_id, claim.n)


def keep_earlier(change: Change, job_id: str, n: int, why: str | None = None) -> None:
    """Give an item that was restored again the state that it had with its result so far.

    why: what went wrong, in words; None where the user has given it up.
    """
    item = item_row(change.sql, job_id, n)
    attempt = item["attempt"] + (why is None)  # a worker may have put its result there by now
    query = "SELECT report FROM items WHERE job = ? AND n = ?"
    (text,) = change.sql.execute(query, (job_id, n)).fetchone()
    report = json.loads(text) if text else {"state": ItemState.DONE, "options": None}
    warnings = json.loads(item["warnings"])
    if why is not None:
        if EARLIER_KEPT in warnings:  # what follows it was said of the settings before these
            warnings = warnings[: warnings.index(EARLIER_KEPT)]
        warnings = [*warnings, EARLIER_KEPT, why]
        report["warnings"] = warnings
    own = report["options"]
    as_the_job = json.loads(change.job_row(job_id)["options"]) | {"mask": ""}
    change.item(
        job_id,
        n,
        state=report["state"],
        stage=None,
        attempt=attempt,
        error=None,
        planned=item["result"],
        folded=item["result"].casefold(),
        warnings=json.dumps(warnings),
        report=json.dumps(report) if text else None,
        options=None if own in (None, as_the_job) else json.dumps(own),
    )


def _attempted(change: Change, claim: Claim) -> sqlite3.Row | None:
    """The item, where its latest attempt is this worker's."""
    try:
        change.job_row(claim.job_id)
        row = item_row(change.sql, claim.job_id, claim.n)
    except UnknownJobError:
        return None
    return row if row["attempt"] == claim.attempt else None


def _claimed(change: Change, claim: Claim) -> sqlite3.Row | None:
    """The item, where it is still in this worker's hands."""
    row = _attempted(change, claim)
    return row if row and row["state"] == ItemState.RUNNING else None


def _is_finished(change: Change, claim: Claim, report: ItemReport) -> bool:
    """Whether this very report is recorded already."""
    row = _attempted(change, claim)
    return row is not None and (row["state"], row["result"]) == (report.state, report.result)
