"""The store's SQLite file: its tables, its connections and how its errors are worded.

One connection writes, behind a lock; a few others read. In WAL mode readers see the last
commit and never wait for the writer. Whoever reports something as done waits until it is
flushed to the disk (`durable`), but not behind the lock: one flush serves all who wait for
it, so many workers commit as fast as one. Changes that only say what is going on are left
to the next flush: they survive the death of the process, if not that of the machine, and
are never out of order.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock

from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.store.flusher import Flusher
from gpen_webui.jobs.store.migrations import migrate
from gpen_webui.jobs.store.schema import READ_TEXT, VERSION
from gpen_webui.jobs.store.transactions import Change

BUSY_SECONDS = 5.0
IDLE_READERS = 4  # kept open; more are made when needed and closed afterwards
CHECKPOINT_PAGES = 4000  # of the WAL, before it is written back into the database
NO_SHARED_MEMORY = {
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMLOCK,
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_PROTOCOL,
}


class Database:
    """One SQLite file. on_commit is told the ids of the jobs that a transaction changed."""

    def __init__(self, path: Path, on_commit: Callable[[set[str]], None] = lambda jobs: None):
        self.path = path
        self._on_commit = on_commit
        self._lock = Lock()
        self._readers: list[sqlite3.Connection] = []
        with self._worded():
            self._writer = self._connect()
            has_wal = self._choose_journal()
            self._make_tables()
        self._identity = self._file_identity()
        self._flusher = Flusher(path.with_name(f"{path.name}-wal") if has_wal else None)

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
        """A transaction, committed at the end of the block or not at all. Raises StoreError.

        durable: return, and tell, only when it is flushed; the block may decide that later, with
        `Change.durable`. Where the flush fails, StoreError is raised although the change was
        made; it is flushed with the next one.
        """
        with self._worded():
            with self._lock:
                change = self._begin(durable)
                try:
                    yield change
                    change.write_progress()
                    self._writer.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        self._writer.execute("ROLLBACK")
                    raise
                commit = self._flusher.count_commit()
                for call in change.after_commit:
                    call()
            if change.durable:
                self._flusher.flush(commit)
        if change.jobs:
            self._on_commit(change.jobs)

    def _begin(self, durable: bool) -> Change:
        self.check_presence()
        self._writer.execute("BEGIN IMMEDIATE")
        return Change(self._writer, durable)

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._lock:
            self._writer.close()
            while self._readers:
                self._readers.pop().close()
            self._flusher.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.text_factory = READ_TEXT
        return connection

    def _choose_journal(self) -> bool:
        """Use a WAL where the file system can share memory, as a WAL needs; whether it can.

        Network shares and folders shared with a virtual machine often cannot. A rollback
        journal works there: slower, as each commit is flushed by SQLite itself.
        """
        if _can_have_wal(self._writer):
            self._writer.execute("PRAGMA synchronous = NORMAL")
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            return True
        self._writer.close()
        _give_up_wal(self.path)
        self._writer = self._connect()
        self._writer.execute("PRAGMA synchronous = FULL")
        return False

    def _make_tables(self) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(
                f"The job store {self.path} was made by a newer GPEN WebUI; update this one, "
                "or choose another folder with --outputs."
            )
        if version < VERSION:
            migrate(self._writer, version)
        self._writer.execute("COMMIT")

    def _file_identity(self) -> tuple[int, int]:
        found = os.stat(self.path)
        return found.st_dev, found.st_ino

    def check_presence(self) -> None:
        """Raise StoreError where the file was removed.

        SQLite would go on writing into it, and photos be reported as done in it.
        """
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


def _can_have_wal(connection: sqlite3.Connection) -> bool:
    """Switch to a WAL; False where the file system cannot keep its index."""
    try:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        connection.execute("PRAGMA user_version").fetchone()  # some say so at first use only
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) not in NO_SHARED_MEMORY:
            raise
        return False
    return mode == "wal"


def _give_up_wal(path: Path) -> None:
    """Let a store use a rollback journal; what its WAL holds is written back before.

    Whoever has the file for itself needs no shared memory for that.
    """
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as alone:
        alone.execute("PRAGMA locking_mode = EXCLUSIVE")
        alone.execute("PRAGMA journal_mode = DELETE")
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)


def _in_words(error: sqlite3.Error, path: Path) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"The job store {path} is locked by another program; close that and try again."
    if code == sqlite3.SQLITE_FULL:
        return f"The disk with the job store {path} is full; make room and try again."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"The job store {path} cannot be written; check the folder's permissions."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"The job store {path} is damaged; stop the server and start it again: what can be "
            "read is put together again, and the damaged file is kept."
        )
    return f"The job store {path} cannot be used ({error}); check the disk."
