"""What users ask of a job: start, pause, resume, cancel, retry, redo, run again, delete."""

from __future__ import annotations

import json
import time

from gpen_webui.files.names import free_name, safe_name, safe_path
from gpen_webui.jobs.naming import plan_results
from gpen_webui.jobs.records import JobConflictError, StoreError
from gpen_webui.jobs.store.claims import keep_earlier
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.jobs import describe_job, insert_job, job_of_key, new_job_id
from gpen_webui.jobs.store.machines import forget_crashes
from gpen_webui.jobs.store.own_options import carried_over, fixed
from gpen_webui.jobs.store.removal import Remover
from gpen_webui.jobs.store.transactions import Change, item_row, job_row
from gpen_webui.options import RestoreOptions
from gpen_webui.states import (
    ACTIVE_JOBS,
    ENDED_JOBS,
    RESTORED_ITEMS,
    UNFINISHED_ITEMS,
    ItemState,
    JobState,
)

NOT_BEGUN = {"stage": None, "error": None, "seconds": None, "faces": None, "result": None}


class JobCommands:
    """Changes of a job's state that a user asks for, each one transaction.

    All raise UnknownJobError, StoreError, and JobConflictError with words for the user.
    """

    def __init__(self, files: StoreFiles, database: Database, remover: Remover):
        self._files = files
        self._database = database
        self._remover = remover

    def start(self, job_id: str) -> None:
        """collecting -> waiting; decides where every result will lie."""
        planned: list[str] = []
        while True:
            with self._database.changing() as change:
                job = change.job_row(job_id)
                if job["state"] != JobState.COLLECTING:
                    return
                if planned and job["total"] == len(planned):
                    self._start(change, job_id, planned)
                    return
                options = json.loads(job["options"])
            planned = self._plan(job_id, options["format"])  # takes a while, so nobody waits

    def pause(self, job_id: str) -> None:
        """waiting, running -> paused."""
        with self._database.changing() as change:
            job = change.job_row(job_id)
            if job["state"] in ACTIVE_JOBS:
                change.job(job_id, state=JobState.PAUSED)
            elif job["state"] != JobState.PAUSED:
                raise _conflict(job, "cannot be paused")

    def resume(self, job_id: str) -> None:
        """paused -> waiting; restored items whose result has vanished wait again."""
        vanished = self._vanished(job_id)
        with self._database.changing() as change:
            job = change.job_row(job_id)
            if job["state"] == JobState.PAUSED:
                change.job(job_id, state=JobState.WAITING, reason=None)
                for n in vanished:
                    if item_row(change.sql, job_id, n)["state"] in RESTORED_ITEMS:
                        change.item(job_id, n, state=ItemState.WAITING, result_size=0, **NOT_BEGUN)
            elif job["state"] not in ACTIVE_JOBS:
                raise _conflict(job, "cannot be resumed")

    def cancel(self, job_id: str) -> None:
        """Everything unfinished -> cancelled, and the job too, unless nothing was given up."""
        with self._database.changing() as change:
            job = change.job_row(job_id)
            if job["state"] == JobState.DONE:
                raise _conflict(job, "cannot be cancelled")
            if job["state"] != JobState.CANCELLED:
                self._cancel(change, job_id)

    def retry(self, job_id: str) -> None:
        """Failed items -> waiting; a job that was done goes on."""
        with self._database.changing() as change:
            job = change.job_row(job_id)
            if job["state"] in (JobState.COLLECTING, JobState.CANCELLED):
                raise _conflict(job, "has nothing to retry; run it again instead")
            if not job["failed"]:
                raise JobConflictError(f"No photo of “{job['name']}” has failed.")
            self._go_on(change, job)
            change.items_in(job_id, (ItemState.FAILED,), ItemState.WAITING, crashes=0, **NOT_BEGUN)
            forget_crashes(change, job_id)

    def restore_rest(self, job_id: str) -> None:
        """Cancelled items of a job that has ended -> waiting; the others stay as they are."""
        with self._database.changing() as change:
            job = change.job_row(job_id)
            if job["state"] not in ENDED_JOBS:
                raise _conflict(job, "has nothing to go on with")
            if not job["cancelled"]:
                raise JobConflictError(f"No photo of “{job['name']}” was given up.")
            if job["folder"] is None:  # it was never started
                change.job(job_id, state=JobState.COLLECTING, finished=None, report_due=0)
            else:
                self._go_on(change, job)
            given_up = (ItemState.CANCELLED,)
            change.items_in(job_id, given_up, ItemState.WAITING, crashes=0, **NOT_BEGUN)
        if job["folder"] is None:
            self.start(job_id)

    def redo(self, job_id: str, n: int, options: RestoreOptions) -> None:
        """An item that has ended -> waiting, with options of its own; its job goes on.

        Its result so far stays until the new one is on record, or for good where that fails.
        """
        with self._database.changing() as change:
            job, item = change.job_row(job_id), item_row(change.sql, job_id, n)
            if job["folder"] is None:
                raise _conflict(job, "has not been started yet")
            if item["state"] == ItemState.RUNNING:
                raise JobConflictError(
                    f"{item['name']} is just being restored; change its settings when that has "
                    "ended."
                )
            own = options.as_dict()
            is_own = own != json.loads(job["options"])
            change.item(
                job_id,
                n,
                state=ItemState.WAITING,
                stage=None,
                error=None,
                crashes=0,
                options=json.dumps(own) if is_own or item["options"] else None,
            )
            self._go_on(change, job)

    def run_again(
        self, job_id: str, options: RestoreOptions, key: str | None, keep_own: bool = True
    ) -> str:
        """A new waiting job with the same originals; the id of the one made earlier by `key`.

        keep_own: photos of an album that have options of their own keep them.
        """
        with self._database.reading() as connection:
            if (existing := job_of_key(connection, key)) is not None:
                return existing
            earlier = job_row(connection, job_id)
            query = f"SELECT {COPIED} FROM items WHERE job = ? ORDER BY n"
            items = [dict(row) for row in connection.execute(query, (job_id,))]
        if earlier["state"] == JobState.COLLECTING:
            raise _conflict(earlier, "has not been started yet")
        if not items:  # it was cancelled before it had any: a job of none would never end
            raise JobConflictError(f"“{earlier['name']}” has no photos to run again.")
        planned = _planned([item["name"] for item in items], options.format)
        keep_own = keep_own and earlier["kind"] == "album"
        before, after = json.loads(earlier["options"]), options.as_dict()
        for item, path in zip(items, planned, strict=True):
            item |= {"planned": path, "folded": path.casefold()}
            own = item["options"] if keep_own else None
            item["options"] = carried_over(own, before, after)
        new_id = new_job_id()
        prepared: list[str] = []
        try:
            self._share(items, new_id, prepared)
            with self._database.changing() as change:
                if (existing := job_of_key(change.sql, key)) is not None:
                    return existing
                insert_job(change, earlier["kind"], earlier["name"], options, key, job_id, new_id)
                change.add_items(new_id, items)
                self._wait(change, new_id)
                about = describe_job(change.job_row(new_id))
                ours = [item for item in items if item["owned"]]
                change.after_commit.append(lambda: self._files.adopt(new_id, about, ours))
                change.after_commit.append(prepared.clear)
        except OSError as error:
            raise StoreError(
                f"The photos of the earlier job cannot be used again ({error.strerror}); "
                "add them to a new album."
            ) from error
        finally:
            self._files.drop_prepared(prepared)
        return new_id

    def mark_deleted(self, job_id: str) -> None:
        """Hide the job, which ends all that is done for it."""
        with self._database.changing() as change:
            change.set_job(job_id, deleted=-change.job_row(job_id)["number"])
            change.jobs.add(job_id)

    def remove_deleted(self, job_id: str) -> None:
        """Remove the files and rows of a job that is marked; StoreError where some stay."""
        self._remover.remove(job_id)

    def _plan(self, job_id: str, format: str) -> list[str]:
        with self._database.reading() as connection:
            query = "SELECT name FROM items WHERE job = ? ORDER BY n"
            names = [row["name"] for row in connection.execute(query, (job_id,))]
            if not names:
                name = job_row(connection, job_id)["name"]
                raise JobConflictError(f"“{name}” has no photos yet; add some first.")
        return _planned(names, format)

    def _start(self, change: Change, job_id: str, planned: list[str]) -> None:
        """planned: where the result of each item will lie, in their order.

        Their numbers have no gaps from here on, also where some were taken out; and what options
        they have of their own is decided, as the job's stay as they are.
        """
        query = "SELECT n, options FROM items WHERE job = ? ORDER BY n"
        items = change.sql.execute(query, (job_id,)).fetchall()
        album = json.loads(change.job_row(job_id)["options"])
        change.sql.executemany(
            "UPDATE items SET n = ?, planned = ?, folded = ?, options = ? WHERE job = ? AND n = ?",
            (
                (new, path, path.casefold(), own and fixed(own, album), job_id, n)
                for new, ((n, own), path) in enumerate(zip(items, planned, strict=True))
            ),
        )
        self._wait(change, job_id)

    def _wait(self, change: Change, job_id: str) -> None:
        """collecting -> waiting; the place of every result is decided."""
        job = change.job_row(job_id)
        folder = job["folder"] or self._new_folder_name(change, job["kind"], job["name"])
        change.job(job_id, state=JobState.WAITING, reason=None, folder=folder, started=time.time())

    def _new_folder_name(self, change: Change, kind: str, name: str) -> str:
        """A folder that neither exists nor is promised to another job; it is made when needed."""
        label = safe_path(name).stem if kind == "photo" else safe_name(name)
        wanted = safe_path(f"{time.strftime('%Y%m%d_%H%M%S')}_{label}")
        taken = {row[0].casefold() for row in change.sql.execute(TAKEN_FOLDERS)}
        taken |= {path.name.casefold() for path in self._files.outputs.iterdir()}
        return str(free_name(wanted, taken))

    def _go_on(self, change: Change, job: dict) -> None:
        """Let a job that has ended wait for its turn."""
        if job["state"] in ENDED_JOBS:
            change.job(job["id"], state=JobState.WAITING, finished=None, pace=None, report_due=0)

    def _vanished(self, job_id: str) -> list[int]:
        """The numbers of restored items whose result is not there."""
        with self._database.reading() as connection:
            job = job_row(connection, job_id)
            if job["state"] != JobState.PAUSED:
                return []
            places = ", ".join("?" * len(RESTORED_ITEMS))
            query = f"SELECT n, result FROM items WHERE job = ? AND state IN ({places}) ORDER BY n"
            results = connection.execute(query, (job_id, *RESTORED_ITEMS)).fetchall()
        return [
            n for n, result in results if not self._files.result(job["folder"], result).is_file()
        ]

    def _cancel(self, change: Change, job_id: str) -> None:
        """What was restored again keeps the result that it had; where that was all there was to do,
        the job is done, as it was before."""
        places = ", ".join("?" * len(UNFINISHED_ITEMS))
        query = f"SELECT n FROM items WHERE job = ? AND state IN ({places}) AND result IS NOT NULL"
        for (n,) in change.sql.execute(query, (job_id, *UNFINISHED_ITEMS)).fetchall():
            keep_earlier(change, job_id, n)
        change.items_in(job_id, UNFINISHED_ITEMS, ItemState.CANCELLED)
        counts = change.counts(job_id)
        has_ended = counts["total"] and not counts[ItemState.CANCELLED]
        state = JobState.DONE if has_ended else JobState.CANCELLED
        change.job(job_id, state=state, reason=None, finished=time.time(), report_due=1)

    def _share(self, items: list[dict], job_id: str, prepared: list[str]) -> None:
        """Let a new job have our copies of another's originals. Raises OSError."""
        for n, item in enumerate(items):
            item["n"] = n
            if item["owned"]:
                original = self._files.copy(item["source"])
                item["source"] = self._files.new_source(job_id, n)
                prepared.append(item["source"])
                self._files.prepare_shared(original, item["source"])


COPIED = "n, name, source, owned, size, sha256, options"
TAKEN_FOLDERS = "SELECT folder FROM jobs WHERE folder IS NOT NULL"


def _planned(names: list[str], format: str) -> list[str]:
    return [str(path) for path in plan_results(names, format)]


STATE_WORDS = {
    JobState.COLLECTING: "is still being collected",
    JobState.WAITING: "is waiting for its turn",
    JobState.RUNNING: "is running",
    JobState.PAUSED: "is paused",
    JobState.DONE: "is done",
    JobState.CANCELLED: "was cancelled",
}


def _conflict(job, what: str) -> JobConflictError:
    return JobConflictError(f"“{job['name']}” {STATE_WORDS[job['state']]} and {what}.")
