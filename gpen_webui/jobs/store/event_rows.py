"""Events as rows: what changes from one to the next, and no more.

A photo has about ten events. Each is kept in about 50 bytes; what clients see is put
together when it is read.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping

from gpen_webui.jobs.store.schema import COUNTED_STATES

INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
SELECT = """
    SELECT events.*, items.name FROM events
    LEFT JOIN items ON items.job = :id AND items.n = events.item
    WHERE events.job = :number AND seq > :after ORDER BY seq LIMIT :limit
"""
DETAILS = ("faces", "seconds", "error", "result", "percent")


def event_row(
    number: int,
    seq: int,
    item: int | None,
    type: str,
    state: str,
    counts: Mapping[str, int],
    *,
    stage: str | None = None,
    eta: int | None = None,
    **detail: object,
) -> tuple:
    """The values of one row. number: the job's. detail: name (of a job), and DETAILS."""
    told = {name: value for name, value in detail.items() if value is not None}
    return (
        number,
        seq,
        item,
        type,
        state,
        stage,
        " ".join(str(counts[state]) for state in COUNTED_STATES),
        eta,
        json.dumps(told) if told else None,
    )


def insert_events(connection: sqlite3.Connection, rows: Iterable[tuple]) -> None:
    """Add rows that event_row made."""
    connection.executemany(INSERT, rows)


def read_events(
    connection: sqlite3.Connection, job: sqlite3.Row, after: int, limit: int
) -> list[dict]:
    """Events of a job (its row) with a higher seq, in order, as clients see them."""
    values = {"id": job["id"], "number": job["number"], "after": after, "limit": limit}
    return [_event(job["id"], row) for row in connection.execute(SELECT, values)]


def _event(job_id: str, row: sqlite3.Row) -> dict:
    numbers = [int(number) for number in row["counts"].split()]
    detail = json.loads(row["detail"]) if row["detail"] else {}
    return {
        "seq": row["seq"],
        "job": job_id,
        "type": row["type"],
        "item": row["item"],
        "name": row["name"] if row["item"] is not None else detail.get("name"),
        "state": row["state"],
        "stage": row["stage"],
        "faces": detail.get("faces"),
        "seconds": detail.get("seconds"),
        "error": detail.get("error"),
        "result": detail.get("result"),
        "percent": detail.get("percent"),
        "counts": {"total": sum(numbers), **dict(zip(COUNTED_STATES, numbers, strict=True))},
        "eta_seconds": row["eta"],
    }
