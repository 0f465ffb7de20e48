"""At the start: what lies on the disk and the store does not know.

Uploads that were promised to somebody are never removed here. Those of a job whose report
is there come back as that job; the others are collected in an album called lost+found, which
is like any other: it can be looked through, restored and deleted. Results that a report
tells of, and the store does not, are taken from it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePosixPath

from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles, fingerprint
from gpen_webui.jobs.store.jobs import BATCH, clean_name, insert_job
from gpen_webui.jobs.store.mending import named_job
from gpen_webui.jobs.store.written_reports import finished_columns, read_report, written_reports
from gpen_webui.options import RestoreOptions
from gpen_webui.states import ItemState, JobState

log = logging.getLogger(__name__)

LOST_AND_FOUND = "lost+found"
WHY = "No album knows these photos: what was known of them was lost. Restore them, or delete them."


def take_up_leftovers(files: StoreFiles, database: Database) -> None:
    """Bring files and store together, before any other work."""
    try:
        _take_up(files, database)
    except (OSError, StoreError):  # it only costs room, and the next start tries again
        log.exception("what an earlier process left could not be taken up")


def _take_up(files: StoreFiles, database: Database) -> None:
    with database.reading() as connection:
        known = {row[0] for row in connection.execute("SELECT source FROM items WHERE owned")}
    files.clear_incoming(lambda source: source in known)
    _learn_results(files, database)
    orphans = [source for source in files.uploads_on_disk() if source not in known]
    if orphans:
        _take_up_orphans(files, database, orphans)


def _learn_results(files: StoreFiles, database: Database) -> None:
    """A report is written after its results: where it knows more than the store, it is right."""
    with database.reading() as connection:
        jobs = connection.execute(
            "SELECT id, folder FROM jobs WHERE folder IS NOT NULL AND NOT deleted "
            "AND waiting + running > 0"
        ).fetchall()
    for job in jobs:
        report = read_report(files.outputs / job["folder"])
        if report and report["job"] == job["id"]:
            _apply(files, database, job["id"], job["folder"], report)


def _apply(files: StoreFiles, database: Database, job_id: str, folder: str, report: dict) -> None:
    """Record the results that a report tells of and that are there."""
    query = (
        "SELECT n FROM items WHERE job = ? AND state IN ('waiting', 'running') AND result IS NULL"
    )
    with database.changing() as change:
        unfinished = {n for (n,) in change.sql.execute(query, (job_id,))}
        for n, photo in enumerate(report["photos"]):
            finished = finished_columns(photo, files.outputs / folder)
            if n in unfinished and finished:
                change.item(job_id, n, **finished)


def _take_up_orphans(files: StoreFiles, database: Database, orphans: list[str]) -> None:
    with database.reading() as connection:
        known = {row[0] for row in connection.execute("SELECT id FROM jobs")}
    reports = {job_id: (folder, report) for job_id, folder, report in written_reports(files)}
    lost = []
    for job_id, group in groupby(orphans, key=lambda source: PurePosixPath(source).parent.name):
        sources = list(group)
        if job_id in reports and job_id not in known:
            lost += _rebuild(files, database, job_id, *reports[job_id], sources)
        else:
            lost += sources
    if lost:
        log.warning("%d uploads that no album knows are now in %s", len(lost), LOST_AND_FOUND)
        _collect(files, database, lost)


def _rebuild(
    files: StoreFiles,
    database: Database,
    job_id: str,
    folder: str,
    report: dict,
    sources: list[str],
) -> list[str]:
    """Bring back a job that has ended, from its report; the sources that are none of it."""
    places = {f"uploads/{job_id}/{n}": n for n in range(len(report["photos"]))}
    rows = [_row(files, n, source, report["photos"][n]["name"]) for source, n in places.items()]
    options = RestoreOptions.parse(report["options"])
    with database.changing() as change:
        insert_job(change, "album", report["name"], options, job_id=job_id)
        change.add_items(job_id, rows)
        for n, photo in enumerate(report["photos"]):
            finished = finished_columns(photo, files.outputs / folder)
            change.item(job_id, n, **(finished or _failed(photo, f"{n}.jpg")))
        now = time.time()
        change.job(job_id, state=JobState.DONE, folder=folder, started=now, finished=now)
    log.warning("the album %s was brought back from its report", job_id)
    return [source for source in sources if source not in places]


def _failed(photo: dict, planned: str) -> dict:
    """The columns of an item whose result is not there."""
    words = f"The result of {photo['name']} was lost; retry restores it."
    error = photo["error"] or {"stage": None, "message": words}
    return {
        "state": ItemState.FAILED,
        "planned": planned,
        "folded": planned.casefold(),
        "error": json.dumps(error),
    }


def _collect(files: StoreFiles, database: Database, sources: list[str]) -> None:
    """Put uploads into a new album, under their names where those are known."""
    with database.changing() as change:
        job_id = insert_job(change, "album", LOST_AND_FOUND, RestoreOptions())
        change.job(job_id, reason=WHY)
    rows = _named_rows(files, sources)
    while batch := [row for _, row in zip(range(BATCH), rows, strict=False)]:
        with database.changing() as change:
            change.add_items(job_id, batch)


def _named_rows(files: StoreFiles, sources: list[str]) -> Iterator[dict]:
    n = 0
    for old_id, group in groupby(sources, key=lambda source: PurePosixPath(source).parent.name):
        about, names = files.noted_names(old_id)
        _, album, _ = named_job(about | {"name": about.get("name", old_id)})
        for source in group:
            name = names.get(source, f"photo {PurePosixPath(source).name}")
            yield _row(files, n, source, f"{album}/{name}")
            n += 1


def _row(files: StoreFiles, n: int, source: str, name: str) -> dict:
    try:
        size, sha256 = fingerprint(files.copy(source), flush=False)
    except OSError:  # it will be said when it is restored
        size, sha256 = 0, ""
    return {
        "n": n,
        "name": clean_name(name),
        "source": source,
        "owned": True,
        "size": size,
        "sha256": sha256,
    }
