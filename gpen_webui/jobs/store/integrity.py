"""Whether a store's file is whole."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from gpen_webui.errors import UserError
from gpen_webui.jobs.store import schema
from gpen_webui.jobs.store.migrations import statements_of
from gpen_webui.options import RestoreOptions

WRONG_SEQ = """
    SELECT 1 FROM jobs WHERE NOT deleted AND seq <> ifnull(
        (SELECT max(seq) FROM events WHERE events.job = jobs.number), 0)
"""
DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damage_in(path: Path) -> str | None:
    """What is wrong with a store, for the log; None where it is whole.

    A store of a newer version, and one that cannot be opened for another reason than damage,
    are not damaged. What a WAL beside it holds is taken into account.
    """
    if not path.exists():
        return "it is missing"
    if not path.stat().st_size:
        return "it is empty"
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.text_factory = schema.READ_TEXT
            return _damage(connection)
    except sqlite3.Error as error:
        return str(error) if is_damage(error) else None
    except UnicodeError as error:  # in the name of a table or column
        return str(error)


def version_of(path: Path) -> int | None:
    """The version of a store; None where there is none that can be read."""
    try:
        if path.exists():
            with closing(sqlite3.connect(path)) as connection:
                return connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error:
        pass  # whoever opens it says so
    return None


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file itself is no whole database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE_CODES


def _damage(connection: sqlite3.Connection) -> str | None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > schema.VERSION:
        return None
    if version < 1:
        return f"its version is {version}"
    if columns_in(connection) != columns_of(version):
        return "its tables are not those of its version"
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        return found
    return _disagreement(connection) if version == schema.VERSION else None


def _disagreement(connection: sqlite3.Connection) -> str | None:
    """What rows say that cannot be true, although each may stand for itself."""
    if connection.execute(WRONG_SEQ).fetchone():
        return "a job and its events disagree"
    try:
        for (options,) in connection.execute("SELECT options FROM jobs"):
            RestoreOptions.parse(json.loads(options))
    except UserError as error:
        return f"a job has impossible options ({error})"
    return None


def columns_in(store: sqlite3.Connection) -> dict[str, list[str]]:
    """The names of the columns of each table of a store. Raises sqlite3.Error."""
    return {
        table: [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
        for table in schema.TABLES
    }


@cache
def columns_of(version: int) -> dict[str, list[str]]:
    """The same as it must be in a store of this version."""
    with closing(sqlite3.connect(":memory:")) as store:
        for statement in statements_of(version):
            store.execute(statement)
        return columns_in(store)
