"""The machines that help this one: who they are, and whether they are trusted with photos.

A machine joins with the key and gets a token of its own. It is given photos once it has restored
the probe photo. One that fails with several different photos in a row, for reasons that are not
theirs, is set aside until it has restored the probe photo again: bad machines must not spoil an
album, and photos must not be blamed for them.

`_lock` guards the members; nothing else is taken while it is held.
"""

from __future__ import annotations

import logging
import math
import secrets
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from gpen_webui.errors import UserError
from gpen_webui.folders import COMMAND
from gpen_webui.jobs.runner.foreman import Foreman
from gpen_webui.jobs.runner.remote_claims import RemoteClaim, RemoteClaims
from gpen_webui.jobs.runner.task import Task
from gpen_webui.jobs.store.claims import Claim
from gpen_webui.jobs.store.machines import HERE, Machine
from gpen_webui.jobs.store.workers import WorkerRow, WorkerRows, WorkerState, hash_of
from gpen_webui.settings import Settings

log = logging.getLogger(__name__)

MOST_FAILURES = 5  # different photos in a row, then a machine is set aside
AVOID_SECONDS = 60.0  # in which a machine is not given a photo that it has just failed with
NAME_LENGTH = 60
LOADING_SECONDS = 60.0  # in which this machine measures its kind, once it has a photo
SILENT_LEASES = 1.5  # of silence, then a machine counts as gone


class NotJoinedError(UserError):
    """A token is not that of a machine that has joined."""


class WrongKeyError(UserError):
    """A machine cannot join with this key."""

    def __init__(self) -> None:
        super().__init__(
            "This key lets nobody join; take that which the coordinator printed when it was "
            f"first started, or make another there: {COMMAND} workers new-key."
        )


class UnknownMachineError(UserError):
    """No machine of this id or name."""


@dataclass(eq=False)
class Member:
    """A machine that has joined. heard: time.monotonic, of its last word; None: not since the
    start. slots, engine, trouble: as it last told. failures: the photos that it failed with
    since it last restored one, and when (time.monotonic)."""

    row: WorkerRow
    heard: float | None = None
    slots: int = 0
    engine: str = ""
    trouble: str = ""
    failures: dict[tuple[str, int], float] = field(default_factory=dict)


