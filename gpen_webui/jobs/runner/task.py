"""One item in a worker's hands."""

from __future__ import annotations

import math
import time
from pathlib import PurePosixPath
from threading import Event, Lock

from gpen_webui.jobs.store.claims import Claim
from gpen_webui.jobs.store.machines import HERE, Machine
from gpen_webui.models.installed import InstalledModel
from gpen_webui.states import Stage


class Interrupted(Exception):  # noqa: N818 - not an error
    """The task was stopped; whoever stopped it records what becomes of the item."""


class Task:
    """A claim at work. Its end is decided once: by its worker, or by somebody who stops it.

    Whoever decides has to record what becomes of the item. worker: the name of who does it.
    model, started: what it is restored with, and since when (time.monotonic); None while that
    model is loading. stage: the last one entered. progress_told: when its progress was
    recorded last (time.monotonic). result_size: of the saved result, bytes.
    place: where that lies, or may lie. over: set when the worker has let go of it. machine: whose
    it is, where there are several. since: of the claim (time.monotonic).
    """

    def __init__(self, claim: Claim, machine: Machine | None = None):
        self.claim = claim
        self.machine = machine
        self.worker = ""
        self.since = time.monotonic()
        self.model: InstalledModel | None = None
        self.started: float | None = None
        self.stage: str = Stage.OPEN
        self.progress_told = -math.inf
        self.result_size = 0
        self.place: PurePosixPath | None = None
        self.over = Event()
        self._lock = Lock()
        self._is_settled = False
        self._is_stopped = False

    def begin(self, model: InstalledModel) -> None:
        """The time limit counts from here."""
        self.model, self.started = model, time.monotonic()

    def settle(self) -> None:
        """The worker decides, and nobody can stop it any more. Interrupted if somebody has."""
        with self._lock:
            self._check()
            self._is_settled = True

    def reopen(self) -> None:
        """The worker could not bring it to its end yet: somebody else may decide again."""
        with self._lock:
            self._is_settled = False

    @property
    def machine_id(self) -> str:
        """Of the machine in whose hands it is."""
        return self.machine.id if self.machine else HERE

    def stop(self) -> bool:
        """Somebody else decides: what the worker still brings must not be used.

        False where the end is decided already.
        """
        with self._lock:
            if self._is_settled or self._is_stopped:
                return False
            self._is_stopped = True
            return True

    @property
    def is_stopped(self) -> bool:
        """Whether somebody else than the worker has decided."""
        with self._lock:
            return self._is_stopped

    def check(self) -> None:
        """Raise Interrupted where the task was stopped."""
        with self._lock:
            self._check()

    def _check(self) -> None:
        if self._is_stopped:
            raise Interrupted
