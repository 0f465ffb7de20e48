"""One transaction: changes to jobs and items, each together with its event and its counters."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence

from gpen_webui.jobs.records import UnknownJobError
from gpen_webui.jobs.store.event_rows import event_row, insert_events
from gpen_webui.jobs.store.schema import COUNTED_STATES
from gpen_webui.states import ACTIVE_JOBS, ItemState

MAX_ITEMS = 2**31
ITEM_COLUMNS = (
    "n, key, name, state, stage, attempt, crashes, source, owned, size, sha256, planned, "
    "placed, result, result_size, faces, seconds, error, warnings, options"
)
COUNTERS = ("total", *COUNTED_STATES)
PROGRESS = ("seq", *COUNTERS, "bytes")  # columns of a job that follow from its items' changes

_WRITE_PROGRESS = f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in PROGRESS)} WHERE id = ?"


class Change:
    """What can be done inside a transaction.

    Jobs' rows are kept here while it lasts; `write_progress` must be called before it is
    committed. jobs: the ids of changed jobs. after_commit: called once it is committed,
    before any other transaction begins. durable: whether it must be flushed to the disk.
    """

    def __init__(self, connection: sqlite3.Connection, durable: bool):
        self.sql = connection
        self.durable = durable
        self.jobs: set[str] = set()
        self.after_commit: list[Callable[[], None]] = []
        self._rows: dict[str, dict] = {}
        self._progressed: set[str] = set()

    def job_row(self, job_id: str) -> dict:
        """A job that is not deleted, with all that this transaction has changed in it."""
        if job_id not in self._rows:
            self._rows[job_id] = dict(job_row(self.sql, job_id))
        return self._rows[job_id]

    def counts(self, job_id: str) -> dict[str, int]:
        """Items of a job by state."""
        return counts_of(self.job_row(job_id))

    def job(self, job_id: str, **values: object) -> None:
        """Set columns of a job, and tell."""
        self.set_job(job_id, **values)
        row = self.job_row(job_id)
        error = {"stage": None, "message": row["reason"]} if row["reason"] else None
        self._record_event(row, None, "job", row["state"], name=row["name"], error=error)

    def set_job(self, job_id: str, **values: object) -> None:
        """Set columns of a job that nobody watches."""
        self.job_row(job_id).update(values)
        self._update("jobs", "id = ?", (job_id,), values)

    def item(self, job_id: str, n: int, **values: object) -> None:
        """Set columns of an item, and tell."""
        self._change_item(job_id, n, "item", values)

    def record_stage(self, job_id: str, n: int, stage: str, percent: int | None = None) -> None:
        """Record the stage that an item has entered, and tell; percent: how much of it is done."""
        self._change_item(job_id, n, "stage", {"stage": stage}, percent)

    def set_item(self, job_id: str, n: int, **values: object) -> None:
        """Set columns of an item that nobody watches; neither its state nor a size."""
        self._update("items", "job = ? AND n = ?", (job_id, n), values)

    def items_in(self, job_id: str, states: Sequence[str], state: str, **values: object) -> None:
        """Give all items that are in one of `states` another state, and tell each.

        values: other columns for all of them; neither results nor sizes.
        """
        job = self.job_row(job_id)
        where = f"job = ? AND state IN ({', '.join('?' * len(states))})"
        query = f"SELECT n, state FROM items WHERE {where} ORDER BY n"
        found = self.sql.execute(query, (job_id, *states)).fetchall()
        self._update("items", where, (job_id, *states), {"state": state, **values})
        events = []
        for n, before in found:
            job[before] -= 1
            job[state] += 1
            events.append(self._next_event(job, n, "item", state))
        insert_events(self.sql, events)

    def add_items(self, job_id: str, items: Sequence[dict]) -> None:
        """Add waiting items to a job, and tell each. All of them have the same columns.

        n: from next_number on. size, owned: counted in the job's bytes.
        """
        if not items:
            return
        job = self.job_row(job_id)
        names = ["job", "state", *items[0]]
        insert = f"INSERT INTO items ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self.sql.executemany(
            insert, ((job_id, ItemState.WAITING, *item.values()) for item in items)
        )
        events = []
        for item in items:
            job["total"] += 1
            job["waiting"] += 1
            job["bytes"] += item["size"] * item["owned"]
            events.append(self._next_event(job, item["n"], "item", ItemState.WAITING))
        insert_events(self.sql, events)

    def remove_waiting_item(self, job_id: str, item: sqlite3.Row) -> None:
        """Take an item that waits out of a job, and tell how many there are now."""
        job = self.job_row(job_id)
        self.sql.execute("DELETE FROM items WHERE job = ? AND n = ?", (job_id, item["n"]))
        job["total"] -= 1
        job["waiting"] -= 1
        job["bytes"] -= item["size"] * item["owned"]
        self.job(job_id)

    def next_number(self, job_id: str) -> int:
        """The n of the next item that is added."""
        self.job_row(job_id)
        query = "SELECT ifnull(max(n) + 1, 0) FROM items WHERE job = ?"
        return self.sql.execute(query, (job_id,)).fetchone()[0]

    def write_progress(self) -> None:
        """Write the counters of all jobs whose items have changed."""
        for job_id in self._progressed:
            row = self._rows[job_id]
            self.sql.execute(_WRITE_PROGRESS, (*(row[name] for name in PROGRESS), job_id))
        self._progressed.clear()

    def _change_item(
        self,
        job_id: str,
        n: int,
        type: str,
        values: dict[str, object],
        percent: int | None = None,
    ) -> None:
        job = self.job_row(job_id)
        before = dict(item_row(self.sql, job_id, n))
        after = before | values
        if values:
            self.set_item(job_id, n, **values)
        job[before["state"]] -= 1
        job[after["state"]] += 1
        job["bytes"] += after["result_size"] - before["result_size"]
        self._record_event(
            job,
            n,
            type,
            after["state"],
            stage=after["stage"] if after["state"] == ItemState.RUNNING else None,
            error=json.loads(after["error"]) if after["error"] else None,
            percent=percent,
            **{name: after[name] for name in ("faces", "seconds", "result")},
        )

    def _record_event(
        self,
        job: dict,
        n: int | None,
        type: str,
        state: str,
        stage: str | None = None,
        **detail: object,
    ) -> None:
        insert_events(self.sql, [self._next_event(job, n, type, state, stage, **detail)])

    def _next_event(
        self,
        job: dict,
        n: int | None,
        type: str,
        state: str,
        stage: str | None = None,
        **detail: object,
    ) -> tuple:
        job["seq"] += 1
        self.jobs.add(job["id"])
        self._progressed.add(job["id"])
        number, seq, eta = job["number"], job["seq"], eta_seconds(job)
        return event_row(number, seq, n, type, state, job, stage=stage, eta=eta, **detail)

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


def counts_of(job: sqlite3.Row | dict) -> dict[str, int]:
    """How many items of a job are in each state, and in total, from its row."""
    return {name: job[name] for name in COUNTERS}


def eta_seconds(job: sqlite3.Row | dict) -> int | None:
    """When a job will be finished at the present pace; None where nobody can tell."""
    if job["pace"] is None or job["state"] not in ACTIVE_JOBS or job["reason"] is not None:
        return None  # reason: it waits for something
    return round(job["pace"] * (job["waiting"] + job["running"]))
