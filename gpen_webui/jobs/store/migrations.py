"""From the tables of earlier versions to those of schema.py.

Each step is one function from a version to the next; a store is brought up to date in one
transaction, so that it is either as it was or as it must be.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator

from gpen_webui.jobs.store import schema
from gpen_webui.jobs.store.event_rows import DETAILS, event_row, insert_events

# What the first version made; stores of that time are salvaged with it.
VERSION_1 = (
    """
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT UNIQUE,
        kind TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, reason TEXT,
        options TEXT NOT NULL, folder TEXT, created REAL NOT NULL, started REAL, finished REAL,
        seq INTEGER NOT NULL DEFAULT 0, turn INTEGER NOT NULL DEFAULT 0, pace REAL, parent TEXT,
        report_due INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE items (
        job TEXT NOT NULL REFERENCES jobs (id), n INTEGER NOT NULL, key TEXT, name TEXT NOT NULL,
        state TEXT NOT NULL, stage TEXT, attempt INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0, source TEXT NOT NULL, owned INTEGER NOT NULL,
        size INTEGER NOT NULL, sha256 TEXT NOT NULL, planned TEXT,
        placed INTEGER NOT NULL DEFAULT 0, result TEXT, result_size INTEGER NOT NULL DEFAULT 0,
        faces INTEGER, seconds REAL, error TEXT, warnings TEXT NOT NULL DEFAULT '[]', report TEXT,
        PRIMARY KEY (job, n), UNIQUE (job, key)
    )
    """,
    "CREATE INDEX items_by_state ON items (job, state, crashes, n)",
    """
    CREATE TABLE events (
        job TEXT NOT NULL, seq INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY (job, seq)
    ) WITHOUT ROWID
    """,
)

# What the third version added.
OWN_OPTIONS = "options TEXT CHECK (options IS NULL OR json_valid(options))"
*_SINCE_2, ITEMS_TO_REDO = schema.PHOTO_STATEMENTS
VERSION_2 = tuple(statement.replace(f"{OWN_OPTIONS}, ", "") for statement in _SINCE_2)

COUNT_ITEMS = """
    UPDATE jobs SET
        total = (SELECT count(*) FROM items WHERE job = id),
        bytes = (SELECT total(size * owned + result_size) FROM items WHERE job = id),
""" + ",\n".join(
    f"{state} = (SELECT count(*) FROM items WHERE job = id AND state = '{state}')"
    for state in schema.COUNTED_STATES
)


def statements_of(version: int) -> tuple[str, ...]:
    """What makes the tables of this version."""
    return (VERSION_1, VERSION_2, schema.STATEMENTS)[version - 1]


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables from `version` (0: there are none) up to date, within a transaction."""
    if version == 0:
        for statement in schema.STATEMENTS:
            connection.execute(statement)
    else:
        for step in STEPS[version - 1 :]:
            step(connection)
    connection.execute(f"PRAGMA user_version = {schema.VERSION}")


def _from_1_to_2(connection: sqlite3.Connection) -> None:
    """Counters in the jobs' rows, results by folded names, events in a tenth of the room."""
    connection.create_function("casefold", 1, lambda text: text and text.casefold())
    connection.execute("DROP INDEX items_by_state")
    for table in schema.TABLES:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in VERSION_2:
        connection.execute(statement)
    connection.execute("UPDATE old_jobs SET deleted = -number WHERE deleted")
    _copy(connection, "jobs")
    _copy(connection, "items")
    connection.execute("UPDATE items SET folded = casefold(planned)")
    connection.execute(COUNT_ITEMS)
    insert_events(connection, _converted_events(connection))
    for table in reversed(schema.TABLES):
        connection.execute(f"DROP TABLE old_{table}")


def _from_2_to_3(connection: sqlite3.Connection) -> None:
    """Photos may have options of their own; tables for several machines."""
    connection.execute(f"ALTER TABLE items ADD COLUMN {OWN_OPTIONS}")
    connection.execute(ITEMS_TO_REDO)
    for statement in schema.CLUSTER_STATEMENTS:
        connection.execute(statement)


def _copy(connection: sqlite3.Connection, table: str) -> None:
    """All rows of old_`table`; new columns get their defaults."""
    columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info(old_{table})"))
    connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM old_{table}")


def _converted_events(connection: sqlite3.Connection) -> Iterator[tuple]:
    query = (
        "SELECT jobs.number, data FROM old_events JOIN jobs ON jobs.id = old_events.job "
        "ORDER BY jobs.number, old_events.seq"
    )
    for number, data in connection.execute(query):
        event = json.loads(data)
        details = {name: event.get(name) for name in DETAILS}  # some are newer than it
        if event["item"] is None:
            details["name"] = event["name"]
        yield event_row(
            number,
            event["seq"],
            event["item"],
            event["type"],
            event["state"],
            event["counts"],
            stage=event["stage"],
            eta=event["eta_seconds"],
            **details,
        )


STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_from_1_to_2, _from_2_to_3)
