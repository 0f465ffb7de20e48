"""The job store: collect photos, look at jobs.

An upload is complete and flushed before the store knows it, and lies in its place before
any worker can see it. Between the two it waits aside: so what lies in its place is known,
and what is not known there was lost by the store, not left half done by a client.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpen_webui.jobs.records import Item, Job, JobConflictError, StoreError
from gpen_webui.jobs.store.files import fingerprint
from gpen_webui.jobs.store.lookup import Lookup
from gpen_webui.jobs.store.transactions import Change, item_row
from gpen_webui.options import RestoreOptions
from gpen_webui.states import JobState

MAX_NAME = 1000  # characters
BATCH = 500  # photos that one transaction takes
READERS = 16  # files read and flushed at once: a disk flushes many as fast as one


@dataclass(frozen=True)
class NewPhoto:
    """A photo to be added. path: a complete upload, or an original that stays where it is.

    name: as the user calls it. key: the client's own name for this photo in its job. crashes:
    how often a process has died while it was restored. options: those by name that it has of its
    own; in all others it follows the job.
    """

    path: Path
    name: str
    key: str | None = None
    crashes: int = 0
    options: dict[str, Any] = field(default_factory=dict)


class Store(Lookup):
    """Jobs, items and events of one outputs folder. Thread-safe.

    Everything raises UnknownJobError for jobs and items that do not exist, and StoreError
    where the store cannot be read or written. What happens to a job once it is collected is
    in commands.py (what users ask for) and claims.py (what workers report).
    """

    def create_job(
        self,
        kind: str,
        name: str,
        options: RestoreOptions,
        key: str | None = None,
        folder: str | None = None,
    ) -> Job:
        """A new job without photos, or the job that was made earlier with the same key.

        kind: photo or album. name: for people, and for the results folder. folder: that one
        instead, relative to the outputs folder.
        """
        with self._database.changing() as change:
            job_id = job_of_key(change.sql, key)
            if job_id is None:
                job_id = insert_job(change, kind, name, options, key=key)
                change.set_job(job_id, folder=folder)
        return self.job(job_id)

    def incoming(self) -> Path:
        """A path to stream an upload to, on the file system where it will stay."""
        return self._files.new_incoming()

    def add_item(
        self,
        job_id: str,
        name: str,
        upload: Path,
        key: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Item:
        """Move one complete upload into a job; see `add_items` and `NewPhoto`."""
        [n] = self.add_items(job_id, [NewPhoto(upload, name, key, options=dict(options or {}))])
        return self.item(job_id, n)

    def add_items(self, job_id: str, uploads: Sequence[NewPhoto]) -> list[int]:
        """Move complete uploads into a job that is being collected; their numbers.

        An upload that is sent again with the same key is dropped, and its number is that of
        the item made first: so a client whose connection broke may send everything again.
        JobConflictError once the job is started. The uploads are gone from their places
        afterwards, whatever happens. Many are taken in batches; where one fails, those before
        it are kept.
        """
        try:
            numbers = [n for batch in _batches(uploads) for n in self._add_uploads(job_id, batch)]
            self._files.flush_uploads(job_id)
            return numbers
        finally:
            for upload in uploads:
                upload.path.unlink(missing_ok=True)

    def keep_sidecars(self, job_id: str, n: int, uploads: Sequence[tuple[Path, bool]]) -> None:
        """Keep XMP files with our copy of a photo; each with whether it has its whole name.

        A file may be kept with several photos. Raises StoreError where it cannot be kept.
        """
        if not uploads:
            return
        original = self.original(job_id, n)
        assert isinstance(original, Path), "it was uploaded"
        try:
            for upload, has_full_name in uploads:
                self._files.keep_sidecar(original, upload, has_full_name)
        except OSError as error:
            words = f"An XMP file cannot be kept ({error.strerror or error}); make room."
            raise StoreError(words) from error

    def add_originals(self, job_id: str, photos: Sequence[NewPhoto]) -> list[int]:
        """Add photos that stay where they are; in the rest as `add_items`.

        They are not read until they are restored, so one that cannot be read fails alone and
        an album on a slow disk is added at once. Where the store was opened with a limit for
        originals, their paths must be without links.
        """
        numbers = []
        for batch in _batches(photos):
            rows = [_row(photo, _size(photo.path), "", owned=False) for photo in batch]
            with self._database.changing() as change:
                found, new = _number(change, job_id, rows)
                for row in new:
                    path = str(row.pop("path").absolute())
                    row["source"] = path if can_be_stored(path) else os.fsencode(path)
                change.add_items(job_id, new)
            numbers += found
        return numbers

    def remove_item(self, job_id: str, n: int) -> None:
        """Take a photo out of a job that is being collected; its number stays free until the start.

        Our copy of it goes too. Raises JobConflictError once the job is started.
        """
        with self._database.changing() as change:
            job, item = change.job_row(job_id), item_row(change.sql, job_id, n)
            if job["state"] != JobState.COLLECTING:
                raise JobConflictError(
                    f"“{job['name']}” has been started, so no photo can be taken out of it."
                )
            change.remove_waiting_item(job_id, item)
            if item["owned"]:
                source = item["source"]
                change.after_commit.append(lambda: self._files.remove_originals([source]))

    def set_own_options(self, job_id: str, n: int, options: Mapping[str, Any]) -> None:
        """The options by name that one photo shall have of its own, instead of those before.

        In all others it follows the job; without any it does so in all. Raises JobConflictError
        once the job is started.
        """
        with self._database.changing() as change:
            job, item = change.job_row(job_id), item_row(change.sql, job_id, n)
            if job["state"] != JobState.COLLECTING:
                raise JobConflictError(
                    f"“{job['name']}” has been started; restore {item['name']} again to change "
                    "its settings."
                )
            change.set_item(job_id, n, options=_own(options))

    def describe(
        self, job_id: str, name: str | None = None, options: RestoreOptions | None = None
    ) -> None:
        """Another name or other options for a job; nothing changes once it is started."""
        values = {}
        if name:
            values["name"] = clean_name(name)
        if options:
            values["options"] = json.dumps(options.as_dict())
        with self._database.changing() as change:
            if change.job_row(job_id)["state"] == JobState.COLLECTING:
                change.set_job(job_id, **values)

    def _add_uploads(self, job_id: str, uploads: Sequence[NewPhoto]) -> list[int]:
        rows = _upload_rows(uploads)
        prepared: list[str] = []
        try:
            with self._database.changing() as change:
                numbers, new = _number(change, job_id, rows)
                for row in new:
                    row["source"] = self._files.new_source(job_id, row["n"])
                    prepared.append(row["source"])
                    self._prepare(row.pop("path"), row["source"])
                change.add_items(job_id, new)
                about = describe_job(change.job_row(job_id))
                change.after_commit.append(lambda: self._files.adopt(job_id, about, new))
                change.after_commit.append(prepared.clear)
        finally:
            self._files.drop_prepared(prepared)
        return numbers

    def _prepare(self, upload: Path, source: str) -> None:
        try:
            self._files.prepare(upload, source)
        except OSError as error:
            raise StoreError(
                f"The photo cannot be kept in {self._files.outputs} ({error.strerror}); "
                "make room or check the folder's permissions."
            ) from error


def describe_job(row: dict) -> dict:
    """What is noted about a job beside its uploads."""
    return {"kind": row["kind"], "name": row["name"], "options": json.loads(row["options"])}


def _batches(photos: Sequence[NewPhoto]) -> list[Sequence[NewPhoto]]:
    return [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]


def _upload_rows(photos: Sequence[NewPhoto]) -> list[dict]:
    """Rows of uploads that have no number and no source yet, with their paths."""
    if len(photos) == 1:  # not worth a thread
        prints = [_fingerprint(photos[0].path)]
    else:
        with ThreadPoolExecutor(READERS) as readers:
            prints = list(readers.map(_fingerprint, [photo.path for photo in photos]))
    return [
        _row(photo, size, sha256, owned=True)
        for photo, (size, sha256) in zip(photos, prints, strict=True)
    ]


def _row(photo: NewPhoto, size: int, sha256: str, owned: bool) -> dict:
    return {
        "n": None,
        "name": clean_name(photo.name),
        "key": photo.key,
        "source": None,
        "owned": owned,
        "size": size,
        "sha256": sha256,
        "crashes": photo.crashes,
        "options": _own(photo.options),
        "path": photo.path,
    }


def _own(options: Mapping[str, Any]) -> str | None:
    return json.dumps(dict(options)) if options else None


def _size(path: Path) -> int:
    """Bytes; 0 where it cannot be told."""
    try:
        return path.stat(follow_symlinks=False).st_size
    except (OSError, ValueError):
        return 0


def _fingerprint(path: Path) -> tuple[int, str]:
    try:
        return fingerprint(path)
    except OSError as error:
        raise StoreError(f"{path.name} cannot be read ({error.strerror}).") from error


def _number(change: Change, job_id: str, rows: list[dict]) -> tuple[list[int], list[dict]]:
    """The number of every row, and those that are new, numbered.

    Raises JobConflictError where there are new ones, but the job is started.
    """
    job, next_number = change.job_row(job_id), change.next_number(job_id)
    numbers: list[int] = []
    new: list[dict] = []
    by_key: dict[str | None, int] = {}
    for row in rows:
        key = row["key"]
        n = None if key is None else by_key.get(key, _item_of_key(change.sql, job_id, key))
        if n is None:
            n = row["n"] = next_number + len(new)
            new.append(row)
        by_key[key] = n
        numbers.append(n)
    if new and job["state"] != JobState.COLLECTING:
        raise JobConflictError(
            f"“{job['name']}” has been started and takes no further photos; "
            "make a new album for them."
        )
    return numbers, new


def _item_of_key(connection: sqlite3.Connection, job_id: str, key: str) -> int | None:
    query = "SELECT n FROM items WHERE job = ? AND key = ?"
    row = connection.execute(query, (job_id, key)).fetchone()
    return None if row is None else row["n"]


def new_job_id() -> str:
    """An id that cannot be guessed."""
    return secrets.token_hex(8)


def insert_job(
    change: Change,
    kind: str,
    name: str,
    options: RestoreOptions,
    key: str | None = None,
    parent: str | None = None,
    job_id: str | None = None,
) -> str:
    """Add a job that is being collected; its id, which is a new one unless it is given."""
    job_id = job_id or new_job_id()
    values = (
        job_id,
        key,
        kind,
        clean_name(name),
        json.dumps(options.as_dict()),
        time.time(),
        parent,
    )
    change.sql.execute(
        "INSERT INTO jobs (id, key, kind, name, state, options, created, parent) "
        "VALUES (?, ?, ?, ?, 'collecting', ?, ?, ?)",
        values,
    )
    change.job(job_id)
    return job_id


def job_of_key(connection: sqlite3.Connection, key: str | None) -> str | None:
    """The job that was made with this idempotency key."""
    row = connection.execute("SELECT id FROM jobs WHERE key = ?", (key,)).fetchone()
    return None if row is None else row["id"]


def can_be_stored(text: str) -> bool:
    """False for halves of characters, which JSON can spell, and for bytes in files' names."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean_name(name: str) -> str:
    """A name for people as it was given, without what cannot be stored as text."""
    text = name.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    return text[:MAX_NAME] or "photo"
