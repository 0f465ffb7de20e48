"""One transaction: changes to jobs and items, each together with its event."""

from __future__ import annotations

import json
import sqlite3

from gpen_webui.jobs.records import ACTIVE_JOBS, ITEM_STATES, UnknownJobError

MAX_ITEMS = 2**31
ITEM_COLUMNS = (
    "n, key, name, state, stage, attempt, crashes, source, owned, size, sha256, planned, "
    "placed, result, result_size, faces, seconds, error, warnings"
)


class Change:
    """What can be done inside a transaction. `jobs` collects the ids of changed jobs."""

    def __init__(self, connection: sqlite3.Connection):
        self.sql = connection
        self.jobs: set[str] = set()
        self._counts: dict[str, dict[str, int]] = {}

    def job(self, job_id: str, **values: object) -> None:
        """Set columns of a job, and tell."""
        self.set_job(job_id, **values)
        row = job_row(self.sql, job_id)
        error = {"stage": None, "message": row["reason"]} if row["reason"] else None
        self._event(job_id, "job", name=row["name"], state=row["state"], error=error)

    def set_job(self, job_id: str, **values: object) -> None:
        """Set columns of a job that nobody watches."""
        self._update("jobs", "id = ?", (job_id,), values)

    def item(self, job_id: str, n: int, **values: object) -> None:
        """Set columns of an item, and tell."""
        self._change_item(job_id, n, "item", values)

    def stage(self, job_id: str, n: int, stage: str) -> None:
        """Note the stage that an item has entered, and tell."""
        self._change_item(job_id, n, "stage", {"stage": stage})

    def set_item(self, job_id: str, n: int, **values: object) -> None:
        """Set columns of an item that nobody watches; not its state."""
        self._update("items", "job = ? AND n = ?", (job_id, n), values)

    def add_item(self, job_id: str, **values: object) -> int:
        """Add a waiting item to a job and tell; its number."""
        counts = self.counts(job_id)
        number = counts["total"]
        values |= {"job": job_id, "n": number, "state": "waiting"}
        names, places = ", ".join(values), ", ".join("?" * len(values))
        self.sql.execute(f"INSERT INTO items ({names}) VALUES ({places})", tuple(values.values()))
        counts["total"] += 1
        counts["waiting"] += 1
        self._change_item(job_id, number, "item", {})
        return number

    def counts(self, job_id: str) -> dict[str, int]:
        """Items of a job by state; kept up to date for the rest of the transaction."""
        if job_id not in self._counts:
            self._counts[job_id] = count_items(self.sql, job_id)
        return self._counts[job_id]

    def _change_item(self, job_id: str, n: int, type: str, values: dict[str, object]) -> None:
        before = item_row(self.sql, job_id, n)["state"]
        counts = self.counts(job_id)
        if values:
            self.set_item(job_id, n, **values)
        row = item_row(self.sql, job_id, n)
        counts[before] -= 1
        counts[row["state"]] += 1
        error = json.loads(row["error"]) if row["error"] else None
        shown = {name: row[name] for name in ("name", "state", "faces", "seconds", "result")}
        stage = row["stage"] if row["state"] == "running" else None
        self._event(job_id, type, item=n, stage=stage, error=error, **shown)

    def _event(self, job_id: str, type: str, **shown: object) -> None:
        row = job_row(self.sql, job_id)
        counts = self.counts(job_id)
        event = {
            "seq": row["seq"] + 1,
            "job": job_id,
            "type": type,
            "item": None,
            "name": None,
            "state": None,
            "stage": None,
            "faces": None,
            "seconds": None,
            "error": None,
            "result": None,
            "counts": counts,
            "eta_seconds": eta_seconds(row, counts),
        } | shown
        self.sql.execute(
            "INSERT INTO events VALUES (?, ?, ?)", (job_id, event["seq"], json.dumps(event))
        )
        self.sql.execute("UPDATE jobs SET seq = ? WHERE id = ?", (event["seq"], job_id))
        self.jobs.add(job_id)

    def _update(self, table: str, where: str, which: tuple, values: dict[str, object]) -> None:
        if values:
            columns = ", ".join(f"{name} = ?" for name in values)
            self.sql.execute(
                f"UPDATE {table} SET {columns} WHERE {where}", (*values.values(), *which)
            )


def job_row(connection: sqlite3.Connection, job_id: str) -> sqlite3.Row:
    """A job that is not deleted. Raises UnknownJobError."""
    query = "SELECT * FROM jobs WHERE id = ? AND NOT deleted"
    row = connection.execute(query, (job_id,)).fetchone()
    if row is None:
        raise UnknownJobError("There is no such job; it may have been deleted.")
    return row


def item_row(connection: sqlite3.Connection, job_id: str, n: int) -> sqlite3.Row:
    """An item without its report. Raises UnknownJobError."""
    query = f"SELECT {ITEM_COLUMNS} FROM items WHERE job = ? AND n = ?"
    row = connection.execute(query, (job_id, n)).fetchone() if 0 <= n < MAX_ITEMS else None
    if row is None:
        raise UnknownJobError(f"There is no photo number {n} in this job.")
    return row


def count_items(connection: sqlite3.Connection, job_id: str) -> dict[str, int]:
    """How many items of a job are in each state, and in total."""
    counts = dict.fromkeys(("total", *ITEM_STATES), 0)
    query = "SELECT state, count(*) FROM items WHERE job = ? GROUP BY state"
    for state, number in connection.execute(query, (job_id,)):
        counts[state] = number
        counts["total"] += number
    return counts


def eta_seconds(row: sqlite3.Row, counts: dict[str, int]) -> int | None:
    """When a job will be finished at the present pace; None where nobody can tell."""
    if row["pace"] is None or row["state"] not in ACTIVE_JOBS:
        return None
    return round(row["pace"] * (counts["waiting"] + counts["running"]))
