"""What was accepted: the record of each installed file, and the guard that it stays what it was.

The record lies in the models folder, with a copy beside it. Where it is damaged the copy says what
was accepted; a file that the copy does not know, but that lay there, can no longer be told from one
that was put in its place, and is refused until somebody says that it is right.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gpen_webui.files.atomic import TEMPORARY, write_atomically
from gpen_webui.files.lock import lock_where_possible

RECORD, COPY, LOCK = ".records.json", ".records.copy.json", ".records.lock"
PATIENCE = 10.0  # seconds; a writer takes milliseconds
UNPROVED = "unproved"
REMEMBERED_FILES = 256

Known = TypeVar("Known")


@dataclass(frozen=True)
class Accepted:
    """A file that was accepted. mtime: in nanoseconds. crop: side of its crops in pixels;
    in its place acceptance.TASKS, of networks that restore no faces."""

    sha256: str
    bytes: int
    mtime: int
    crop: int


@dataclass
class Records:
    """accepted: by file name. unproved: files of which the record was lost. is_damaged: read from
    the copy, so that times prove nothing and every file is to be hashed."""

    accepted: dict[str, Accepted] = field(default_factory=dict)
    unproved: set[str] = field(default_factory=set)
    is_damaged: bool = False


class RecordFile:
    """The record of one models folder."""

    def __init__(self, models: Path):
        self._models = models

    @property
    def path(self) -> Path:
        """Where it lies, for the user."""
        return self._models / RECORD

    def read(self, present: list[str]) -> Records:
        """present: the weight files that lie in the folder, of which a damaged record may have
        known."""
        main, copy = (_read(self._models / name) for name in (RECORD, COPY))
        if main is not None and (main or not copy):
            return _parse(main)
        if not self.path.exists() and not (self._models / COPY).exists():
            return Records()
        records = _parse(copy or {})
        unproved = records.unproved | {name for name in present if name not in records.accepted}
        return Records(records.accepted, unproved, is_damaged=True)

    def write(self, key: str, accepted: Accepted, present: list[str]) -> None:
        """Put a file on record. A folder that cannot be written keeps none: its files are
        checked anew at each start."""
        with suppress(OSError), self._alone():
            records = self.read(present)
            records.accepted[key] = accepted
            records.unproved.discard(key)
            if records.is_damaged:  # times in the copy prove nothing: have the others hashed again
                others = {
                    name: Accepted(entry.sha256, entry.bytes, 0, entry.crop)
                    for name, entry in records.accepted.items()
                    if name != key
                }
                records.accepted |= others
            content = _format(records)
            write_atomically(self._models / RECORD, content)
            write_atomically(self._models / COPY, content)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time; what one that died has left is removed."""
        with lock_where_possible(self._models / LOCK, PATIENCE) as is_locked:
            if is_locked:
                for left in self._models.glob(f"{TEMPORARY}*.part"):
                    left.unlink(missing_ok=True)
            yield


def hash_file(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_hash(path: Path) -> str:
    """`hash_file`, remembered as long as nothing tells that the file has changed."""
    return remembered(path, hash_file)


def remembered(path: Path, read: Callable[[Path], Known]) -> Known:
    """`read(path)`, or what it gave before, as long as size, times and inode stay the same.

    Lists are asked for twice a second by every open page. Raises what `read` raises, and OSError.
    """
    status = path.stat()
    state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    key = (path, read)
    if (known := _memory.get(key)) and known[0] == state:
        return known[1]
    result = read(path)
    if len(_memory) >= REMEMBERED_FILES:
        _memory.clear()
    _memory[key] = (state, result)
    return result


_memory: dict[tuple[Path, Callable], tuple[tuple[int, ...], Any]] = {}


def _read(path: Path) -> dict | None:
    """The content of a record; None where there is none, or it is damaged."""
    try:
        content = json.loads(path.read_bytes())
        _parse(content)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    return content


def _parse(content: dict) -> Records:
    """Raises ValueError, TypeError or AttributeError for what is no record."""
    accepted, unproved = {}, set(content.get(UNPROVED, []))
    for name, entry in content.items():
        if name == UNPROVED:
            continue
        known = accepted[name] = Accepted(**entry)
        numbers = (known.bytes, known.mtime, known.crop)
        if not all(isinstance(number, int) for number in numbers):
            raise ValueError("a size is no number")
        if not re.fullmatch("[0-9a-f]{64}", known.sha256):
            raise ValueError("a hash is none")
    if not all(isinstance(name, str) for name in unproved):
        raise ValueError("a name is none")
    return Records(accepted, unproved)


def _format(records: Records) -> bytes:
    content: dict = {name: vars(entry) for name, entry in records.accepted.items()}
    if records.unproved:
        content[UNPROVED] = sorted(records.unproved)
    return json.dumps(content, indent=1).encode()
