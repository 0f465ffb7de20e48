"""One item in a worker's hands, and how fast items come out of them."""

from __future__ import annotations

import time
from collections import deque
from threading import Lock

from gpen_webui.jobs.store_work import Claim
from gpen_webui.pipeline import Interrupted


class Task:
    """A claim at work. Its end is decided once: by its worker, or by somebody who stops it.

    settling: held while that is decided and recorded. started: when the work itself began
    (time.monotonic), None while the model is loading. stopped: it came to nothing, and what
    its worker still brings must not be used.
    """

    def __init__(self, claim: Claim):
        self.claim = claim
        self.settling = Lock()
        self.started: float | None = None
        self.stopped = False
        self.result_size = 0

    def begin(self) -> None:
        """The time limit counts from here."""
        self.started = time.monotonic()

    def check(self) -> None:
        """Raise Interrupted where the task was stopped."""
        if self.stopped:
            raise Interrupted

    def settle(self) -> None:
        """Keep others from stopping the task from here on; Interrupted if they have."""
        self.settling.acquire()
        if self.stopped:
            self.settling.release()
            raise Interrupted


class Paces:
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
