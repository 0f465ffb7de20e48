"""How fast items come out of the workers' hands."""

from __future__ import annotations

import time
from collections import deque
from threading import Lock


class ThroughputEstimator:
    """Seconds from one finished item of a job to the next, over the latest ones. Thread-safe."""

    LATEST = 20

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}
        self._lock = Lock()

    def begin(self, job_id: str) -> None:
        """An item of this job was begun."""
        with self._lock:
            now = time.monotonic()
            self._times.setdefault(job_id, deque([now], maxlen=self.LATEST))

    def finish(self, job_id: str, is_work: bool = True) -> float | None:
        """An item was finished; the pace, None while it is not known.

        is_work: whether it tells how long others take; one that could not even be opened does not.
        """
        with self._lock:
            times = self._times.get(job_id)
            if times is None:
                return None
            if is_work:
                times.append(time.monotonic())
            if len(times) == 1:
                return None
            return (times[-1] - times[0]) / (len(times) - 1)

    def forget(self, job_id: str) -> None:
        """The job rests or has ended."""
        with self._lock:
            self._times.pop(job_id, None)
