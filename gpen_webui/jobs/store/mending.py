"""Making rows that were salvaged from different places agree with each other."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from gpen_webui.jobs.naming import plan_results
from gpen_webui.jobs.store import schema
from gpen_webui.jobs.store.event_rows import event_row, insert_events
from gpen_webui.jobs.store.files import StoreFiles, fingerprint
from gpen_webui.jobs.store.migrations import COUNT_ITEMS
from gpen_webui.jobs.store.transactions import counts_of
from gpen_webui.jobs.store.written_reports import finished_columns, written_reports
from gpen_webui.options import RestoreOptions
from gpen_webui.states import ENDED_JOBS, JobState

STARTED = tuple(state for state in JobState if state != JobState.COLLECTING)
MOST_MISSING_EVENTS = 1_000_000  # of a job; larger numbers are not to be believed
MOST_MISSING_ITEMS = 1_000


def mend(files: StoreFiles, store: Path) -> None:
    """Give a salvaged store all that its rows refer to, so that it is whole again."""
    with closing(_open(store)) as connection:
        reports = {job_id: (folder, report) for job_id, folder, report in written_reports(files)}
        connection.execute("BEGIN")
        _add_missing_jobs(files, connection, reports)
        _find_folders(files, connection, reports)
        for job in connection.execute("SELECT * FROM jobs").fetchall():
            folder, report = reports.get(job["id"], (None, {"photos": []}))
            _find_originals(files, connection, job["id"])
            _fill_numbers(files, connection, job, report)
            _close_gaps(connection, job["id"])
            if folder is not None and folder == job["folder"]:
                _take_results(files, connection, job, report)
            _make_startable(connection, job)
        connection.execute(COUNT_ITEMS)
        for job in connection.execute("SELECT * FROM jobs").fetchall():
            _complete_events(connection, job)
        connection.execute("COMMIT")


def merge(files: StoreFiles, store: Path, older: Path) -> None:
    """Add to a salvaged store what only an older one has; not what was deleted since."""
    with closing(_open(store)) as connection:
        connection.execute("ATTACH ? AS older", (str(older),))
        connection.execute("BEGIN")
        query = "SELECT * FROM older.jobs WHERE id NOT IN (SELECT id FROM jobs) ORDER BY number"
        for job in connection.execute(query).fetchall():
            if not _is_deleted_since(files, connection, job):
                _insert_job(connection, dict(job))
        connection.execute(
            "INSERT OR IGNORE INTO items SELECT * FROM older.items "
            "WHERE job IN (SELECT id FROM jobs)"
        )
        connection.execute(
            "INSERT OR IGNORE INTO events SELECT jobs.number, e.seq, e.item, e.type, e.state, "
            "e.stage, e.counts, e.eta, e.detail FROM older.events AS e "
            "JOIN older.jobs AS o ON o.number = e.job JOIN jobs ON jobs.id = o.id"
        )
        connection.execute("COMMIT")


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = OFF")  # it is flushed when it is complete
    return connection


def _is_deleted_since(files: StoreFiles, store: sqlite3.Connection, job: sqlite3.Row) -> bool:
    """Whether nothing is left on the disk of what a job of an older store had there.

    One without photos is no loss.
    """
    query = "SELECT source, owned, result FROM older.items WHERE job = ?"
    items = store.execute(query, (job["id"],)).fetchall()
    had = [path for item in items for path in _files_of(files, job, item)]
    return not items or (bool(had) and not any(path.exists() for path in had))


def _files_of(files: StoreFiles, job: sqlite3.Row, item: sqlite3.Row) -> Iterator[Path]:
    if item["owned"]:
        yield files.copy(item["source"])
    if item["result"] and job["folder"]:
        yield files.result(job["folder"], item["result"])


def _insert_job(store: sqlite3.Connection, job: dict) -> None:
    """Under its own number and key, where they are free."""
    for column in ("number", "key"):
        query = f"SELECT 1 FROM jobs WHERE {column} = ?"
        if store.execute(query, (job[column],)).fetchone():
            job[column] = None
    places = ", ".join("?" * len(job))
    store.execute(f"INSERT INTO jobs ({', '.join(job)}) VALUES ({places})", tuple(job.values()))


def _add_missing_jobs(files: StoreFiles, store: sqlite3.Connection, reports: dict) -> None:
    """A job for items whose own was lost; without a report nobody knows where its results lie."""
    query = "SELECT DISTINCT job FROM items WHERE job NOT IN (SELECT id FROM jobs)"
    for (job_id,) in store.execute(query).fetchall():
        about, _ = files.noted_names(job_id)
        folder, report = reports.get(job_id, (None, {}))
        kind, name, options = named_job(about | report)
        ended = time.time() if report else None
        store.execute(
            "INSERT INTO jobs (id, kind, name, options, state, folder, created, started, finished) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(job_id, kind, name, options, report.get("state", JobState.COLLECTING), folder),
                *(time.time(), ended, ended),
            ),
        )


def _find_folders(files: StoreFiles, store: sqlite3.Connection, reports: dict) -> None:
    """A job whose results folder is not there has the one in which its report lies."""
    for job_id, folder in store.execute("SELECT id, folder FROM jobs").fetchall():
        found, _ = reports.get(job_id, (None, {}))
        if found and not (folder and (files.outputs / folder).is_dir()):
            store.execute("UPDATE jobs SET folder = ? WHERE id = ?", (found, job_id))


def named_job(about: dict) -> tuple[str, str, str]:
    """Kind, name and options (JSON) of a job, from what was noted about it."""
    options = about.get("options") or RestoreOptions().as_dict()
    return about.get("kind", "album"), about.get("name", "Album"), json.dumps(options)


def _find_originals(files: StoreFiles, store: sqlite3.Connection, job_id: str) -> None:
    """An original that is not where its row says may be where it should be."""
    query = "SELECT n, source FROM items WHERE job = ? AND owned"
    for n, source in store.execute(query, (job_id,)).fetchall():
        usual = f"uploads/{job_id}/{n}"
        if source != usual and not files.copy(source).is_file():
            set_source = "UPDATE items SET source = ? WHERE job = ? AND n = ?"
            store.execute(set_source, (usual, job_id, n))


def _fill_numbers(
    files: StoreFiles, store: sqlite3.Connection, job: sqlite3.Row, report: dict
) -> None:
    """Items that were lost among others come back."""
    job_id = job["id"]
    query = "SELECT n FROM items WHERE job = ?"
    known = {n for (n,) in store.execute(query, (job_id,))}
    most = MOST_MISSING_ITEMS + 10 * len(known)
    store.execute("DELETE FROM items WHERE job = ? AND n > ?", (job_id, most))
    known = {n for n in known if n <= most}
    _, names = files.noted_names(job_id)
    photos = report["photos"]
    for n in sorted(set(range(max(max(known, default=-1), len(photos)))) - known):
        source = f"uploads/{job_id}/{n}"
        path = files.copy(source)
        if job["state"] == JobState.COLLECTING and not path.is_file():
            continue  # it was taken out, or can be sent again
        size, sha256 = fingerprint(path, flush=False) if path.is_file() else (0, "")
        name = photos[n]["name"] if n < len(photos) else names.get(source, f"photo {n + 1}")
        store.execute(
            "INSERT INTO items (job, n, name, state, source, owned, size, sha256) "
            "VALUES (?, ?, ?, 'waiting', ?, 1, ?, ?)",
            (job_id, n, name, source, size, sha256),
        )


def _close_gaps(store: sqlite3.Connection, job_id: str) -> None:
    """Number the items of a job anew, in their order, where some were taken out."""
    query = "SELECT n FROM items WHERE job = ? ORDER BY n"
    numbers = [n for (n,) in store.execute(query, (job_id,)).fetchall()]
    store.executemany(
        "UPDATE items SET n = ? WHERE job = ? AND n = ?",
        ((new, job_id, n) for new, n in enumerate(numbers) if new != n),
    )


def _take_results(
    files: StoreFiles, store: sqlite3.Connection, job: sqlite3.Row, report: dict
) -> None:
    """What a report knows of items that are not known to have ended."""
    query = "SELECT n FROM items WHERE job = ? AND state = 'waiting'"
    for (n,) in store.execute(query, (job["id"],)).fetchall():
        if n < len(report["photos"]):
            columns = finished_columns(report["photos"][n], files.outputs / job["folder"])
            if columns:
                places = ", ".join(f"{name} = ?" for name in columns)
                update = f"UPDATE items SET {places} WHERE job = ? AND n = ?"
                store.execute(update, (*columns.values(), job["id"], n))


def _make_startable(store: sqlite3.Connection, job: sqlite3.Row) -> None:
    """A started job has a folder, and a place in it for each result."""
    if job["state"] in STARTED and job["folder"] is None:
        store.execute("UPDATE jobs SET state = 'collecting' WHERE id = ?", (job["id"],))
    if job["state"] not in STARTED or job["folder"] is None:
        store.execute(
            "UPDATE items SET state = 'waiting', result = NULL, result_size = 0, placed = 0 "
            "WHERE job = ?",
            (job["id"],),
        )
        return
    if job["state"] in ENDED_JOBS:
        words = "What was known of this photo was damaged; retry restores it."
        store.execute(
            "UPDATE items SET state = 'failed', error = ? WHERE job = ? AND state = 'waiting'",
            (json.dumps({"stage": None, "message": words}), job["id"]),
        )
    query = "SELECT n, name, planned FROM items WHERE job = ? ORDER BY n"
    items = store.execute(query, (job["id"],)).fetchall()
    taken = {item["planned"].casefold() for item in items if item["planned"]}
    format = json.loads(job["options"])["format"]
    for item, path in zip(items, plan_results([row["name"] for row in items], format), strict=True):
        if item["planned"] is None:
            place = str(path)
            if place.casefold() in taken:
                place = str(path.with_name(f"{path.stem} [{item['n']}]{path.suffix}"))
            store.execute(
                "UPDATE items SET planned = ?, folded = ? WHERE job = ? AND n = ?",
                (place, place.casefold(), job["id"], item["n"]),
            )


def _complete_events(store: sqlite3.Connection, job: sqlite3.Row) -> None:
    """No gaps: where an event was lost, the job's present state is told; then all states."""
    number, counts = job["number"], counts_of(job)
    query = "SELECT seq FROM events WHERE job = ?"
    known = {seq for (seq,) in store.execute(query, (number,))}
    last = max(known, default=0)
    if job["seq"] - last < MOST_MISSING_EVENTS:
        last = max(last, job["seq"])
    missing = sorted(set(range(1, last + 1)) - known)
    if not missing and last == job["seq"] and _tells_the_state(store, job):
        return

    def told(seq: int) -> tuple:
        return event_row(number, seq, None, "job", job["state"], counts, name=job["name"])

    insert_events(store, map(told, missing))
    query = "SELECT n, state, faces, seconds, error, result FROM items WHERE job = ? ORDER BY n"
    for item in store.execute(query, (job["id"],)).fetchall():
        last += 1
        shown = {name: item[name] for name in ("faces", "seconds", "result")}
        shown["error"] = json.loads(item["error"]) if item["error"] else None
        row = event_row(number, last, item["n"], "item", item["state"], counts, **shown)
        insert_events(store, [row])
    insert_events(store, [told(last + 1)])
    store.execute("UPDATE jobs SET seq = ? WHERE number = ?", (last + 1, number))


def _tells_the_state(store: sqlite3.Connection, job: sqlite3.Row) -> bool:
    """Whether the last event has the counts that the job has."""
    query = "SELECT counts FROM events WHERE job = ? AND seq = ?"
    row = store.execute(query, (job["number"], job["seq"])).fetchone()
    return row is not None and row["counts"] == " ".join(
        str(job[state]) for state in schema.COUNTED_STATES
    )
