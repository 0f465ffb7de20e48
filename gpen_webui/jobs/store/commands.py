"""What users ask of a job: start, pause, resume, cancel, retry, run again, delete."""

from __future__ import annotations

import json
import logging
import time

from gpen_webui.files.names import free_name, plan_results, safe_name, safe_path
from gpen_webui.jobs.records import (
    ACTIVE_JOBS,
    ENDED_JOBS,
    RESTORED_ITEMS,
    UNFINISHED_ITEMS,
    JobConflictError,
    StoreError,
)
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.jobs import insert_job, job_of_key
from gpen_webui.jobs.store.transactions import Change, job_row
from gpen_webui.options import RestoreOptions

log = logging.getLogger(__name__)

NOT_BEGUN = {"stage": None, "error": None, "seconds": None, "faces": None, "result": None}


class JobCommands:
    """Changes of a job's state that a user asks for, each one transaction.

    All raise UnknownJobError, StoreError, and JobConflictError with words for the user.
    """

    def __init__(self, files: StoreFiles, database: Database):
        self._files = files
        self._database = database

    def start(self, job_id: str) -> None:
        """collecting -> waiting; decides where every result will lie."""
        with self._database.changing() as change:
            if job_row(change.sql, job_id)["state"] == "collecting":
                self._start(change, job_id)

    def pause(self, job_id: str) -> None:
        """waiting, running -> paused."""
        with self._database.changing() as change:
            job = job_row(change.sql, job_id)
            if job["state"] in ACTIVE_JOBS:
                change.job(job_id, state="paused")
            elif job["state"] != "paused":
                raise _conflict(job, "cannot be paused")

    def resume(self, job_id: str) -> None:
        """paused -> waiting; restored items whose result has vanished wait again."""
        with self._database.changing() as change:
            job = job_row(change.sql, job_id)
            if job["state"] == "paused":
                change.job(job_id, state="waiting", reason=None)
                for n in self._vanished(change, job_id, job["folder"]):
                    change.item(job_id, n, state="waiting", result_size=0, **NOT_BEGUN)
            elif job["state"] not in ACTIVE_JOBS:
                raise _conflict(job, "cannot be resumed")

    def cancel(self, job_id: str) -> None:
        """Everything unfinished -> cancelled, and the job too."""
        with self._database.changing() as change:
            job = job_row(change.sql, job_id)
            if job["state"] == "done":
                raise _conflict(job, "cannot be cancelled")
            if job["state"] != "cancelled":
                self._cancel(change, job_id)

    def retry(self, job_id: str) -> None:
        """Failed items -> waiting; a job that was done goes on."""
        with self._database.changing() as change:
            job = job_row(change.sql, job_id)
            if job["state"] in ("collecting", "cancelled"):
                raise _conflict(job, "has nothing to retry; run it again instead")
            failed = _items_in(change, job_id, ("failed",))
            if not failed:
                raise JobConflictError(f"No photo of “{job['name']}” has failed.")
            if job["state"] == "done":
                change.job(job_id, state="waiting", finished=None, pace=None)
            for n in failed:
                change.item(job_id, n, state="waiting", crashes=0, **NOT_BEGUN)

    def run_again(self, job_id: str, options: RestoreOptions, key: str | None) -> str:
        """A new waiting job with the same originals; the id of the one made earlier by `key`."""
        try:
            with self._database.changing() as change:
                existing = job_of_key(change.sql, key)
                return existing or self._run_again(change, job_id, options, key)
        except OSError as error:
            raise StoreError(
                f"The photos of the earlier job cannot be used again ({error.strerror}); "
                "add them to a new album."
            ) from error

    def mark_deleted(self, job_id: str) -> None:
        """Hide the job, and give up what it has not finished."""
        with self._database.changing() as change:
            if job_row(change.sql, job_id)["state"] not in ENDED_JOBS:
                self._cancel(change, job_id)
            change.set_job(job_id, deleted=1)
            change.jobs.add(job_id)

    def clean_up(self) -> None:
        """Remove what a process that died left half done; before any other work."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT job, n FROM items WHERE owned")
            known = {(row["job"], str(row["n"])) for row in rows}
        try:
            self._files.remove_orphans(lambda job_id, n: (job_id, n) in known)
            self.remove_deleted()
        except (OSError, StoreError):  # it only costs room, and the next start tries again
            log.exception("what an earlier process left could not be removed")

    def remove_deleted(self) -> None:
        """Remove the files, then the rows, of all jobs that are marked."""
        with self._database.reading() as connection:
            jobs = connection.execute("SELECT id, folder FROM jobs WHERE deleted").fetchall()
            results = {
                job["id"]: connection.execute(
                    "SELECT planned FROM items WHERE job = ? AND placed", (job["id"],)
                ).fetchall()
                for job in jobs
            }
        for job in jobs:
            planned = [row["planned"] for row in results[job["id"]]]
            try:
                self._files.remove_job(job["id"], job["folder"], planned)
            except OSError as error:
                raise StoreError(
                    f"Some files of the deleted job cannot be removed ({error.strerror}); check "
                    "the folder's permissions. It is tried again at the next start."
                ) from error
            with self._database.changing() as change:
                for table, column in (("events", "job"), ("items", "job"), ("jobs", "id")):
                    change.sql.execute(f"DELETE FROM {table} WHERE {column} = ?", (job["id"],))

    def _start(self, change: Change, job_id: str) -> None:
        job = job_row(change.sql, job_id)
        query = "SELECT name FROM items WHERE job = ? ORDER BY n"
        names = [row["name"] for row in change.sql.execute(query, (job_id,))]
        if not names:
            raise JobConflictError(f"“{job['name']}” has no photos yet; add some first.")
        format = json.loads(job["options"])["format"]
        for n, planned in enumerate(plan_results(names, format)):
            change.set_item(job_id, n, planned=str(planned))
        folder = self._new_folder_name(change, job["kind"], job["name"])
        change.job(job_id, state="waiting", folder=folder, started=time.time())

    def _new_folder_name(self, change: Change, kind: str, name: str) -> str:
        """A folder that neither exists nor is promised to another job; it is made when needed."""
        label = safe_path(name).stem if kind == "photo" else safe_name(name)
        wanted = safe_path(f"{time.strftime('%Y%m%d_%H%M%S')}_{label}")
        taken = {row[0].casefold() for row in change.sql.execute(TAKEN_FOLDERS)}
        taken |= {path.name.casefold() for path in self._files.outputs.iterdir()}
        return str(free_name(wanted, taken))

    def _vanished(self, change: Change, job_id: str, folder: str) -> list[int]:
        return [
            n
            for n, result in _results(change, job_id)
            if not self._files.result(folder, result).is_file()
        ]

    def _cancel(self, change: Change, job_id: str) -> None:
        for n in _items_in(change, job_id, UNFINISHED_ITEMS):
            change.item(job_id, n, state="cancelled")
        change.job(job_id, state="cancelled", reason=None, finished=time.time(), report_due=1)

    def _run_again(
        self, change: Change, parent: str, options: RestoreOptions, key: str | None
    ) -> str:
        earlier = job_row(change.sql, parent)
        if earlier["state"] == "collecting":
            raise _conflict(earlier, "has not been started yet")
        job_id = insert_job(
            change, earlier["kind"], earlier["name"], options, key=key, parent=parent
        )
        query = "SELECT name, source, owned, size, sha256 FROM items WHERE job = ? ORDER BY n"
        for n, row in enumerate(change.sql.execute(query, (parent,)).fetchall()):
            values = dict(row)
            if row["owned"]:
                source = self._files.source(row["source"], True)
                values["source"] = self._files.share(source, job_id, n)
            change.add_item(job_id, **values)
        self._start(change, job_id)
        return job_id


TAKEN_FOLDERS = "SELECT folder FROM jobs WHERE folder IS NOT NULL"


def _items_in(change: Change, job_id: str, states: tuple[str, ...]) -> list[int]:
    places = ", ".join("?" * len(states))
    query = f"SELECT n FROM items WHERE job = ? AND state IN ({places}) ORDER BY n"
    return [row["n"] for row in change.sql.execute(query, (job_id, *states))]


def _results(change: Change, job_id: str) -> list[tuple[int, str]]:
    places = ", ".join("?" * len(RESTORED_ITEMS))
    query = f"SELECT n, result FROM items WHERE job = ? AND state IN ({places}) ORDER BY n"
    rows = change.sql.execute(query, (job_id, *RESTORED_ITEMS))
    return [(row["n"], row["result"]) for row in rows]


STATE_WORDS = {
    "collecting": "is still being collected",
    "waiting": "is waiting for its turn",
    "running": "is running",
    "paused": "is paused",
    "done": "is done",
    "cancelled": "was cancelled",
}


def _conflict(job, what: str) -> JobConflictError:
    return JobConflictError(f"“{job['name']}” {STATE_WORDS[job['state']]} and {what}.")
