"""How many photos each machine has restored, and how fast it is."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from threading import Lock

RECENT_SECONDS = 300.0  # over which photos per minute are measured
MOST_RECENT = 2000


class MachineFigures:
    """Counts photos by machine, since the process began. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._restored: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._recent: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_RECENT))
        self._began = time.monotonic()

    def note(self, machine: str, is_restored: bool) -> None:
        """A photo has left a machine's hands."""
        with self._lock:
            if is_restored:
                self._restored[machine] += 1
                self._recent[machine].append(time.monotonic())
            else:
                self._failed[machine] += 1

    def of(self, machine: str) -> dict[str, float]:
        """{restored, failed, per_minute, share}; share: of all photos that were restored, 0-1."""
        now = time.monotonic()
        seconds = max(1.0, min(RECENT_SECONDS, now - self._began))
        with self._lock:
            recent = sum(then > now - seconds for then in self._recent[machine])
            total = self._restored.total()
            return {
                "restored": self._restored[machine],
                "failed": self._failed[machine],
                "per_minute": round(60 * recent / seconds, 1),
                "share": round(self._restored[machine] / total, 3) if total else 0.0,
            }
