"""Copies of the store, and the way in which a file takes its place whole.

Two generations are kept: the newest copy, and one that was a day old or older when the
newest was made. A copy is checked before it replaces an earlier one, so a store that is
damaged never drives out a good copy of itself.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock

from gpen_webui.files.atomic import flush_folder
from gpen_webui.jobs.store.integrity import damage_in

log = logging.getLogger(__name__)

DAY = 24 * 3600.0  # seconds

_one_at_a_time = Lock()


def backup_paths(database: Path) -> tuple[Path, Path]:
    """Where the copies of a store are, the newest first."""
    newest, older = (database.with_name(f"{database.stem}.backup-{k}.sqlite") for k in (1, 2))
    return newest, older


def back_up(database: Path) -> bool:
    """Copy a store, also while it is used; False where that was impossible (the log says why)."""
    with _one_at_a_time:
        return _back_up(database)


def _back_up(database: Path) -> bool:
    newest, older = backup_paths(database)
    temporary = newest.with_name(f"{newest.name}.part")
    try:
        temporary.unlink(missing_ok=True)
        _copy(database, temporary)
        if damage := damage_in(temporary):
            log.error("the job store is damaged (%s); its backups are kept", damage)
            return False
        if newest.exists() and (not older.exists() or _age(newest) >= DAY):
            os.replace(newest, older)
        os.replace(temporary, newest)
        flush_folder(newest.parent)
        return True
    except (OSError, sqlite3.Error) as error:
        log.warning("the job store was not backed up (%s)", error)
        return False
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _copy(database: Path, target: Path) -> None:
    there = f"{database.absolute().as_uri()}?mode=rw"  # else one that was removed would be made
    with (
        closing(sqlite3.connect(there, uri=True)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        copy.execute("PRAGMA synchronous = OFF")  # it is flushed below
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a WAL beside it
    flush_file(target)


def flush_file(path: Path) -> None:
    """Wait until a file is on the disk."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime
