"""Which file a photo in a results folder's record was restored from, so that another of the same
name is not taken for it."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path


def origin_of(source: Path) -> dict:
    """What is recorded of a photo's file: its place, and its size in bytes (None: unknown)."""
    return {"path": os.path.realpath(source), "size": _size(source)}


def is_another(origin: object, source: Path) -> bool:
    """Whether a file is another photo than the one that was recorded, as far as can be known.

    origin: as `origin_of` gave it; records of earlier versions have none, and tell of no other. A
    photo that was moved is the same, and so is an equal copy of one that is still in its place.
    """
    match origin:
        case {"path": str(path), "size": int(size)}:
            pass
        case _:
            return False
    found = origin_of(source)
    if found["path"] == path or found["size"] is None:
        return False
    if found["size"] != size:
        return True
    earlier = Path(path)
    try:
        return earlier.is_file() and not filecmp.cmp(earlier, source, shallow=False)
    except (OSError, ValueError):
        return False


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None
