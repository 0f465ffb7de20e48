"""After the death of a process: results that it placed, and perhaps did not record."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path, PurePosixPath

from gpen_webui.files.placing import put_back, remove_placed
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.states import RESTORED_ITEMS

log = logging.getLogger(__name__)


def remove_unrecorded(
    files: StoreFiles, database: Database, staged: Path, job_id: str, n: int
) -> None:
    """A result that was placed, perhaps, but not recorded: it will be made again."""
    row = _row(database, job_id, n)
    try:
        is_open = row and row["folder"] and row["state"] not in RESTORED_ITEMS
        if row and is_open and row["planned"] and row["planned"] != row["result"]:
            folder = files.outputs / row["folder"]
            remove_placed(staged, folder, PurePosixPath(row["planned"]))
        staged.unlink(missing_ok=True)
    except OSError:  # the next start tries again
        log.exception("what an earlier process left in %s could not be removed", staged)


def put_back_earlier(
    files: StoreFiles, database: Database, path: Path, job_id: str, n: int, attempt: int
) -> None:
    """An earlier result whose successor was placed, but perhaps not recorded."""
    row = _row(database, job_id, n)
    try:
        is_recorded = row and row["state"] in RESTORED_ITEMS and row["attempt"] == attempt
        if row and row["result"] and not is_recorded:
            files.thumbnails.drop(row["folder"], row["result"])
            put_back(path, files.result(row["folder"], row["result"]))
        path.unlink(missing_ok=True)
    except OSError:  # the next start tries again
        log.exception("the earlier result %s could not be put back", path)


def _row(database: Database, job_id: str, n: int) -> sqlite3.Row | None:
    query = (
        "SELECT folder, planned, result, attempt, items.state FROM items "
        "JOIN jobs ON jobs.id = job WHERE job = ? AND n = ?"
    )
    with database.reading() as connection:
        return connection.execute(query, (job_id, n)).fetchone()
