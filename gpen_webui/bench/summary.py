"""Repeated measurements: sides that alternate, medians, and how far the values spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Measurement = TypeVar("Measurement")


@dataclass(frozen=True)
class Summary:
    """The middle, the smallest and the largest of `count` values."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Summary:
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1], len(ordered))


def alternate(
    sides: Mapping[str, Callable[[], Measurement]],
    rounds: int,
    on_step: Callable[[str], None] = lambda side: None,
) -> dict[str, list[Measurement]]:
    """Measure every side once per round, so that a slow minute of the machine hits them all.

    Every second round goes backwards: no side always follows the same other one. on_step:
    told the side that is measured next.
    """
    measured: dict[str, list[Measurement]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in list(sides) if number % 2 == 0 else reversed(list(sides)):
            on_step(side)
            measured[side].append(sides[side]())
    return measured


def seconds_per_call(call: Callable[[], object], at_least: float = 0.3) -> float:
    """The mean time of a call, repeated until `at_least` seconds have passed."""
    calls, started = 0, time.perf_counter()
    while True:
        call()
        calls += 1
        elapsed = time.perf_counter() - started
        if elapsed >= at_least:
            return elapsed / calls
