"""Removing deleted jobs: their files, then their rows, in slices that hold nobody up."""

from __future__ import annotations

import logging
from threading import Event, Lock

from gpen_webui.files.atomic import REPORT
from gpen_webui.jobs.html_report import html_report_in
from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.lookup import files_of, superseded_files
from gpen_webui.jobs.store.machines import forget_job

log = logging.getLogger(__name__)

ITEMS_AT_ONCE = 500
EVENTS_AT_ONCE = 5000


class Remover:
    """Removes jobs that are marked as deleted.

    A job's row goes last: whatever interrupts the removal, the next one goes on with it.
    """

    def __init__(self, files: StoreFiles, database: Database):
        self._files = files
        self._database = database
        self._lock = Lock()
        self._at_work: set[str] = set()
        self._stopping = Event()

    def stop(self) -> None:
        """End removals after their present slice; the next start goes on with them."""
        self._stopping.set()

    def remove(self, job_id: str) -> None:
        """Remove one job. Raises StoreError where a file cannot be removed."""
        with self._lock:
            if job_id in self._at_work:  # somebody removes it already
                return
            self._at_work.add(job_id)
        try:
            self._remove(job_id)
        finally:
            with self._lock:
                self._at_work.discard(job_id)

    def remove_all(self) -> None:
        """Remove every job that is marked; what cannot be removed holds up no other."""
        with self._database.reading() as connection:
            marked = [row["id"] for row in connection.execute("SELECT id FROM jobs WHERE deleted")]
        for job_id in marked:
            try:
                self.remove(job_id)
            except StoreError as error:
                log.warning("%s", error)

    def _remove(self, job_id: str) -> None:
        with self._database.reading() as connection:
            query = "SELECT number, name, folder, seq FROM jobs WHERE id = ? AND deleted"
            job = connection.execute(query, (job_id,)).fetchone()
        if job is None:
            return
        try:
            self._remove_items(job_id, job["folder"])
            if job["folder"] is not None:
                self._remove_reports(job["folder"])
            self._files.forget_names(job_id)
        except OSError as error:
            raise StoreError(
                f"Some files of the deleted “{job['name']}” cannot be removed "
                f"({error.strerror or error}); check the folder's permissions. It is tried again "
                "at the next start."
            ) from error
        for last in range(EVENTS_AT_ONCE, job["seq"] + EVENTS_AT_ONCE, EVENTS_AT_ONCE):
            with self._database.changing(durable=False) as change:
                delete = "DELETE FROM events WHERE job = ? AND seq <= ?"
                change.sql.execute(delete, (job["number"], last))
        with self._database.changing() as change:
            change.sql.execute("DELETE FROM events WHERE job = ?", (job["number"],))
            forget_job(change.sql, job_id)
            change.sql.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def _remove_reports(self, folder: str) -> None:
        names = [REPORT, html_report_in(self._files.outputs / folder)]
        self._files.remove_results(folder, [name for name in names if name])
        self._files.thumbnails.forget(folder)

    def _remove_items(self, job_id: str, folder: str | None) -> None:
        """Raises OSError; what could be removed before is gone."""
        query = (
            "SELECT n, source, owned, result, report FROM items "
            f"WHERE job = ? ORDER BY n LIMIT {ITEMS_AT_ONCE}"
        )
        while True:
            with self._database.reading() as connection:
                items = connection.execute(query, (job_id,)).fetchall()
            if not items:
                return
            if self._stopping.is_set():
                raise StoreError("The server stops; the rest is removed at the next start.")
            self._files.remove_originals(item["source"] for item in items if item["owned"])
            if folder is not None:
                saved = [item for item in items if item["result"] is not None]
                names = [
                    name
                    for item in saved
                    for name in (
                        *files_of(item["result"], item["report"]),
                        *superseded_files(item["report"]),
                    )
                ]
                self._files.remove_results(folder, names)
            with self._database.changing(durable=False) as change:
                last = items[-1]["n"]
                delete = "DELETE FROM items WHERE job = ? AND n <= ?"
                change.sql.execute(delete, (job_id, last))
