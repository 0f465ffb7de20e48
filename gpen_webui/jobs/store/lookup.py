"""Looking: jobs, their items, files and events, from connections that only read."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from gpen_webui.files.originals import Original
from gpen_webui.jobs.records import Item, Job, Version
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.event_rows import read_events
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.transactions import (
    ITEM_COLUMNS,
    counts_of,
    eta_seconds,
    item_row,
    job_row,
)
from gpen_webui.states import RESTORED_ITEMS, JobState

COVERS = 4
MOST_VERSIONS = 30
NO_LIMIT = -1  # as SQLite has it


VERSIONS = """
    SELECT jobs.id, jobs.options, jobs.created, items.state, items.report
    FROM jobs JOIN items ON items.job = jobs.id AND items.n = 0
    WHERE jobs.kind = 'photo' AND NOT jobs.deleted AND items.sha256 =
        (SELECT sha256 FROM items WHERE job = ? AND n = 0 AND sha256 <> '')
    AND items.state IN (?, ?) ORDER BY jobs.number DESC LIMIT ?
"""


class Lookup:
    """What is in the store. Thread-safe.

    Everything raises UnknownJobError for jobs and items that do not exist, and StoreError
    where the store cannot be read.
    """

    def __init__(self, files: StoreFiles, database: Database):
        self._files = files
        self._database = database

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

    def collecting(self, limit: int) -> list[Job]:
        """The newest albums that have photos and were not started yet."""
        with self._database.reading() as connection:
            query = "SELECT * FROM jobs WHERE state = ? AND kind = 'album' AND NOT deleted"
            rows = connection.execute(
                f"{query} AND total > 0 ORDER BY number DESC LIMIT ?", (JobState.COLLECTING, limit)
            ).fetchall()
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

    def versions(self, job_id: str) -> list[Version]:
        """Results of a job's first photo, by its content, in all jobs for one photo; the newest
        first, and no more than MOST_VERSIONS."""
        with self._database.reading() as connection:
            job_row(connection, job_id)
            rows = connection.execute(VERSIONS, (job_id, *RESTORED_ITEMS, MOST_VERSIONS)).fetchall()
        return [_version(row) for row in rows]

    def saved_files(self, job_id: str) -> list[str]:
        """The results of a job and the XMP files beside them, relative to its results folder."""
        with self._database.reading() as connection:
            job_row(connection, job_id)
            rows = connection.execute(
                "SELECT result, report FROM items WHERE job = ? AND result IS NOT NULL ORDER BY n",
                (job_id,),
            )
            return list(dict.fromkeys(name for row in rows for name in files_of(*row)))

    def crashes(self, job_id: str) -> dict[str, int]:
        """How often a process has died while it restored a photo, by the names of those photos."""
        with self._database.reading() as connection:
            query = "SELECT name, crashes FROM items WHERE job = ? AND crashes > 0"
            return dict(connection.execute(query, (job_id,)).fetchall())

    def machines(self, job_id: str) -> list[dict]:
        """Who restored how many photos of a job: {name, kind, photos}; [] where it was this one
        alone."""
        with self._database.reading() as connection:
            query = (
                "SELECT machine AS name, kind, photos FROM shares "
                "WHERE job = ? AND photos ORDER BY photos DESC, name"
            )
            return [dict(row) for row in connection.execute(query, (job_id,))]

    def original(self, job_id: str, n: int) -> Path | Original:
        """The file that an item restores; it may be gone where it is not our copy."""
        with self._database.reading() as connection:
            job_row(connection, job_id)
            row = item_row(connection, job_id, n)
        return self._files.original(row["source"], row["owned"])

    def result(self, job_id: str, n: int) -> Path | None:
        """An item's result, while it is restored again the one so far; None while it has none."""
        with self._database.reading() as connection:
            folder = job_row(connection, job_id)["folder"]
            row = item_row(connection, job_id, n)
        if row["result"] is None or folder is None:
            return None
        return self._files.result(folder, row["result"])

    def events(self, job_id: str, after: int = 0, limit: int | None = None) -> list[dict]:
        """Events of a job with a higher seq, in order; docs/http-api.md lists their fields."""
        with self._database.reading() as connection:
            job = job_row(connection, job_id)
            return read_events(connection, job, after, NO_LIMIT if limit is None else limit)

    def bytes_used(self) -> int:
        """What our copies and results of all jobs take on the disk."""
        with self._database.reading() as connection:
            query = "SELECT total(bytes) FROM jobs"
            return int(connection.execute(query).fetchone()[0])

    def _job(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Job:
        covers = "SELECT n FROM items WHERE job = ? ORDER BY n LIMIT ?"
        shown = "id kind name state reason created started finished seq parent".split()
        return Job(
            **{name: row[name] for name in shown},
            options=json.loads(row["options"]),
            folder=self._files.outputs / row["folder"] if row["folder"] else None,
            eta_seconds=eta_seconds(row),
            counts=counts_of(row),
            bytes=row["bytes"],
            covers=[found[0] for found in connection.execute(covers, (row["id"], COVERS))],
        )


def files_of(result: str, report: str | None) -> list[str]:
    """What was saved of an item; report: as JSON."""
    return [result, *(json.loads(report).get("sidecars", ()) if report else ())]


def _version(row: sqlite3.Row) -> Version:
    report = json.loads(row["report"]) if row["report"] else {}
    options = report.get("options") or json.loads(row["options"])  # as they were chosen in the end
    turn = report.get("turn", 0) if options.get("upright") else 0
    return Version(
        row["id"],
        row["state"],
        options | {"mask": ""},
        report.get("model"),
        turn,
        row["created"],
    )


def superseded_files(report: str | None) -> list[str]:
    """What was saved of earlier versions of an item in other places; report: as JSON."""
    return json.loads(report).get("superseded", []) if report else []


def _item(row: sqlite3.Row, report: str | None = None) -> Item:
    shown = "n key name state stage attempt size sha256 faces seconds result".split()
    return Item(
        **{name: row[name] for name in shown},
        error=json.loads(row["error"]) if row["error"] else None,
        warnings=json.loads(row["warnings"]),
        report=json.loads(report) if report else None,
        options=_without_mask(row["options"]),
    )


def _without_mask(options: str | None) -> dict | None:
    if not options:
        return None
    own = json.loads(options)
    return own | {"mask": ""} if "mask" in own else own
