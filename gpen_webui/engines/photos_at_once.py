"""How many photos to have in work at once: measured with the first photos of a model.

Whether a second photo uses what the first leaves idle, or gets in its way, depends on the
processor, its caches and the model. So the first photos are restored with different numbers of
them at once, in turns, and what each turn took is kept beside the models. Once there are enough
turns, the number that took least is the one from the start.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median
from threading import Condition

from gpen_webui.engines.cores import cpu_cores, has_little_memory, machine_key
from gpen_webui.engines.measurements import MeasurementCache

ROUNDS = 3  # in which every number has its turn
PHOTOS_IN_A_TURN = 4  # or twice as many as are in work at once
# Of the places' time in a turn; where photos came more slowly, it tells nothing.
MOST_IDLE = 0.1
# Of the cores' time in a turn that other programs may take.
MOST_TAKEN = 0.25
STAT = Path("/proc/stat")
BUSY = (0, 1, 2, 5, 6, 7)  # of its first line: user, nice, system, irq, softirq, steal
EQUAL = 0.02  # more photos at once that save no more than that are not worth their memory

Turns = dict[int, list[float]]  # of each number of photos at once: seconds per photo


def numbers_to_try() -> list[int]:
    """Photos at once, ascending; only one number where there is nothing to choose."""
    cores = cpu_cores()
    return [1] if has_little_memory() else sorted({1, max(1, cores // 2), cores})


def are_enough(turns: Mapping[int, Sequence[float]]) -> bool:
    """Whether every number had all its turns."""
    return all(len(each) >= ROUNDS for each in turns.values())


def fastest(turns: Mapping[int, Sequence[float]]) -> int:
    """The number that takes least per photo; of equals, the smallest.

    Photos differ, so each turn is compared with those of its own round.
    """
    rounds = [mean(times) for times in zip(*turns.values(), strict=False)]
    shares = {
        number: median(seconds / usual for seconds, usual in zip(each, rounds, strict=False))
        for number, each in turns.items()
    }
    enough = min(shares.values()) * (1 + EQUAL)
    return min(number for number, share in shares.items() if share <= enough)


def seconds_of_others() -> float:
    """Core-seconds that other programs, those started by this one among them, have taken since the
    machine started; 0 where nobody tells."""
    try:
        ticks = STAT.read_text().split("\n", 1)[0].split()[1:]
        busy = sum(int(ticks[place]) for place in BUSY) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
    return busy - time.process_time()


class KeptTurns:
    """What was measured of one model on this machine; device, precision: as in the settings."""

    def __init__(self, cache: Path | None, model_sha256: str, device: str, precision: str):
        self._measurements = MeasurementCache(cache, model_sha256)
        self._check = f"photos-at-once-{machine_key()}-{device}-{precision}"

    def read(self) -> Turns:
        """The turns so far of all numbers that are to be tried."""
        return {number: self._of(number) for number in numbers_to_try()}

    def add(self, number: int, seconds: float) -> None:
        """Keep one more turn."""
        self._measurements.keep(self._name(number, len(self._of(number))), seconds)

    def _of(self, number: int) -> list[float]:
        known = (self._measurements.known(self._name(number, turn)) for turn in range(ROUNDS))
        return [seconds for seconds in known if seconds is not None]

    def _name(self, number: int, turn: int) -> str:
        return f"{self._check}-{number}-{turn}"


class PhotosAtOnce:
    """Lets so many photos be in work at once, and measures which number is best. Thread-safe.

    turns: what is known already. measured: told the number and the seconds per photo of each turn.
    changed: told each number before it holds. clock: in seconds. others: core-seconds that other
    programs have taken so far; a turn on a busy machine does not count.
    """

    def __init__(
        self,
        turns: Turns,
        measured: Callable[[int, float], None],
        changed: Callable[[int], None] = lambda number: None,
        clock: Callable[[], float] = time.monotonic,
        others: Callable[[], float] = seconds_of_others,
    ):
        self._turns = {number: list(each) for number, each in turns.items()}
        self._measured, self._changed = measured, changed
        self._clock, self._others = clock, others
        self._condition = Condition()
        self._in_work = 0
        self._free: deque[float] = deque()  # since when each free place is free
        self._is_measuring = True
        self.number = max(turns)
        self._begin_turn()

    @contextmanager
    def photo(self) -> Iterator[None]:
        """Around the work on one photo; waits until there is a place for it."""
        with self._condition:
            while self._in_work >= self.number:
                self._condition.wait()
            self._in_work += 1
            if self._free:
                self._idle += self._clock() - self._free.popleft()
        was_whole = False
        try:
            yield
            was_whole = True
        finally:
            with self._condition:
                self._in_work -= 1
                if self._is_measuring:
                    self._note(was_whole)
                self._condition.notify_all()

    def _begin_turn(self) -> None:
        """The turn of the number that had fewest; the same again rather than another."""
        former = self.number
        if are_enough(self._turns):
            self._is_measuring = False
            self.number = fastest(self._turns)
        else:
            self.number = min(
                self._turns, key=lambda number: (len(self._turns[number]), number != former)
            )
        self._changed(self.number)
        # Photos that were begun beside more or fewer others end first, and are not counted.
        self._begin_counting(max(former, self.number))

    def _begin_counting(self, unsettled: int) -> None:
        """Take time once so many photos have ended."""
        self._unsettled = unsettled
        self._photos, self._idle, self._started = 0, 0.0, self._clock()
        self._others_before = self._others()
        self._free.clear()

    def _note(self, was_whole: bool) -> None:
        """A photo has ended; whole: it did not fail, and nobody stopped it."""
        now = self._clock()
        if not was_whole:
            self._begin_counting(self.number)
        elif self._unsettled:
            self._begin_counting(self._unsettled - 1)
        else:
            self._photos += 1
        self._free.append(now)
        if self._photos >= max(PHOTOS_IN_A_TURN, 2 * self.number):
            self._end_turn(now)

    def _end_turn(self, now: float) -> None:
        taken = now - self._started
        idle = self._idle + sum(now - since for since in self._free)
        by_others = self._others() - self._others_before
        if idle > MOST_IDLE * taken * self.number or by_others > MOST_TAKEN * taken * cpu_cores():
            self._begin_counting(self.number)
            return
        seconds = taken / self._photos
        self._turns[self.number].append(seconds)
        self._measured(self.number, seconds)
        self._begin_turn()
