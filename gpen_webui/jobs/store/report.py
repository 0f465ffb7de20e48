"""The report of a whole job, as report.json has it."""

from __future__ import annotations

import json
import sqlite3
import time

from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.transactions import counts_of, job_row
from gpen_webui.pipeline import ItemReport
from gpen_webui.states import PROCESSED_ITEMS, JobState

REPORTED = "n, name, state, attempt, planned, error, warnings, report, options"


def job_report(database: Database, job_id: str) -> dict:
    """What report.json says: the job, its counts and every photo in order.

    A job of which something is still to do is reported as ended now. Raises UnknownJobError.
    """
    with database.reading() as connection:
        job = job_row(connection, job_id)
        counts = counts_of(job)
        rows = connection.execute(
            f"SELECT {REPORTED} FROM items WHERE job = ? ORDER BY n", [job_id]
        )
        options = json.loads(job["options"]) | {"mask": ""}  # a picture has no place in it
        photos = [_photo_report(row, options) for row in rows]
    models = {(photo["model"], photo["model_sha256"]) for photo in photos if photo["model"]}
    model, model_sha256 = next(iter(models), (None, None))
    finished = job["finished"] or time.time()
    return {
        "job": job_id,
        "name": job["name"],
        "state": JobState.CANCELLED if job["state"] == JobState.CANCELLED else JobState.DONE,
        "model": model,
        "model_sha256": model_sha256,
        "options": options,
        "counts": counts,
        "started": _timestamp(job["started"] or job["created"]),
        "finished": _timestamp(finished),
        "photos": photos,
    }


def _photo_report(row: sqlite3.Row, options: dict) -> dict:
    if row["report"] and row["state"] in PROCESSED_ITEMS:
        return json.loads(row["report"])
    own = json.loads(row["options"]) | {"mask": ""} if row["options"] else options
    return ItemReport(
        row["name"],
        row["state"],
        own,
        warnings=json.loads(row["warnings"]),
        error=json.loads(row["error"]) if row["error"] else None,
    ).as_dict()


def _timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