class OtherMachines:
    """All machines that have joined. Thread-safe.

    claims: what they have in their hands. new_key: the join key, where it was made just now: it
    is not kept in words.
    """

    def __init__(
        self, settings: Settings, foreman: Foreman, claims: RemoteClaims, rows: WorkerRows
    ):
        self.claims = claims
        self.new_key: str | None = None
        self._foreman = foreman
        self._rows = rows
        self._lock = Lock()
        self._began = time.monotonic()
        self._members = {row.id: Member(row, slots=_slots(row)) for row in rows.all()}
        foreman.here = Machine(HERE, socket.gethostname(), "", same_bytes=settings.same_bytes)
        self._prepare_key(settings.cluster_key)

    def adopt(self, adopted: Iterable[tuple[str, Claim]]) -> None:
        """Leave what machines had in their hands when the last process ended where it is."""
        known = []
        for worker, claim in adopted:
            member = self._members.get(worker)
            name, kind = (member.row.name, member.row.kind) if member else ("", "")
            known.append((claim, Machine(worker, name, kind)))
        if self.here.same_bytes:
            self.claims.start(known, self._tell_missing_kinds)
        else:
            self.claims.start(known)

    def close(self) -> None:
        """Nothing more is given out; what is in other hands stays there."""
        self.claims.close()

    @property
    def here(self) -> Machine:
        """This machine."""
        assert self._foreman.here is not None
        return self._foreman.here

    @property
    def changes(self) -> int:
        """How often there may have been something new to do."""
        return self._foreman.changes

    def notify(self) -> None:
        """Whoever waits for a change looks again."""
        self._foreman.notify_workers()

    def wait_for_change(self, seen: int, patience: float) -> None:
        """Wait until `changes` is not what was seen any more, at most `patience` seconds."""
        self._foreman.wait_for_change(seen, patience)

    def set_kind(self, kind: str, member: Member | None = None) -> None:
        """Of a machine, or of this one: known once its model is loaded."""
        if member is not None:
            self._change(member, kind=kind)
            return
        self._foreman.here = replace(self.here, kind=kind)

    # Joining

    def is_join_key(self, key: str) -> bool:
        """Whether machines may join with this key."""
        return self._rows.is_join_key(key)

    def _prepare_key(self, given: str | None) -> None:
        if given is not None:
            if not self._rows.is_join_key(given):
                self._rows.replace_join_key(given)
        elif not self._rows.has_join_key():
            self.new_key = self.make_key()

    def make_key(self) -> str:
        """A new join key; with earlier ones nobody can join any more. Raises StoreError."""
        key = secrets.token_urlsafe(18)
        self._rows.replace_join_key(key)
        return key

    def join(self, key: str, machine: str, name: str, kind: str, about: dict) -> tuple[Member, str]:
        """Let a machine in: it, and its new token. One that has joined before keeps its place.

        machine: the random name that its folder keeps. Raises WrongKeyError, StoreError.
        """
        if not self._rows.is_join_key(key):
            raise WrongKeyError
        token = secrets.token_urlsafe(24)
        with self._lock:
            found = [each for each in self._members.values() if each.row.machine == machine]
            member = found[0] if found else None
            name = member.row.name if member else self._free_name(name)
            row = WorkerRow(
                id=member.row.id if member else secrets.token_hex(8),
                machine=machine,
                name=name,
                token_hash=hash_of(token),
                kind=kind,
                drained=member.row.drained if member else False,
                about=about,
            )
            self._rows.save(row)
            member = self._members[row.id] = Member(row, time.monotonic(), _slots(row))
        # It has begun anew, so whatever it held is lost.
        self.claims.release_all(row.id, f"{name} was started again")
        log.info("the machine %s has joined (%s)", name, kind)
        return member, token

    def _free_name(self, wanted: str) -> str:
        plain = "".join(letter for letter in wanted if letter.isprintable()).strip()
        plain = plain.replace("/", "-")  # it is a part of addresses
        plain = plain[:NAME_LENGTH] or "worker"
        taken = {member.row.name for member in self._members.values()} | {self.here.name}
        names = (plain, *(f"{plain}-{number}" for number in range(2, len(taken) + 3)))
        return next(name for name in names if name not in taken)

    def member_of(self, token: str) -> Member:
        """Whose token this is. Raises NotJoinedError."""
        wanted = hash_of(token)
        with self._lock:
            for member in self._members.values():
                if member.row.token_hash == wanted:
                    member.heard = time.monotonic()
                    return member
        raise NotJoinedError(
            "The coordinator does not know this worker (any more); join again with the key."
        )

    # What a machine may have

    def machine(self, member: Member, takes_photos: bool, works_here: bool) -> Machine:
        """A machine as one that claims. takes_photos: also those for which somebody waits.
        works_here: whether this machine restores photos too."""
        row = member.row
        others = (other for other in self.all() if other is not member)
        return Machine(
            row.id,
            row.name,
            row.kind,
            takes_photos,
            self.here.same_bytes,
            has_company=works_here or any(map(self.is_available, others)),
            avoid=self._avoided(member),
        )

    def _avoided(self, member: Member) -> frozenset[tuple[str, int]]:
        now = time.monotonic()
        with self._lock:
            return frozenset(
                photo for photo, then in member.failures.items() if then > now - AVOID_SECONDS
            )

    def is_here(self, member: Member) -> bool:
        """Whether a machine was heard of lately."""
        patience = SILENT_LEASES * self.claims.lease_seconds
        return member.heard is not None and time.monotonic() - member.heard < patience

    def is_available(self, member: Member) -> bool:
        """Whether a machine may be given photos."""
        row = member.row
        return self.is_here(member) and row.state == WorkerState.READY and not row.drained

    def all(self) -> list[Member]:
        """All that have joined, by name."""
        with self._lock:
            return sorted(self._members.values(), key=lambda member: member.row.name.casefold())

    def in_progress(self, machine: str) -> list[Task]:
        """The photos in a machine's hands, by its id or HERE."""
        return self._foreman.in_progress(machine)

    def figures_of(self, machine: str) -> dict[str, float]:
        """What a machine has done; see MachineFigures.of."""
        return self._foreman.figures.of(machine)

    def _tell_missing_kinds(self) -> None:
        kinds = {member.row.kind for member in self.all() if self.is_available(member)}
        if not self.here.kind and time.monotonic() < self._began + LOADING_SECONDS:
            return  # this machine may be of the kind that is missing
        self._foreman.tell_missing_kinds(kinds | {self.here.kind})

    # What becomes of its photos

    def restored(self, member: Member) -> None:
        """It has restored a photo, or found out that one cannot be."""
        with self._lock:
            member.failures.clear()

    def failed(
        self, member: Member, claim: RemoteClaim, reason: str, is_crash: bool = False
    ) -> None:
        """It could not restore a photo, for a reason that need not be the photo's.

        is_crash: a process died with it; the photo's crashes say who tries it next.
        """
        photo = claim.task.claim.job_id, claim.task.claim.n
        with self._lock:
            member.failures[photo] = -math.inf if is_crash else time.monotonic()
            is_bad = len(member.failures) >= MOST_FAILURES
        if is_bad and member.row.state == WorkerState.READY:
            self._set_aside(member, reason)

    def _set_aside(self, member: Member, reason: str) -> None:
        words = (
            f"{MOST_FAILURES} different photos in a row could not be restored there, so it is "
            "given none until it has restored the probe photo."
        )
        log.warning("the machine %s is set aside: %s", member.row.name, reason)
        self._change(member, state=WorkerState.SET_ASIDE, reason=f"{words} {reason}")
        self.claims.release_all(member.row.id, f"{member.row.name} was set aside")
        self._foreman.forgive(member.row.id)

    def passed(self, member: Member) -> None:
        """It has restored the probe photo: it may have others."""
        self.restored(member)
        self._change(member, state=WorkerState.READY, reason=None)
        log.info("the machine %s is ready", member.row.name)

    # What users ask

    def find(self, id_or_name: str) -> Member:
        """Raises UnknownMachineError."""
        with self._lock:
            for member in self._members.values():
                if id_or_name in (member.row.id, member.row.name):
                    return member
        raise UnknownMachineError(f"No machine called “{id_or_name}” has joined.")

    def drain(self, member: Member, is_drained: bool = True) -> None:
        """Let it end what it has in progress and begin nothing more, or give it photos again."""
        self._change(member, drained=is_drained)

    def try_again(self, member: Member) -> None:
        """Let it restore the probe photo before anything else, and then go on."""
        self._change(member, state=WorkerState.NEW, drained=False, reason=None)

    def forget(self, member: Member) -> None:
        """Its token is good for nothing any more, and what it holds waits again."""
        with self._lock:
            self._rows.remove(member.row.id)
            self._members.pop(member.row.id, None)
        self.claims.release_all(member.row.id, f"{member.row.name} was forgotten")
        log.info("the machine %s was forgotten", member.row.name)

    def leave(self, member: Member) -> None:
        """It stops working, and says so; it may come back."""
        self.claims.release_all(member.row.id, f"{member.row.name} has left")
        member.heard = None

    def _change(self, member: Member, **values: Any) -> None:
        """Raises StoreError."""
        with self._lock:
            if member.row.id not in self._members:
                raise UnknownMachineError(f"{member.row.name} was forgotten meanwhile.")
            row = replace(member.row, **values)
            self._rows.save(row)
            member.row = row
        self.notify()


def _slots(row: WorkerRow) -> int:
    slots = row.about.get("slots")
    return slots if isinstance(slots, int) else 1
