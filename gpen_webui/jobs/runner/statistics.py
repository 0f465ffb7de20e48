"""How many photos ended how since the process began, and where their time went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class Figures:
    """ends: photos by done, no_face, failed, stopped (before its end). seconds, counts: the time
    spent in each stage, and how often it was gone through."""

    ends: Counter[str]
    seconds: Counter[str]
    counts: Counter[str]


class Statistics:
    """Counts what the workers do. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._figures = Figures(Counter(), Counter(), Counter())

    def photo_ended(self, end: str, seconds: Mapping[str, float]) -> None:
        """A photo has left a worker's hands; seconds: by stage."""
        with self._lock:
            self._figures.ends[end] += 1
            self._figures.seconds.update(seconds)
            self._figures.counts.update(seconds.keys())

    def figures(self) -> Figures:
        """A copy of all of them."""
        with self._lock:
            figures = self._figures
            return Figures(figures.ends.copy(), figures.seconds.copy(), figures.counts.copy())
