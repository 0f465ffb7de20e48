"""What the rest of the program sees of a job: plain records, states and errors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from gpen_webui.errors import UserError
from gpen_webui.states import ENDED_JOBS

KINDS = ("photo", "album")  # a photo job has somebody waiting for it and goes first


class UnknownJobError(UserError):
    """No such job or item (HTTP 404)."""


class JobConflictError(UserError):
    """What was asked makes no sense in the job's state (HTTP 409)."""


class StoreError(UserError):
    """The job store cannot be read or written: full, read-only, locked, removed (HTTP 503)."""


class OutputsInUseError(UserError):
    """Another server works in the same outputs folder."""


@dataclass(frozen=True)
class Item:
    """One photo of a job.

    n: its number in the job, from 0. key: the client's own name for the upload, if it gave
    one. name: as the user called it, with the tree; it may hold anything, so escape it.
    stage: the last one entered. attempt: how often it was begun. size: of the original,
    bytes. seconds: all stages together. result: relative to the job's folder.
    error: None or {"stage", "message"}. report: as it stands in report.json, or None. options:
    its own, without a mask: before the start those alone that were chosen for it, from then on
    all; None where it has the job's.
    """

    n: int
    key: str | None
    name: str
    state: str
    stage: str | None
    attempt: int
    size: int
    sha256: str
    faces: int | None
    seconds: float | None
    result: str | None
    error: dict | None
    warnings: list[str]
    report: dict | None = None
    options: dict | None = None

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """One album or single photo.

    reason: why it is paused, in words, where it paused itself, or what it waits for. folder:
    where the results are; None until it is started. seq: its last event. counts: total and every
    item state. bytes: what deleting it frees. covers: the numbers of the items to show for it.
    created, started, finished: seconds since 1970.
    """

    id: str
    kind: str
    name: str
    state: str
    reason: str | None
    options: dict
    folder: Path | None
    created: float
    started: float | None
    finished: float | None
    seq: int
    eta_seconds: int | None
    parent: str | None
    counts: dict[str, int]
    bytes: int
    covers: list[int] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether nothing more happens unless the user asks."""
        return self.state in ENDED_JOBS

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self) | {"folder": str(self.folder) if self.folder else None}


@dataclass(frozen=True)
class Version:
    """One of several results of the same photo.

    job: in which it was made. state: done or no_face. options: how. model: with which; None where
    that is not known. turn: by how many degrees it is turned clockwise against the photo. created:
    seconds since 1970.
    """

    job: str
    state: str
    options: dict
    model: str | None
    turn: int
    created: float

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)
