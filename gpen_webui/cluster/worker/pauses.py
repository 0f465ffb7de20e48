"""How long to wait before something is tried again."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST, LONGEST, GROWTH = 0.25, 15.0, 2.0  # seconds, and from one to the next
JITTER = 0.3  # longer or shorter by so much, so that fifty workers do not come at once


def growing_pauses(longest: float = LONGEST) -> Iterator[float]:
    """Seconds, for ever; the first are short."""
    pause = min(FIRST, longest)
    while True:
        yield about(pause)
        pause = min(longest, pause * GROWTH)


def about(seconds: float) -> float:
    """A little more or less, by chance."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)
