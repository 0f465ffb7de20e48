"""What coordinator and workers say to each other: JSON over HTTP, version 1.

All addresses begin with PREFIX. All but `join` need the header `Authorization: Bearer TOKEN`.
An error is answered as {"error": {"code", "message"}}: 401 where the token is not good (any
more), 404 where the file is not there, 409 where a claim is not valid any more or the worker
may not claim, 422 where a file is not what it was said to be, 503 and 507 where it must be
tried again later. Whoever gets no answer may send the same again: nothing is done twice.

Times are durations in seconds, measured by the monotonic clock of whoever tells them: no two
machines' clocks are ever compared.

    POST join                   JoinRequest   -> 201 JoinAnswer, 403, 409 another version
    POST claim                  ClaimRequest  -> 200 ClaimedPhoto | 204 nothing to do | 409
    POST probe                  {}            -> 200 ClaimedPhoto of the probe photo
    GET  claims/ID/original                   -> the file; ETag is its SHA-256; Range
    GET  models/SHA256                        -> the file of weights; Range
    PUT  claims/ID/result       the result's bytes, with HASH_HEADER -> 200, 409, 422, 507
    POST claims/ID/finish       Finish        -> 200 FinishAnswer, 409, 422, 507
    POST claims/ID/fail         Failure       -> 200 {}, 409
    POST beat                   Beat          -> 200 BeatAnswer
    POST leave                  {}            -> 200 {}; its claims wait again
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

PROTOCOL = 1
PREFIX = "/cluster/v1"
HASH_HEADER = "X-Content-SHA256"  # of the body, hexadecimal
SHA256 = re.compile(r"[0-9a-f]{64}")
CLAIM = re.compile(r"[0-9a-z]{16,64}")  # a claim's name, also of a file

ASK_SECONDS = 15.0  # a worker that hears nothing asks by itself, a little earlier or later


class Reason(StrEnum):
    """Why a worker did not restore a photo."""

    PHOTO = "photo"  # it cannot be restored: the photo fails, with words
    MACHINE = "machine"  # this machine cannot: another tries, nobody is blamed
    CRASHED = "crashed"  # the process died, or had to be killed, with it: counts
    GIVEN_UP = "given-up"  # the worker drains or leaves, or was told to drop it


@dataclass(frozen=True)
class JoinRequest:
    """A machine wants to work. key: the join key. machine: a random name that the worker's folder
    keeps. version: of this program. kind: of machine (kinds.py); machines of one kind give the
    same bytes. slots: photos at once. device: as the engine calls it. engine: one sentence."""

    key: str
    name: str
    machine: str
    version: str
    protocol: int
    kind: str
    slots: int
    device: str
    engine: str
    precision: str


@dataclass(frozen=True)
class JoinAnswer:
    """name: as the coordinator calls it; another where the wanted one was taken. beat_seconds:
    between beats. lease_seconds: a claim that no beat has named for so long is given to another.
    broker: where tickets come from; None: there are none. queue: in which they come."""

    worker: str
    name: str
    token: str
    beat_seconds: float
    lease_seconds: float
    broker: str | None
    queue: str


@dataclass(frozen=True)
class ClaimRequest:
    """request: a random name of this request; sent again with it, the answer is the same."""

    request: str
    version: str
    kind: str
    precision: str


@dataclass(frozen=True)
class OriginalFile:
    """sha256: empty where nobody has read the file yet. name: with a suffix, for messages."""

    sha256: str
    size: int
    name: str


@dataclass(frozen=True)
class ModelFile:
    """A file of weights. file: its name in a models folder. task: as in PublishedModel."""

    name: str
    sha256: str
    size: int
    file: str
    task: str = "restore"


@dataclass(frozen=True)
class ClaimedPhoto:
    """A photo in a worker's hands, until it is finished, has failed or is dropped.

    item: its number in the job. options: RestoreOptions as JSON, a mask included.
    crashed_before: a process died with it, so nothing else may be in that process meanwhile.
    model, small_model: as pipeline.open_restorer finds them; small_model restores small faces.
    max_photo_seconds: 0 for no limit. further_models: those that the options ask for besides, to
    enlarge photos or to tell the parts of faces.
    """

    claim: str
    job: str
    item: int
    attempt: int
    name: str
    options: dict
    crashed_before: bool
    model: ModelFile
    small_model: ModelFile | None
    original: OriginalFile
    max_photo_seconds: float
    further_models: list[ModelFile] = field(default_factory=list)


@dataclass(frozen=True)
class ClaimProgress:
    """stage: the last one entered; percent of it, where known."""

    claim: str
    stage: str
    percent: int | None = None


@dataclass(frozen=True)
class Beat:
    """The worker lives. claims: all that it holds, also those that are only being delivered; each
    lease is renewed. trouble: what keeps it from working, one sentence, or empty."""

    slots: int
    claims: list[ClaimProgress] = field(default_factory=list)
    kind: str = ""
    engine: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class BeatAnswer:
    """drop: claims that are no longer valid: stop them, deliver nothing. drain: begin nothing
    more, until an answer says otherwise. reload: run the probe photo before the next claim. wake:
    how many photos this worker could claim now; so albums go on without tickets too."""

    drop: list[str] = field(default_factory=list)
    drain: bool = False
    reload: bool = False
    wake: int = 0


@dataclass(frozen=True)
class Finish:
    """A photo is restored, or shows no face. report: ItemReport as JSON. sha256: of the result
    that was sent; None where the original is to be passed on as it is (report["unchanged"]).
    suffix: that the result needs, with its dot. before, after: small WebP pictures for the album's
    report (photo.small_picture), as base64; empty where there are none."""

    report: dict
    sha256: str | None
    suffix: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class FinishAnswer:
    """send: the result is not there (any more): send it, then finish again. Else it is recorded."""

    send: bool = False


@dataclass(frozen=True)
class Failure:
    """reason: a Reason. message: one sentence for the user; of a photo, why it failed. stage: in
    which."""

    reason: str
    message: str
    stage: str | None = None
