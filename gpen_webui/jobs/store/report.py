"""The report of a whole job, as report.json has it."""

from __future__ import annotations

import json
import sqlite3
import time

from gpen_webui.jobs.records import RESTORED_ITEMS
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.transactions import count_items, job_row
from gpen_webui.pipeline import ItemReport

REPORTED = "n, name, state, attempt, planned, error, warnings, report"


def job_report(database: Database, job_id: str) -> dict:
    """What report.json says: the job, its counts and every photo in order.

    A job of which something is still to do is reported as ended now. Raises UnknownJobError.
    """
    with database.reading() as connection:
        job = job_row(connection, job_id)
        counts = count_items(connection, job_id)
        rows = connection.execute(
            f"SELECT {REPORTED} FROM items WHERE job = ? ORDER BY n", [job_id]
        )
        options = json.loads(job["options"])
        photos = [_photo_report(row, options) for row in rows]
    models = {(photo["model"], photo["model_sha256"]) for photo in photos if photo["model"]}
    model, model_sha256 = next(iter(models), (None, None))
    finished = job["finished"] or time.time()
    return {
        "job": job_id,
        "name": job["name"],
        "state": "cancelled" if job["state"] == "cancelled" else "done",
        "model": model,
        "model_sha256": model_sha256,
        "options": options,
        "counts": counts,
        "started": _clock(job["started"] or job["created"]),
        "finished": _clock(finished),
        "photos": photos,
    }


def leftovers(database: Database, job_id: str) -> list[str]:
    """Where results may lie that were never reported: of items that are not restored."""
    places = ", ".join("?" * len(RESTORED_ITEMS))
    query = f"SELECT planned FROM items WHERE job = ? AND placed AND state NOT IN ({places})"
    with database.reading() as connection:
        return [row["planned"] for row in connection.execute(query, (job_id, *RESTORED_ITEMS))]


def _photo_report(row: sqlite3.Row, options: dict) -> dict:
    if row["report"] and row["state"] in (*RESTORED_ITEMS, "failed"):
        return json.loads(row["report"])
    return ItemReport(
        row["name"],
        row["state"],
        options,
        warnings=json.loads(row["warnings"]),
        error=json.loads(row["error"]) if row["error"] else None,
    ).as_dict()


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
