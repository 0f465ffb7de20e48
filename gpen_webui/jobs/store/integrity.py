"""Whether a store's file is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from gpen_webui.jobs.store import schema
from gpen_webui.jobs.store.migrations import statements_of

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
            connection.text_factory = bytes  # whatever it is, it can be read
            return _damage(connection)
    except sqlite3.Error as error:
        return str(error) if is_damage(error) else None


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
    if _tables(connection) != _tables_of(version):
        return "its tables are not those of its version"
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0].decode("utf-8", "replace")
    return None if found == "ok" else found


def _tables(connection: sqlite3.Connection) -> dict[bytes, list[bytes]]:
    """The columns of the store's tables."""
    return {
        table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        for table in schema.TABLES
    }


def _tables_of(version: int) -> dict[bytes, list[bytes]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.text_factory = bytes
        for statement in statements_of(version):
            connection.execute(statement)
        return _tables(connection)
