"""From the store to any number of listeners.

Nobody sends: a listener reads the store from the last event that it has seen, whenever it
is told that there are new ones. So there are no queues that grow, a listener that never
reads costs nothing and holds nobody up, and one that comes back misses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock

from gpen_webui.jobs.records import UnknownJobError
from gpen_webui.jobs.store.jobs import Store

PAGE = 500  # events read at once


class EventNotifier:
    """Wakes those who wait for a job's new events; those who wait for others sleep on."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: dict[str, tuple[Condition, int]] = {}
        self._notified: dict[str, int] = {}  # how often

    def notify(self, jobs: set[str]) -> None:
        """Wake all who wait for one of these jobs."""
        with self._lock:
            for job_id in jobs & self._waiting.keys():
                self._notified[job_id] += 1
                self._waiting[job_id][0].notify_all()

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[Subscription]:
        """Be told of a job's new events from here on."""
        with self._lock:
            condition, subscribers = self._waiting.get(job_id) or (Condition(self._lock), 0)
            self._waiting[job_id] = (condition, subscribers + 1)
            self._notified.setdefault(job_id, 0)
        try:
            yield Subscription(condition, self._notified, job_id)
        finally:
            with self._lock:
                condition, subscribers = self._waiting.pop(job_id)
                if subscribers > 1:
                    self._waiting[job_id] = (condition, subscribers - 1)
                else:
                    del self._notified[job_id]


class Subscription:
    """One listener's view of a notifier."""

    def __init__(self, condition: Condition, notified: dict[str, int], job_id: str):
        self._condition, self._notified, self._job_id = condition, notified, job_id
        self._seen = -1  # look first, then wait

    def wait(self, seconds: float) -> bool:
        """Whether there were new events since the last call, or are within this time."""
        with self._condition:
            has_new = self._condition.wait_for(self._has_new_events, seconds)
            self._seen = self._notified[self._job_id]
            return has_new

    def _has_new_events(self) -> bool:
        return self._notified[self._job_id] != self._seen


class Events:
    """The events of jobs: those that were, and those to come."""

    def __init__(self, store: Store, notifier: EventNotifier):
        self._store = store
        self._notifier = notifier

    def replay(self, job_id: str, after: int = 0) -> list[dict]:
        """All events of a job with a higher seq, in order. Raises UnknownJobError."""
        return self._store.events(job_id, after)

    def follow(self, job_id: str, after: int = 0, heartbeat: float = 15.0) -> Iterator[dict | None]:
        """All events with a higher seq, first those that were, then live.

        None is yielded where nothing has come for `heartbeat` seconds. Ends after the event
        that a job is done or cancelled, if that is its last (a retry adds more), and when the
        job is deleted. Raises UnknownJobError where there is no such job to begin with.
        """
        self._store.job(job_id)
        return self._follow(job_id, after, heartbeat)

    def _follow(self, job_id: str, after: int, heartbeat: float) -> Iterator[dict | None]:
        with self._notifier.subscribe(job_id) as subscription:
            while True:
                if not subscription.wait(heartbeat):
                    yield None
                try:
                    while page := self._store.events(job_id, after, PAGE):
                        for event in page:
                            yield event
                            after = event["seq"]
                    job = self._store.job(job_id)
                except UnknownJobError:
                    return
                if job.ended and after >= job.seq:
                    return
