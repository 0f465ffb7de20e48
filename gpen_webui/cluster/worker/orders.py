"""What a worker and its restoring process say to each other: one line of JSON each.

The worker orders at the process's stdin, one of

    {"load": Load}
    {"restore": Order}
    {"stop": CLAIM}          before its next stage

and the process answers at its stdout:

    {"loaded": {"engine", "kind"}} or {"not_loaded": sentence}
    {"claim", "stage", "percent"}          the stage is about to begin, or so far
    {"claim", "done": Finish}              the result is in its file, unless it is the original
    {"claim", "failed": Failure}
    {"claim", "stopped": true}
    {"log": level, "message": text}
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """Networks to restore with. model, small_model: weight files; the second for small faces, or
    None. further: the folder of those that only some photos need. The others are as in Settings."""

    model: str
    small_model: str | None
    further: str
    device: str
    precision: str
    workers: int


@dataclass(frozen=True)
class Order:
    """A photo to restore. photo: its file. options: RestoreOptions as JSON. result: where the
    restored file is written."""

    claim: str
    photo: str
    name: str
    options: dict
    result: str
