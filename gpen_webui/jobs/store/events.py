"""From the store to any number of listeners.

Nobody sends: a listener reads the store from the last event that it has seen, whenever it
is told that there are new ones. So there are no queues that grow, a listener that never
reads costs nothing and holds nobody up, and one that comes back misses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock

from gpen_webui.jobs.records import UnknownJobError
from gpen_webui.jobs.store.jobs import Store

PAGE = 500  # events read at once


class EventNotifier:
    """Rung when a job has new events; those who wait for other jobs sleep on."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: dict[str, tuple[Condition, int]] = {}
        self._rung: dict[str, int] = {}

    def ring(self, jobs: set[str]) -> None:
        """Wake all who wait for one of these jobs."""
        with self._lock:
            for job_id in jobs & self._waiting.keys():
                self._rung[job_id] += 1
                self._waiting[job_id][0].notify_all()

    @contextmanager
    def listening(self, job_id: str) -> Iterator[_Ear]:
        """Be told of a job's new events from here on."""
        with self._lock:
            condition, ears = self._waiting.get(job_id) or (Condition(self._lock), 0)
            self._waiting[job_id] = (condition, ears + 1)
            self._rung.setdefault(job_id, 0)
        try:
            yield _Ear(condition, self._rung, job_id)
        finally:
            with self._lock:
                condition, ears = self._waiting.pop(job_id)
                if ears > 1:
                    self._waiting[job_id] = (condition, ears - 1)
                else:
                    del self._rung[job_id]


class _Ear:
    def __init__(self, condition: Condition, rung: dict[str, int], job_id: str):
        self._condition, self._rung, self._job_id = condition, rung, job_id
        self._heard = -1  # look first, then wait

    def wait(self, seconds: float) -> bool:
        """Whether the bell rang since the last call, or does so within this time."""
        with self._condition:
            rang = self._condition.wait_for(self._has_rung, seconds)
            self._heard = self._rung[self._job_id]
            return rang

    def _has_rung(self) -> bool:
        return self._rung[self._job_id] != self._heard


class Events:
    """The events of jobs: those that were, and those to come."""

    def __init__(self, store: Store, bell: EventNotifier):
        self._store = store
        self._bell = bell

    def replay(self, job_id: str, after: int = 0) -> list[dict]:
        """All events of a job with a higher seq, in order. Raises UnknownJobError."""
        return [json.loads(event) for event in self._store.events(job_id, after)]

    def follow(self, job_id: str, after: int = 0, heartbeat: float = 15.0) -> Iterator[dict | None]:
        """All events with a higher seq, first those that were, then live.

        None is yielded where nothing has come for `heartbeat` seconds. Ends after the event
        that a job is done or cancelled, if that is its last (a retry adds more), and when the
        job is deleted. Raises UnknownJobError where there is no such job to begin with.
        """
        self._store.job(job_id)
        return self._follow(job_id, after, heartbeat)

    def _follow(self, job_id: str, after: int, heartbeat: float) -> Iterator[dict | None]:
        with self._bell.listening(job_id) as ear:
            while True:
                if not ear.wait(heartbeat):
                    yield None
                try:
                    while page := self._store.events(job_id, after, PAGE):
                        for event in map(json.loads, page):
                            yield event
                            after = event["seq"]
                    job = self._store.job(job_id)
                except UnknownJobError:
                    return
                if job.ended and after >= job.seq:
                    return
