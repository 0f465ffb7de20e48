"""Flushing the WAL to the disk, once for all who wait for it at the same time."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from threading import Condition

from gpen_webui.jobs.records import StoreError


class Flusher:
    """Counts commits and flushes the WAL that they were written to. Thread-safe.

    SQLite would flush within each COMMIT, while everybody else waits for the write lock. Here
    the commits that come while one flush runs share the next. It is safe because the WAL is
    only ever appended to between two checkpoints, and SQLite flushes it before each of those.
    wal: None where there is none, and SQLite flushes each commit.
    """

    def __init__(self, wal: Path | None):
        self._wal = wal
        self._file: FileIO | None = None
        self._changed = Condition()
        self._committed = 0
        self._flushed = 0
        self._is_flushing = False

    def count_commit(self) -> int:
        """A transaction was committed; its number."""
        with self._changed:
            self._committed += 1
            return self._committed

    def flush(self, commit: int) -> None:
        """Return when this commit, and all before it, are on the disk. Raises StoreError."""
        if self._wal is None:
            return
        with self._changed:
            while self._flushed < commit:
                if self._is_flushing:
                    self._changed.wait()
                else:
                    self._flush_all(self._wal)

    def close(self) -> None:
        """Nothing more is flushed."""
        with self._changed:
            if self._file:
                self._file.close()
            self._file = None

    def _flush_all(self, wal: Path) -> None:
        """Flush what is committed by now; others may commit meanwhile."""
        self._is_flushing, latest = True, self._committed
        self._changed.release()
        try:
            self._sync(wal)
        except OSError as error:
            raise StoreError(
                f"The disk does not take what is written to {wal.parent} "
                f"({error.strerror}); make room or check the disk."
            ) from error
        finally:
            self._changed.acquire()
            self._is_flushing = False
            self._changed.notify_all()
        self._flushed = max(self._flushed, latest)

    def _sync(self, wal: Path) -> None:
        if self._file is None:
            self._file = open(wal, "r+b", buffering=0)  # noqa: SIM115 - see close
        os.fsync(self._file.fileno())
