"""The claims in a worker's hands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from threading import Event, Lock
from typing import TypeVar

from gpen_webui.cluster.protocol import ClaimedPhoto, ClaimProgress
from gpen_webui.cluster.worker.child import Task
from gpen_webui.cluster.worker.client import AwayError
from gpen_webui.cluster.worker.pauses import growing_pauses
from gpen_webui.states import Stage

log = logging.getLogger(__name__)

Value = TypeVar("Value")


class Dropped(Exception):  # noqa: N818 - not an error
    """The coordinator wants no result of this claim any more, or the worker gives it up."""


class HeldClaim:
    """One photo, from its claim until the coordinator has what came of it.

    task: set while the photo is in the restoring process, and afterwards.
    """

    def __init__(self, claimed: ClaimedPhoto):
        self.claimed = claimed
        self.task: Task | None = None
        self._delivers = False
        self._dropped = Event()

    def drop(self) -> None:
        """Let whoever works on it stop."""
        self._dropped.set()

    def is_dropped(self) -> bool:
        """Whether nobody wants it any more."""
        return self._dropped.is_set()

    def deliver(self) -> None:
        """It is restored, or has failed; only the coordinator has to hear of it."""
        self._delivers = True

    def progress(self) -> ClaimProgress:
        """Where it is."""
        stage, percent = str(Stage.OPEN), None
        if self._delivers:
            stage = str(Stage.SAVE)
        elif self.task:
            stage, percent = self.task.stage, self.task.percent
        return ClaimProgress(self.claimed.claim, stage, percent)

    def until_answered(self, call: Callable[[], Value]) -> Value:
        """`call()`, again and again while the coordinator is away. Raises Dropped, RefusedError."""
        for pause in growing_pauses():
            if self.is_dropped():
                raise Dropped
            try:
                return call()
            except AwayError as error:
                log.info("%s: to be tried again: %s", self.claimed.name, error)
                self._dropped.wait(pause)
        raise AssertionError("unreachable")


class HeldClaims:
    """All of them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: dict[str, HeldClaim] = {}

    def __len__(self) -> int:
        return len(self._held)

    def add(self, held: HeldClaim) -> None:
        """From now on beats name it."""
        with self._lock:
            self._held[held.claimed.claim] = held

    def remove(self, held: HeldClaim) -> None:
        """The coordinator has what came of it."""
        with self._lock:
            self._held.pop(held.claimed.claim, None)

    def progress(self) -> list[ClaimProgress]:
        """Of each."""
        with self._lock:
            return [held.progress() for held in self._held.values()]

    def drop(self, claims: Iterable[str]) -> None:
        """Let go of these."""
        with self._lock:
            for claim in claims:
                if held := self._held.get(claim):
                    held.drop()

    def drop_all(self) -> None:
        """Let go of everything."""
        with self._lock:
            claims = list(self._held)
        self.drop(claims)
