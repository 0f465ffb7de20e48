"""What the next steps need, made while the present one is trained."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import cv2
import numpy as np

Make = Callable[[int], tuple[np.ndarray, ...]]


class MadeAhead:
    """Arrays for each step, in the background; steps may be asked for in any order."""

    def __init__(self, make: Make, processes: int = 0):
        """make: a pure function of the step, which can be sent to a process. processes: that make
        batches beside each other; 0 for one thread."""
        self._make = make
        self._pool = _processes(make, processes) if processes else ThreadPoolExecutor(1, "samples")
        self._window = max(1, 2 * processes)
        self._ahead: dict[int, Future] = {}

    def at(self, step: int) -> tuple[np.ndarray, ...]:
        """What was made for this step, and begin those after it."""
        future = self._ahead.pop(step, None) or self._start(step)
        for later in range(step + 1, step + 1 + self._window):
            if later not in self._ahead:
                self._ahead[later] = self._start(later)
        return future.result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _start(self, step: int) -> Future:
        if isinstance(self._pool, ProcessPoolExecutor):
            return self._pool.submit(_make_in_process, step)
        return self._pool.submit(self._make, step)


def _processes(make: Make, count: int) -> Executor:
    # Begun anew and not forked: a device and its threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, context, _begin_process, (make,))


_make: Make | None = None  # of a process


def _begin_process(make: Make) -> None:
    global _make
    _make = make
    cv2.setNumThreads(1)  # there are as many processes as cores


def _make_in_process(step: int) -> tuple[np.ndarray, ...]:
    assert _make is not None, "a process begins by _begin_process"
    return _make(step)
