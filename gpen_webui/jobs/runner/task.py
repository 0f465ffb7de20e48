"""One item in a worker's hands, and how fast items come out of them."""

from __future__ import annotations

import time
from collections import deque
from threading import Event, Lock, Thread, current_thread

from gpen_webui.jobs.store.claims import Claim
from gpen_webui.models.installed import InstalledModel
from gpen_webui.pipeline import Interrupted


class Task:
    """A claim at work. Its end is decided once: by its worker, or by somebody who stops it.

    Whoever decides has to record what becomes of the item. worker: the thread that made the
    task. model, started: what it is restored with, and since when (time.monotonic); None
    while that model is loading. stage: the last one entered. result_size: of the result in
    its place, bytes. over: set when the worker has let go of it.
    """

    def __init__(self, claim: Claim):
        self.claim = claim
        self.worker: Thread = current_thread()
        self.model: InstalledModel | None = None
        self.started: float | None = None
        self.stage = "open"
        self.result_size = 0
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


class ThroughputEstimator:
    """Seconds from one finished item of a job to the next, over the latest ones."""

    LATEST = 20

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}
        self._lock = Lock()

    def begin(self, job_id: str) -> None:
        """An item of this job was begun."""
        with self._lock:
            now = time.monotonic()
            self._times.setdefault(job_id, deque([now], maxlen=self.LATEST))

    def finish(self, job_id: str) -> float | None:
        """An item was finished; the pace."""
        with self._lock:
            times = self._times.get(job_id)
            if times is None:
                return None
            times.append(time.monotonic())
            return (times[-1] - times[0]) / (len(times) - 1)

    def forget(self, job_id: str) -> None:
        """The job rests or has ended."""
        with self._lock:
            self._times.pop(job_id, None)
