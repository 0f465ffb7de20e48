"""The store's SQLite file: its tables, its connections and how its errors are worded.

One connection writes, behind a lock; a few others read. In WAL mode readers see the last
commit and never wait for the writer. Commits that report something as done are flushed to
the disk (`durable`); those that only say what is going on are left to the next flush: they
survive the death of the process, if not that of the machine, and are never out of order.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.store.transactions import Change

SCHEMA_VERSION = 1
BUSY_SECONDS = 5.0
IDLE_READERS = 4  # kept open; more are made when needed and closed afterwards

SCHEMA = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key TEXT UNIQUE,          -- the client's own name for the request that made it
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,              -- why it paused itself
    options TEXT NOT NULL,    -- JSON
    folder TEXT,              -- of the results, in the outputs folder
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    seq INTEGER NOT NULL DEFAULT 0,
    turn INTEGER NOT NULL DEFAULT 0,  -- when it was last served; the lowest is next
    pace REAL,                -- seconds from one finished item to the next
    parent TEXT,              -- the job that it runs again
    report_due INTEGER NOT NULL DEFAULT 0,  -- it ended, but its report is not written
    deleted INTEGER NOT NULL DEFAULT 0      -- its files are being removed
);
CREATE TABLE items (
    job TEXT NOT NULL REFERENCES jobs (id),
    n INTEGER NOT NULL,
    key TEXT,                 -- the client's own name for the upload
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    stage TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,  -- how often the process died with it in hand
    source TEXT NOT NULL,     -- the original: a path, relative to the store where it is our copy
    owned INTEGER NOT NULL,   -- whether it is our copy
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    planned TEXT,             -- where its result goes, in the job's folder
    placed INTEGER NOT NULL DEFAULT 0,   -- whether a file there, if any, is its result
    result TEXT,              -- where it is
    result_size INTEGER NOT NULL DEFAULT 0,
    faces INTEGER,
    seconds REAL,
    error TEXT,               -- JSON
    warnings TEXT NOT NULL DEFAULT '[]',  -- JSON
    report TEXT,              -- JSON
    PRIMARY KEY (job, n),
    UNIQUE (job, key)
);
CREATE INDEX items_by_state ON items (job, state, crashes, n);
CREATE TABLE events (
    job TEXT NOT NULL,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL,       -- JSON, as it is sent
    PRIMARY KEY (job, seq)
) WITHOUT ROWID;
"""


class Database:
    """One SQLite file. on_commit is told the ids of the jobs that a transaction changed."""

    def __init__(self, path: Path, on_commit: Callable[[set[str]], None] = lambda jobs: None):
        self.path = path
        self._on_commit = on_commit
        self._lock = Lock()
        self._readers: list[sqlite3.Connection] = []
        with self._worded():
            self._writer = self._connect()
            self._make_tables()
        self._identity = self._file_identity()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for a few SELECTs. Raises StoreError."""
        with self._worded():
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._connect()
            try:
                yield connection
            finally:
                if len(self._readers) < IDLE_READERS:
                    self._readers.append(connection)
                else:
                    connection.close()

    @contextmanager
    def changing(self, durable: bool = True) -> Iterator[Change]:
        """A transaction, committed at the end of the block or not at all. Raises StoreError."""
        with self._worded(), self._lock:
            self._check_presence()
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._writer.execute("BEGIN IMMEDIATE")
            change = Change(self._writer)
            try:
                yield change
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise
        if change.jobs:
            self._on_commit(change.jobs)

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._lock:
            self._writer.close()
            while self._readers:
                self._readers.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _make_tables(self) -> None:
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("BEGIN IMMEDIATE")
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"The job store {self.path} was made by a newer GPEN WebUI; update this one, "
                "or choose another folder with --outputs."
            )
        if version == 0:
            for statement in SCHEMA.split(";\n"):
                self._writer.execute(statement)
            self._writer.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._writer.execute("COMMIT")

    def _file_identity(self) -> tuple[int, int]:
        found = os.stat(self.path)
        return found.st_dev, found.st_ino

    def _check_presence(self) -> None:
        """SQLite would go on writing into a deleted file, and report photos as done in it."""
        with suppress(OSError):
            if self._file_identity() == self._identity:
                return
        raise StoreError(
            f"The job store {self.path} was removed while the server was running; "
            "put the outputs folder back, then stop the server and start it again."
        )

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(_in_words(error, self.path)) from error


def _in_words(error: sqlite3.Error, path: Path) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"The job store {path} is locked by another program; close that and try again."
    if code == sqlite3.SQLITE_FULL:
        return f"The disk with the job store {path} is full; make room and try again."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"The job store {path} cannot be written; check the folder's permissions."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"The job store {path} is damaged; move it away to begin with an empty one."
    return f"The job store {path} cannot be used ({error}); check the disk."
