"""What workers report: items claimed, their stages, results and failures."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gpen_webui.files.names import free_name, safe_name
from gpen_webui.jobs.records import ACTIVE_JOBS, UnknownJobError
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.transactions import Change, item_row, job_row
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import ItemReport

MAX_CRASHES = 3

# Photo jobs first, then the album that has waited longest; in it the photos in their order,
# those that were in hand when a process died at the end.
NEXT_ITEM = """
    SELECT id, kind, state, folder, options, turn, (
        SELECT n FROM items WHERE job = jobs.id AND state = 'waiting' ORDER BY crashes, n LIMIT 1
    ) AS next
    FROM jobs
    WHERE state IN ('waiting', 'running') AND next IS NOT NULL
    ORDER BY kind = 'album', turn, number
    LIMIT 1
"""


@dataclass(frozen=True)
class Claim:
    """An item in a worker's hands; it stays valid until the item gets another state.

    crashed_before: the process died with it in hand before, so it must be run alone, lest an
    innocent neighbour is blamed for the next death.
    """

    job_id: str
    n: int
    attempt: int
    crashed_before: bool
    kind: str
    name: str
    source: Path
    sha256: str
    folder: str
    options: RestoreOptions


class ClaimQueue:
    """Changes of items that workers report, each one transaction with its event."""

    def __init__(self, files: StoreFiles, database: Database):
        self._files = files
        self._database = database

    def claim(self, alone: bool) -> Claim | None:
        """Take the next item; None where there is none. alone: no other item is in hand."""
        with self._database.changing(durable=False) as change:
            job = change.sql.execute(NEXT_ITEM).fetchone()
            if job is None:
                return None
            item = item_row(change.sql, job["id"], job["next"])
            if item["crashes"] and not alone:
                return None
            if job["state"] == "waiting":
                change.job(job["id"], state="running")
            turn = change.sql.execute("SELECT max(turn) + 1 FROM jobs").fetchone()[0]
            change.set_job(job["id"], turn=turn)
            attempt = item["attempt"] + 1
            change.item(job["id"], item["n"], state="running", attempt=attempt)
        return Claim(
            job_id=job["id"],
            n=item["n"],
            attempt=attempt,
            crashed_before=item["crashes"] > 0,
            kind=job["kind"],
            name=item["name"],
            source=self._files.source(item["source"], item["owned"]),
            sha256=item["sha256"],
            folder=job["folder"],
            options=RestoreOptions(**json.loads(job["options"])),
        )

    def stage(self, claim: Claim, stage: str) -> None:
        """Tell the stage that an item has entered."""
        with self._database.changing(durable=False) as change:
            if _is_valid(change, claim):
                change.stage(claim.job_id, claim.n, stage)

    def place_for(self, claim: Claim, suffix: str) -> PurePosixPath | None:
        """Where this item's result goes: the planned name, unless it cannot be that.

        The file there, if any, is an earlier try of the same result and may be replaced. None
        where the item is no longer this worker's.
        """
        suffix = PurePosixPath(safe_name("x" + suffix)).suffix
        with self._database.changing() as change:
            if not _is_valid(change, claim):
                return None
            row = item_row(change.sql, claim.job_id, claim.n)
            place = PurePosixPath(row["planned"])
            is_ours = row["placed"] or not self._files.result(claim.folder, place).exists()
            if not is_ours or place.suffix.lower() != suffix.lower():
                place = self._other_place(change, claim, place.with_suffix(suffix))
            change.set_item(claim.job_id, claim.n, planned=str(place), placed=1)
        return place

    def finish(
        self, claim: Claim, report: ItemReport, result_size: int, pace: float | None
    ) -> bool:
        """The item ended as its report says; False where it is no longer this worker's."""
        with self._database.changing() as change:
            if not _is_valid(change, claim):
                return False
            if pace is not None:
                change.set_job(claim.job_id, pace=pace)
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
        return True

    def release(self, claim: Claim, reason: str | None = None) -> None:
        """Put an item back as if it had not been begun; reason: pause its job because of it."""
        with self._database.changing() as change:
            if not _is_valid(change, claim):
                return
            change.item(claim.job_id, claim.n, state="waiting", stage=None)
            if reason and job_row(change.sql, claim.job_id)["state"] in ACTIVE_JOBS:
                change.job(claim.job_id, state="paused", reason=reason)

    def pause(self, job_id: str, reason: str) -> None:
        """Pause a job because it cannot go on."""
        with self._database.changing() as change:
            if job_row(change.sql, job_id)["state"] in ACTIVE_JOBS:
                change.job(job_id, state="paused", reason=reason)

    def end(self, job_id: str) -> None:
        """The report of a finished job is written: it is done."""
        with self._database.changing() as change:
            state = job_row(change.sql, job_id)["state"]
            counts = change.counts(job_id)
            if state == "cancelled":
                change.set_job(job_id, report_due=0)
            elif state != "done" and not counts["waiting"] and not counts["running"]:
                change.job(job_id, state="done", reason=None, finished=time.time())

    def recover(self) -> None:
        """After the death of a process: what it had in hand waits again, or has failed."""
        with self._database.changing() as change:
            query = "SELECT job, n FROM items WHERE state = 'running'"
            for job_id, n in change.sql.execute(query).fetchall():
                self._recover_item(change, job_id, n)

    def ending_jobs(self, job_id: str | None = None) -> list[str]:
        """Jobs that have nothing left to do, but whose end is not recorded; of all, or of one."""
        query = """
            SELECT id FROM jobs WHERE NOT deleted AND id = ifnull(?, id) AND (report_due OR (
                state IN ('waiting', 'running', 'paused') AND NOT EXISTS (
                    SELECT 1 FROM items
                    WHERE job = jobs.id AND state IN ('waiting', 'running'))))
        """
        with self._database.reading() as connection:
            return [row["id"] for row in connection.execute(query, (job_id,))]

    def _recover_item(self, change: Change, job_id: str, n: int) -> None:
        row = item_row(change.sql, job_id, n)
        crashes = row["crashes"] + 1
        if crashes < MAX_CRASHES:
            change.item(job_id, n, state="waiting", stage=None, crashes=crashes)
            return
        message = f"{row['name']} crashed the restorer {MAX_CRASHES} times and was left out."
        error = json.dumps({"stage": row["stage"], "message": message})
        change.item(job_id, n, state="failed", stage=None, crashes=crashes, error=error)

    def _other_place(self, change: Change, claim: Claim, wanted: PurePosixPath) -> PurePosixPath:
        query = "SELECT planned FROM items WHERE job = ?"
        taken = {row[0].casefold() for row in change.sql.execute(query, (claim.job_id,))}
        return free_name(wanted, taken | {"report.json"} | self._lying_beside(claim.folder, wanted))

    def _lying_beside(self, folder: str, planned: PurePosixPath) -> set[str]:
        """Case-folded paths of the files in the planned result's folder."""
        parent = self._files.result(folder, planned).parent
        if not parent.is_dir():
            return set()
        return {str(planned.with_name(path.name)).casefold() for path in parent.iterdir()}


def _is_valid(change: Change, claim: Claim) -> bool:
    try:
        job_row(change.sql, claim.job_id)
        row = item_row(change.sql, claim.job_id, claim.n)
    except UnknownJobError:
        return False
    return row["state"] == "running" and row["attempt"] == claim.attempt
