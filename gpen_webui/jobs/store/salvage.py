"""Reading a damaged store row by row, into a fresh one.

What SQLite cannot read is stepped over: a range of rows that fails is halved until only
the rows on damaged pages are left. SQLite has no checksums, so what can be read may be wrong
all the same; salvaged_rows.py looks at every value. Where the first page is gone, without
which SQLite reads nothing, that of another store with the same tables takes its place.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from gpen_webui.jobs.store import schema
from gpen_webui.jobs.store.integrity import columns_in, columns_of
from gpen_webui.jobs.store.migrations import migrate, statements_of
from gpen_webui.jobs.store.salvaged_rows import whole_event, whole_item, whole_job

log = logging.getLogger(__name__)

UNREADABLE = (sqlite3.Error, UnicodeError)
PAGE_BYTES = 4096
MOST_FAILURES = 20_000  # queries that fail one after the other, before the rest is given up
MOST_STEPS, STEPS_AT_ONCE = 1_000_000_000, 10_000  # of SQLite's machine; 100,000 items: 10^7
ROWS_PER_PAGE = 400  # more than there are, as rowids have gaps
ROLLBACK_JOURNAL, WAL = b"\1\1", b"\2\2"  # how a database file says what lies beside it
PAGE_COUNT, CHANGE_COUNTER, VALID_FOR = slice(28, 32), slice(24, 28), slice(92, 96)
FORMAT = slice(18, 20)


def salvage(damaged: Path, target: Path, first_pages: Iterable[Path] = ()) -> int:
    """Write what can be read of a store into a fresh one of the present version; how many rows.

    damaged: a copy, with its WAL beside it if there is one; it is changed. first_pages: whole
    stores whose first page may replace a damaged one. Raises sqlite3.Error, OSError only
    where `target` cannot be written.
    """
    has_first_page = damaged.exists() and damaged.stat().st_size > 0
    for first_page in (None, *first_pages):
        if first_page is None and not has_first_page:  # SQLite would remove the WAL
            continue
        if first_page is not None and not _replace_first_page(damaged, first_page):
            continue
        target.unlink(missing_ok=True)
        if rows := _salvage(damaged, target):
            return rows
    target.unlink(missing_ok=True)
    fresh_store(target)
    return 0


def fresh_store(path: Path, version: int = schema.VERSION) -> None:
    """Make a store without jobs. Raises sqlite3.Error."""
    with closing(_open_new(path)) as store:
        store.execute("BEGIN")
        for statement in statements_of(version):
            store.execute(statement)
        store.execute(f"PRAGMA user_version = {version}")
        store.execute("COMMIT")


def _salvage(damaged: Path, target: Path) -> int:
    with closing(_open_damaged(damaged)) as source:
        version = _version_of(source)
        if version is None:
            return 0
        fresh_store(target, version)
        with closing(_open_new(target)) as store:
            store.execute("BEGIN")
            rows = _insert(store, "jobs", map(whole_job, _rows(source, "jobs")))
            rows += _insert(store, "items", map(whole_item, _rows(source, "items")))
            name = "id" if version == 1 else "number"
            ends = store.execute(f"SELECT {name}, seq FROM jobs").fetchall()
            for job, seq in ends:
                _insert(store, "events", map(whole_event, _events(source, job, seq)))
            if version < schema.VERSION:
                migrate(store, version)
            for table in ("workers", "join_keys"):
                _insert(store, table, _machines(source, table))
            store.execute("COMMIT")
            return rows


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.text_factory = schema.READ_TEXT
    return connection


def _open_new(path: Path) -> sqlite3.Connection:
    connection = _connect(path)
    connection.execute("PRAGMA synchronous = OFF")  # it is flushed when it is complete
    return connection


def _open_damaged(path: Path) -> sqlite3.Connection:
    connection = _connect(path)
    connection.set_progress_handler(_StepLimit(), STEPS_AT_ONCE)
    connection.execute("PRAGMA writable_schema = ON")  # also reads what is cut short
    return connection


class _StepLimit:
    """Ends queries in a store whose pages refer to each other so that they would never end."""

    def __init__(self) -> None:
        self._left = MOST_STEPS // STEPS_AT_ONCE

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


def _version_of(source: sqlite3.Connection) -> int | None:
    """The version of a store, told by the tables of jobs; None where they are damaged."""
    try:
        columns = columns_in(source)
    except UNREADABLE:
        return None
    versions = range(1, schema.VERSION + 1)
    return next((version for version in versions if columns == columns_of(version)), None)


def _insert(store: sqlite3.Connection, table: str, rows: Iterable[dict | None]) -> int:
    count = 0
    for row in rows:
        if row is not None:
            names, places = ", ".join(row), ", ".join("?" * len(row))
            insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})"
            count += store.execute(insert, tuple(row.values())).rowcount
    return count


def _rows(source: sqlite3.Connection, table: str) -> Iterator[dict]:
    """The rows of a table that can be read."""
    query = f"SELECT rowid AS at, * FROM {table} WHERE rowid BETWEEN ? AND ? ORDER BY rowid"
    try:
        last = source.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 0
    except UNREADABLE:
        last = ROWS_PER_PAGE * _pages(source)
    yield from _readable(source, query, (), 0, last)


def _machines(source: sqlite3.Connection, table: str) -> list[dict]:
    """The machines that have joined, or what lets them; where they are lost they join again."""
    try:
        return [dict(row) for row in source.execute(f"SELECT * FROM {table}")]
    except UNREADABLE:
        return []


def _events(source: sqlite3.Connection, job: str | int, seq: int) -> Iterator[dict]:
    query = "SELECT seq AS at, * FROM events WHERE job = ? AND seq BETWEEN ? AND ? ORDER BY seq"
    yield from _readable(source, query, (job,), 1, seq)


def _readable(
    source: sqlite3.Connection, query: str, values: tuple, first: int, last: int
) -> Iterator[dict]:
    """What `query` gives for each place in a range, without the rows that cannot be read."""
    ranges, failures = deque([(first, last)]), 0
    while ranges and failures < MOST_FAILURES:
        low, high = ranges.popleft()
        try:
            for row in source.execute(query, (*values, low, high)):
                found = dict(row)
                at = found.pop("at")
                if not low <= at <= high:
                    raise sqlite3.DatabaseError("pages that refer to each other in a circle")
                low, failures = at + 1, 0
                yield found
        except UNREADABLE:
            failures += 1
            if low < high:
                middle = (low + high) // 2
                ranges += [(low, middle), (middle + 1, high)]


def _pages(source: sqlite3.Connection) -> int:
    [(_, _, path)] = source.execute("PRAGMA database_list").fetchall()
    return Path(path).stat().st_size // PAGE_BYTES + 1


def _replace_first_page(damaged: Path, other: Path) -> bool:
    """Give a store the first page of another; False where that is none."""
    with open(other, "rb") as file:
        page = bytearray(file.read(PAGE_BYTES))
    if len(page) < PAGE_BYTES:
        return False
    has_wal = damaged.with_name(f"{damaged.name}-wal").exists()
    size = max(PAGE_BYTES, damaged.stat().st_size if damaged.exists() else 0)
    page[FORMAT] = WAL if has_wal else ROLLBACK_JOURNAL
    page[PAGE_COUNT] = (size // PAGE_BYTES).to_bytes(4, "big")
    page[VALID_FOR] = page[CHANGE_COUNTER]
    with open(damaged, "r+b" if damaged.exists() else "w+b") as file:
        file.write(page)
    return True


def copy_with_wal(store: Path, target: Path) -> None:
    """Copy a store and its WAL, as far as they are there. Raises OSError."""
    for suffix in ("", "-wal"):
        source = store.with_name(f"{store.name}{suffix}")
        if source.exists():
            shutil.copyfile(source, target.with_name(f"{target.name}{suffix}"))
