"""How much of a time an engine was at work, seen from outside."""

from __future__ import annotations

import threading
import time

import numpy as np

from gpen_webui.engines.base import Engine


class WatchedEngine(Engine):
    """Passes everything on to an engine, and notes for how long how many calls were in it."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self.size, self.streams, self.threads = engine.size, engine.streams, engine.threads
        self.description = engine.description
        self._lock = threading.Lock()
        self._calls = 0
        self._since = time.perf_counter()
        self._stream_seconds = 0.0

    def run(self, crops: np.ndarray) -> np.ndarray:
        self._count(1)
        try:
            return self._engine.run(crops)
        finally:
            self._count(-1)

    def close(self) -> None:
        self._engine.close()

    def busy_seconds(self) -> float:
        """Seconds at work since the beginning; with half of the streams at work, half as many."""
        with self._lock:
            return self._stream_seconds / self.streams

    def _count(self, change: int) -> None:
        with self._lock:
            now = time.perf_counter()
            self._stream_seconds += (now - self._since) * min(self._calls, self.streams)
            self._calls += change
            self._since = now
