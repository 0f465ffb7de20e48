"""Machines that have joined: their rows, and the keys that let them join.

Neither a join key nor a token is kept, only its SHA-256: who reads the store learns none.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass, field
from enum import StrEnum

from gpen_webui.jobs.store.database import Database


class WorkerState(StrEnum):
    """Whether a machine is trusted with photos."""

    NEW = "new"  # it has not restored the probe photo yet
    READY = "ready"
    SET_ASIDE = "set_aside"  # it failed again and again; the probe photo lets it in again


@dataclass(frozen=True)
class WorkerRow:
    """A machine that has joined.

    machine: the random name that its own folder keeps. token_hash: None where the token was
    revoked. drained: it gets nothing more until a user says otherwise. reason: why it was set
    aside. kind: machines of one kind give the same bytes. about: what else it told of itself.
    """

    id: str
    machine: str
    name: str
    token_hash: str | None
    kind: str
    state: str = WorkerState.NEW
    drained: bool = False
    reason: str | None = None
    about: dict = field(default_factory=dict)


class WorkerRows:
    """The tables of machines and join keys. Thread-safe. Everything raises StoreError."""

    def __init__(self, database: Database):
        self._database = database

    def all(self) -> list[WorkerRow]:
        """Every machine that has joined, by name."""
        with self._database.reading() as connection:
            return [_worker(row) for row in connection.execute("SELECT * FROM workers")]

    def save(self, worker: WorkerRow) -> None:
        """Write a machine's row, new or not."""
        values = (
            worker.id,
            worker.machine,
            worker.name,
            worker.token_hash,
            worker.state,
            worker.drained,
            worker.reason,
            worker.kind,
            json.dumps(worker.about),
        )
        with self._database.changing() as change:
            places = ", ".join("?" * len(values))
            change.sql.execute(f"INSERT OR REPLACE INTO workers VALUES ({places})", values)

    def remove(self, worker_id: str) -> None:
        """Forget a machine; its token is good for nothing any more."""
        with self._database.changing() as change:
            change.sql.execute("DELETE FROM workers WHERE id = ?", (worker_id,))

    def has_join_key(self) -> bool:
        """Whether there is a key to join with."""
        with self._database.reading() as connection:
            return connection.execute("SELECT 1 FROM join_keys").fetchone() is not None

    def is_join_key(self, key: str) -> bool:
        """Whether machines may join with this key."""
        with self._database.reading() as connection:
            query = "SELECT 1 FROM join_keys WHERE hash = ?"
            return connection.execute(query, (hash_of(key),)).fetchone() is not None

    def replace_join_key(self, key: str) -> None:
        """Let machines join with this key, and with no other."""
        with self._database.changing() as change:
            change.sql.execute("DELETE FROM join_keys")
            change.sql.execute("INSERT INTO join_keys VALUES (?)", (hash_of(key),))


def hash_of(secret: str) -> str:
    """What is kept of a join key or token; both are random and long, so one round suffices."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _worker(row: sqlite3.Row) -> WorkerRow:
    about = json.loads(row["about"] or "{}")
    return WorkerRow(
        id=row["id"],
        machine=row["machine"],
        name=row["name"],
        token_hash=row["token"],
        kind=row["kind"],
        state=row["state"],
        drained=bool(row["drained"]),
        reason=row["reason"],
        about=about if isinstance(about, dict) else {},
    )
