"""Rows from a damaged store: what cannot be true is replaced by what does no harm.

Each function gets a row as it was read and returns it as it may be inserted, or None where
nobody could tell what it belongs to.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import PurePosixPath

from gpen_webui.errors import UserError
from gpen_webui.jobs.records import KINDS
from gpen_webui.jobs.store.transactions import MAX_ITEMS
from gpen_webui.options import RestoreOptions
from gpen_webui.states import RESTORED_ITEMS, ItemState, JobState

JOB_ID = re.compile(r"[0-9a-f]{16}")
SHA256 = re.compile(r"[0-9a-f]{64}")
OWN_SOURCE = re.compile(r"uploads/[^/]+/[^/]+")
EVENT_TYPES = ("job", "item", "stage")
COUNTERS = ("total", *ItemState, "bytes")  # they are counted anew


def whole_job(row: dict) -> dict | None:
    """A job; it needs its id."""
    if not _matches(JOB_ID, row["id"]):
        return None
    folder = row["folder"]
    is_folder = _inside(folder) is not None and len(PurePosixPath(folder).parts) == 1
    found = {name: value for name, value in row.items() if name not in COUNTERS}
    deleted = -row["number"] if "total" in row else 1  # in the first version
    return found | {
        "number": _whole(row["number"], 1 << 60) or None,
        "key": _text(row["key"]),
        "kind": row["kind"] if row["kind"] in KINDS else "album",
        "name": _text(row["name"]) or "Album",
        "state": row["state"] if row["state"] in tuple(JobState) else JobState.PAUSED,
        "reason": _text(row["reason"]),
        "options": json.dumps(_options(row["options"]).as_dict()),
        "folder": folder if is_folder and folder not in (".", "..") else None,
        "created": _number(row["created"], time.time()),
        "started": _number(row["started"]),
        "finished": _number(row["finished"]),
        "seq": _whole(row["seq"], 1 << 31),
        "turn": _whole(row["turn"], 1 << 60),
        "pace": _number(row["pace"]),
        "parent": row["parent"] if _matches(JOB_ID, row["parent"]) else None,
        "report_due": int(row["report_due"] == 1),
        "deleted": row["deleted"] if row["deleted"] in (0, deleted) else 0,
    }


def whole_item(row: dict) -> dict | None:
    """An item; it needs its job and its number."""
    job, n = row["job"], row["n"]
    if not _matches(JOB_ID, job) or not isinstance(n, int) or not 0 <= n < MAX_ITEMS:
        return None
    owned = int(row["owned"] != 0 or str(row["source"]).startswith("uploads/"))
    if owned and not _matches(OWN_SOURCE, row["source"]):
        row["source"] = f"uploads/{job}/{n}"
    report = _json(row["report"], dict)
    state = row["state"]
    if state not in tuple(ItemState):
        state = (report or {}).get("state")
    is_known = state in tuple(ItemState) and state != ItemState.RUNNING
    if not is_known or _has_no_result(state, row["result"]):
        state = ItemState.WAITING
    found = row | {
        "key": _text(row["key"]),
        "name": _text(row["name"]) or f"photo {n + 1}",
        "state": state,
        "stage": None,
        "attempt": _whole(row["attempt"], 1 << 31),
        "crashes": _whole(row["crashes"], 1 << 31),
        "source": row["source"] if isinstance(row["source"], str | bytes) else "",
        "owned": owned,
        "size": _whole(row["size"], 1 << 50),
        "sha256": row["sha256"] if _matches(SHA256, row["sha256"]) else "",
        "planned": _inside(row["planned"]),
        "placed": int(row["placed"] == 1),
        "result": _inside(row["result"]),
        "result_size": _whole(row["result_size"], 1 << 50),
        "faces": row["faces"] if isinstance(row["faces"], int) else None,
        "seconds": _number(row["seconds"]),
        "error": _dumped(_json(row["error"], dict)),
        "warnings": _dumped(_json(row["warnings"], list)) or "[]",
        "report": _dumped(report),
    }
    if "options" in row:
        known = _json(row["options"], dict) or {}
        options = _options(row["options"]).as_dict()
        own = {name: options[name] for name in known if name in options}
        found["options"] = json.dumps(own) if own else None
    if "folded" in row:
        found["folded"] = found["planned"] and found["planned"].casefold()
    return found


def whole_event(row: dict) -> dict | None:
    """An event; a gap is filled by those who put the store together."""
    if "data" in row:  # of the first version
        event = _json(row["data"], dict)
        is_whole = event and event.get("seq") == row["seq"] and "counts" in event
        return row if is_whole else None
    numbers = _text(row["counts"]) or ""
    is_whole = row["type"] in EVENT_TYPES and re.fullmatch(r"\d+( \d+){5}", numbers)
    if row["detail"] is not None and _json(row["detail"], dict) is None:
        return None
    return row if is_whole else None


def _has_no_result(state: str, result: object) -> bool:
    return state in RESTORED_ITEMS and _inside(result) is None


def _inside(path: object) -> str | None:
    """A relative path that leads nowhere else."""
    if not isinstance(path, str) or not path or "\0" in path:
        return None
    parts = PurePosixPath(path).parts
    return None if ".." in parts or PurePosixPath(path).is_absolute() else path


def _options(text: object) -> RestoreOptions:
    try:
        return RestoreOptions.parse(_json(text, dict) or {})
    except UserError:
        return RestoreOptions()


def _json(text: object, kind: type):
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return value if isinstance(value, kind) else None


def _dumped(value: object) -> str | None:
    return None if value is None else json.dumps(value)


def _matches(pattern: re.Pattern, value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object, most: int) -> int:
    return value if isinstance(value, int) and 0 <= value <= most else 0


def _number(value: object, default: float | None = None) -> float | None:
    return float(value) if isinstance(value, int | float) else default
