"""What of a claim depends on the machine that makes it, where there are several.

Which item a machine gets, which machines have crashed with an item, who restored how much.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from gpen_webui.jobs.store.transactions import ITEM_COLUMNS, Change

MAX_CRASHES = 3
MOST_ON_ONE = MAX_CRASHES - 1  # crashes with an item, after which another machine has to try

HERE = ""  # the id of the coordinator's own machine

# Photo jobs first, then the album that has waited longest; of those that the machine may have, one
# after the other.
NEXT_JOBS = """
    SELECT id FROM jobs WHERE state IN ('waiting', 'running') AND waiting AND NOT deleted
        AND (:takes_photos OR kind = 'album')
        AND (NOT :same_bytes OR kind = 'photo'
            OR NOT EXISTS (SELECT 1 FROM shares WHERE shares.job = jobs.id)
            OR EXISTS (SELECT 1 FROM shares WHERE shares.job = jobs.id AND shares.kind = :kind))
    ORDER BY kind = 'album', turn, number
"""
# Albums that stay with their kind, and whether no machine of it is there; also those of which that
# was told.
WAITING_FOR_KIND = """
    SELECT id, EXISTS (SELECT 1 FROM shares WHERE shares.job = jobs.id)
        AND NOT EXISTS (SELECT 1 FROM shares JOIN json_each(:kinds) ON shares.kind = value
            WHERE shares.job = jobs.id) AS has_none
    FROM jobs WHERE state IN ('waiting', 'running') AND kind = 'album' AND NOT deleted
        AND (reason IS NOT NULL OR waiting AND NOT running)
"""
ITEM = f"""
    SELECT {ITEM_COLUMNS} FROM items WHERE job = :job AND state = 'waiting'
        AND n NOT IN (SELECT value FROM json_each(:avoided))
"""
# Somebody waits for a photo that is restored once more; it has options of its own.
TO_REDO = f"{ITEM} AND options IS NOT NULL AND attempt AND NOT crashes ORDER BY n LIMIT 1"
NEXT_ITEM = f"""{ITEM}
        AND (NOT :has_company OR NOT crashes OR NOT EXISTS (
            SELECT 1 FROM crashes WHERE crashes.job = items.job AND crashes.n = items.n
                AND worker = :id AND number >= {MOST_ON_ONE}))
    ORDER BY crashes, n LIMIT 1
"""
RUNNING_CLAIMS = """
    SELECT remote_claims.* FROM remote_claims CROSS JOIN items USING (job, n, attempt)
    CROSS JOIN jobs ON jobs.id = remote_claims.job
    WHERE items.state = 'running' AND NOT jobs.deleted
"""


@dataclass(frozen=True)
class Machine:
    """Who claims an item. id: a worker's, or HERE.

    kind: machines of one kind give the same bytes. takes_photos: whether it may have photo
    jobs too. same_bytes: whether an album stays with the kind that it began with.
    has_company: whether another machine could try what this one cannot. avoid: items (job and
    number) that it has just failed with.
    """

    id: str
    name: str
    kind: str
    takes_photos: bool = True
    same_bytes: bool = False
    has_company: bool = False
    avoid: frozenset[tuple[str, int]] = frozenset()


THE_ONLY_ONE = Machine(HERE, "", "")  # where there are no others


def next_item(change: Change, machine: Machine) -> tuple[dict, sqlite3.Row] | None:
    """The row of a job and that of its item that this machine gets next."""
    values = {name: value for name, value in vars(machine).items() if name != "avoid"}
    for found in change.sql.execute(NEXT_JOBS, values):
        avoided = [n for job_id, n in machine.avoid if job_id == found["id"]]
        in_job = values | {"job": found["id"], "avoided": json.dumps(avoided)}
        for query in (TO_REDO, NEXT_ITEM):
            if (item := change.sql.execute(query, in_job).fetchone()) is not None:
                return change.job_row(found["id"]), item
    return None


def tell_missing_kind(change: Change, job_id: str) -> None:
    """Say what an album waits for."""
    names, kinds = (
        ", ".join(row[0] for row in change.sql.execute(query, (job_id,)))
        for query in (
            "SELECT DISTINCT machine FROM shares WHERE job = ? ORDER BY machine",
            "SELECT DISTINCT kind FROM shares WHERE job = ? ORDER BY kind",
        )
    )
    change.job(
        job_id,
        reason=(
            f"All of this album is restored by machines of one kind (--same-bytes), and none of "
            f"that kind, {kinds}, is at work ({names} began it): start one of them, or start the "
            "server without --same-bytes, and others go on with it."
        ),
    )


def record_claim(
    change: Change, claim_id: str, job_id: str, n: int, attempt: int, machine: Machine
) -> None:
    """Keep who holds an item: it is adopted by the next process, should this one die.

    The first machine of an album gives it its kind.
    """
    if machine.id != HERE:
        change.sql.execute(
            "INSERT OR REPLACE INTO remote_claims (id, job, n, attempt, worker) "
            "VALUES (?, ?, ?, ?, ?)",
            (claim_id, job_id, n, attempt, machine.id),
        )
    add_share(change, job_id, machine.name, machine.kind, 0)


def end_claim(change: Change, claim_id: str, job_id: str, n: int) -> None:
    """The item is in nobody's hands any more."""
    delete = "DELETE FROM remote_claims WHERE job = ? AND n = ? AND id = ?"
    change.sql.execute(delete, (job_id, n, claim_id))


def add_share(change: Change, job_id: str, machine: str, kind: str, photos: int) -> None:
    """A machine has restored so many more photos of a job."""
    change.sql.execute(
        "INSERT INTO shares (job, machine, kind, photos) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET photos = photos + excluded.photos",
        (job_id, machine, kind, photos),
    )


def add_crash(change: Change, job_id: str, n: int, machine: Machine) -> int:
    """A machine's process died with this item; on how many machines that happened by now."""
    change.sql.execute(
        "INSERT INTO crashes (job, n, worker, number) VALUES (?, ?, ?, 1) "
        "ON CONFLICT DO UPDATE SET number = number + 1",
        (job_id, n, machine.id),
    )
    query = "SELECT count(*) FROM crashes WHERE job = ? AND n = ?"
    return change.sql.execute(query, (job_id, n)).fetchone()[0]


def take_back_crashes(change: Change, worker: str) -> None:
    """Items that wait are not blamed for this machine's crashes: the machine is."""
    query = (
        "SELECT job, n, number FROM crashes JOIN items USING (job, n) "
        "WHERE worker = ? AND state = 'waiting'"
    )
    for job_id, n, number in change.sql.execute(query, (worker,)).fetchall():
        fewer = "UPDATE items SET crashes = max(0, crashes - ?) WHERE job = ? AND n = ?"
        change.sql.execute(fewer, (number, job_id, n))
    change.sql.execute("DELETE FROM crashes WHERE worker = ?", (worker,))


def forget_crashes(change: Change, job_id: str) -> None:
    """The failed items of a job are tried anew, by whichever machine."""
    change.sql.execute("DELETE FROM crashes WHERE job = ?", (job_id,))


def forget_job(connection: sqlite3.Connection, job_id: str) -> None:
    """Nothing is known of a job's machines any more."""
    for table in ("remote_claims", "crashes", "shares"):
        connection.execute(f"DELETE FROM {table} WHERE job = ?", (job_id,))
