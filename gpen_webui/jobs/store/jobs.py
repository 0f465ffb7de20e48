"""The job store, as seen from the door: collect photos, look at jobs.

What happens to a job once it is collected is in store_control (what users ask for) and
store_work (what workers report); the SQLite file itself in store_database.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from pathlib import Path

from gpen_webui.jobs.records import RESTORED_ITEMS, Item, Job, JobConflictError, StoreError
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles, fingerprint
from gpen_webui.jobs.store.transactions import (
    ITEM_COLUMNS,
    Change,
    count_items,
    eta_seconds,
    item_row,
    job_row,
)
from gpen_webui.options import RestoreOptions

COVERS = 4
MAX_NAME = 1000  # characters
NO_LIMIT = -1  # as SQLite has it


class Store:
    """Jobs, items and events of one outputs folder. Thread-safe.

    Everything raises UnknownJobError for jobs and items that do not exist, and StoreError
    where the store cannot be read or written.
    """

    def __init__(self, files: StoreFiles, database: Database):
        self._files = files
        self._database = database

    # Collecting

    def create_job(
        self, kind: str, name: str, options: RestoreOptions, key: str | None = None
    ) -> Job:
        """A new job without photos, or the job that was made earlier with the same key.

        kind: photo or album. name: for people, and for the results folder.
        """
        with self._database.changing() as change:
            job_id = job_of_key(change.sql, key)
            if job_id is None:
                job_id = insert_job(change, kind, name, options, key=key)
        return self.job(job_id)

    def incoming(self) -> Path:
        """A path to stream an upload to, on the file system where it will stay."""
        return self._files.new_incoming()

    def add_item(self, job_id: str, name: str, upload: Path, key: str | None = None) -> Item:
        """Move a complete upload into a job that is being collected.

        key: the client's own name for this photo in this job. An upload that is sent again
        with the same key is dropped, and the item is the one made first: so a client whose
        connection broke may send everything again. JobConflictError once the job is started.
        The upload is gone from its place afterwards, whatever happens.
        """
        try:
            size, sha256 = self._fingerprint(upload)
            with self._database.changing() as change:
                n = self._known_item(change, job_id, key)
                if n is None:
                    n = change.counts(job_id)["total"]
                    source = self._adopt_upload(upload, job_id, n)
                    self._insert(change, job_id, name, key, source, True, size, sha256)
        finally:
            upload.unlink(missing_ok=True)
        return self.item(job_id, n)

    def add_original(self, job_id: str, name: str, path: Path, key: str | None = None) -> Item:
        """Add a photo that stays where it is: it is never copied, moved or deleted."""
        size, sha256 = self._fingerprint(path)
        with self._database.changing() as change:
            n = self._known_item(change, job_id, key)
            if n is None:
                source = str(path.absolute())
                n = self._insert(change, job_id, name, key, source, False, size, sha256)
        return self.item(job_id, n)

    def describe(
        self, job_id: str, name: str | None = None, options: RestoreOptions | None = None
    ) -> None:
        """Another name or other options for a job; nothing changes once it is started."""
        values = {}
        if name:
            values["name"] = clean_name(name)
        if options:
            values["options"] = json.dumps(options.as_dict())
        with self._database.changing() as change:
            if job_row(change.sql, job_id)["state"] == "collecting":
                change.set_job(job_id, **values)

    # Looking

    def job(self, job_id: str) -> Job:
        """One job."""
        with self._database.reading() as connection:
            return self._job(connection, job_row(connection, job_id))

    def jobs(self, limit: int = 50, before: str | None = None) -> list[Job]:
        """The newest jobs first; before: only those made before this one."""
        with self._database.reading() as connection:
            number = job_row(connection, before)["number"] if before else 2**62
            query = "SELECT * FROM jobs WHERE number < ? AND NOT deleted ORDER BY number DESC"
            rows = connection.execute(f"{query} LIMIT ?", (number, limit)).fetchall()
            return [self._job(connection, row) for row in rows]

    def items(self, job_id: str, after: int = -1, limit: int | None = None) -> list[Item]:
        """Items in order, without their reports; after: only those with higher numbers."""
        with self._database.reading() as connection:
            job_row(connection, job_id)
            query = f"SELECT {ITEM_COLUMNS} FROM items WHERE job = ? AND n > ? ORDER BY n LIMIT ?"
            values = (job_id, after, NO_LIMIT if limit is None else limit)
            return [_item(row) for row in connection.execute(query, values)]

    def item(self, job_id: str, n: int) -> Item:
        """One item with its report."""
        with self._database.reading() as connection:
            job_row(connection, job_id)
            row = item_row(connection, job_id, n)
            query = "SELECT report FROM items WHERE job = ? AND n = ?"
            report = connection.execute(query, (job_id, n)).fetchone()[0]
        return _item(row, report)

    def original(self, job_id: str, n: int) -> Path:
        """The file that an item restores; it may be gone where it is not our copy."""
        with self._database.reading() as connection:
            job_row(connection, job_id)
            row = item_row(connection, job_id, n)
        return self._files.source(row["source"], row["owned"])

    def result(self, job_id: str, n: int) -> Path | None:
        """An item's result; None while it has none."""
        with self._database.reading() as connection:
            folder = job_row(connection, job_id)["folder"]
            row = item_row(connection, job_id, n)
        if row["state"] not in RESTORED_ITEMS or folder is None:
            return None
        return self._files.result(folder, row["result"])

    def events(self, job_id: str, after: int = 0, limit: int | None = None) -> list[str]:
        """Events of a job with a higher seq, in order, as JSON."""
        with self._database.reading() as connection:
            job_row(connection, job_id)
            query = "SELECT data FROM events WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?"
            values = (job_id, after, NO_LIMIT if limit is None else limit)
            return [row[0] for row in connection.execute(query, values)]

    def bytes_used(self) -> int:
        """What our copies and results of all jobs take on the disk."""
        with self._database.reading() as connection:
            query = "SELECT total(size * owned + result_size) FROM items"
            return int(connection.execute(query).fetchone()[0])

    def _job(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Job:
        counts = count_items(connection, row["id"])
        used = "SELECT total(size * owned + result_size) FROM items WHERE job = ?"
        covers = "SELECT n FROM items WHERE job = ? ORDER BY n LIMIT ?"
        shown = "id kind name state reason created started finished seq parent".split()
        return Job(
            **{name: row[name] for name in shown},
            options=json.loads(row["options"]),
            folder=self._files.outputs / row["folder"] if row["folder"] else None,
            eta_seconds=eta_seconds(row, counts),
            counts=counts,
            bytes=int(connection.execute(used, (row["id"],)).fetchone()[0]),
            covers=[found[0] for found in connection.execute(covers, (row["id"], COVERS))],
        )

    def _known_item(self, change: Change, job_id: str, key: str | None) -> int | None:
        """The number of the item with this key, if the job has it or may still get it."""
        job = job_row(change.sql, job_id)
        query = "SELECT n FROM items WHERE job = ? AND key = ?"
        row = change.sql.execute(query, (job_id, key)).fetchone()
        if row is None and job["state"] != "collecting":
            raise JobConflictError(
                f"“{job['name']}” has been started and takes no further photos; "
                "make a new album for them."
            )
        return None if row is None else row["n"]

    def _insert(
        self,
        change: Change,
        job_id: str,
        name: str,
        key: str | None,
        source: str,
        owned: bool,
        size: int,
        sha256: str,
    ) -> int:
        return change.add_item(
            job_id,
            name=clean_name(name),
            key=key,
            source=source,
            owned=owned,
            size=size,
            sha256=sha256,
        )

    def _fingerprint(self, path: Path) -> tuple[int, str]:
        try:
            return fingerprint(path)
        except OSError as error:
            raise StoreError(f"{path.name} cannot be read ({error.strerror}).") from error

    def _adopt_upload(self, upload: Path, job_id: str, n: int) -> str:
        try:
            return self._files.adopt_upload(upload, job_id, n)
        except OSError as error:
            raise StoreError(
                f"The photo cannot be kept in {self._files.outputs} ({error.strerror}); "
                "make room or check the folder's permissions."
            ) from error


def insert_job(
    change: Change,
    kind: str,
    name: str,
    options: RestoreOptions,
    key: str | None = None,
    parent: str | None = None,
) -> str:
    """Add a job that is being collected; its id, which cannot be guessed."""
    job_id = secrets.token_hex(8)
    values = (
        job_id,
        key,
        kind,
        clean_name(name),
        json.dumps(options.as_dict()),
        time.time(),
        parent,
    )
    change.sql.execute(
        "INSERT INTO jobs (id, key, kind, name, state, options, created, parent) "
        "VALUES (?, ?, ?, ?, 'collecting', ?, ?, ?)",
        values,
    )
    change.job(job_id)
    return job_id


def job_of_key(connection: sqlite3.Connection, key: str | None) -> str | None:
    """The job that was made with this idempotency key."""
    row = connection.execute("SELECT id FROM jobs WHERE key = ?", (key,)).fetchone()
    return None if row is None else row["id"]


def clean_name(name: str) -> str:
    """A name for people as it was given, without what cannot be stored as text."""
    text = name.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    return text[:MAX_NAME] or "photo"


def _item(row: sqlite3.Row, report: str | None = None) -> Item:
    shown = "n key name state stage attempt size sha256 faces seconds result".split()
    return Item(
        **{name: row[name] for name in shown},
        error=json.loads(row["error"]) if row["error"] else None,
        warnings=json.loads(row["warnings"]),
        report=json.loads(report) if report else None,
    )
