"""What has become slower, or needs more memory, since the last run on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCHMARK = "benchmark.json"
# A median that is worse by less than this is no news, nor one whose spread reaches the other's.
LEAST_CHANGE = 0.05
SAME = ("model", "size")  # of two runs that can be compared, besides the machine's summary


@dataclass(frozen=True)
class Change:
    """name: of what was measured. before, now: medians. unit: theirs."""

    name: str
    before: float
    now: float
    unit: str

    def __str__(self) -> str:
        share = self.now / self.before - 1
        return f"{self.name}: {self.before:.3g} -> {self.now:.3g} {self.unit} ({share:+.0%})"


def last_run(outputs: Path, figures: dict) -> dict | None:
    """The figures of the last run below this folder on the same machine, of the same model."""
    for path in sorted(outputs.glob(f"*/{BENCHMARK}"), key=_age):
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
            if _kind_of(earlier) == _kind_of(figures):
                return earlier
        except (OSError, ValueError, KeyError, TypeError):  # another program's, or cut short
            continue
    return None


def changes(earlier: dict, now: dict) -> tuple[list[Change], list[Change]]:
    """What has become worse, and what better; both in the order of the table."""
    worse, better = [], []
    before = {name: (spread, unit) for name, spread, unit in _measured(earlier)}
    for name, spread, unit in _measured(now):
        if name not in before:
            continue
        old = before[name][0]
        change = Change(name, old["median"], spread["median"], unit)
        if spread["low"] > old["high"] and change.now > change.before * (1 + LEAST_CHANGE):
            worse.append(change)
        if spread["high"] < old["low"] and change.now < change.before * (1 - LEAST_CHANGE):
            better.append(change)
    return worse, better


def describe_changes(earlier: dict | None, now: dict) -> str:
    """The comparison in words, for the terminal."""
    if earlier is None:
        return "There is no earlier run of this model on this machine to compare with."
    worse, better = changes(earlier, now)
    lines = [f"Slower than in the last run: {change}" for change in worse]
    lines += [f"Better than in the last run: {change}" for change in better]
    return "\n".join(lines) or "As fast as in the last run on this machine, within the spread."


def _measured(figures: dict) -> Iterator[tuple[str, dict[str, float], str]]:
    """Name, spread and unit of everything of which less is better."""
    for side in figures["network"]["sides"]:
        yield f"network, {side['name']}", side["seconds"], "s per face"
    album = figures["album"]
    yield "album, reference form", album["reference"]["seconds"], "s per photo"
    for side in album["sides"]:
        yield f"album, workers: {side['workers']}", side["seconds"], "s per photo"
    for use in figures["memory"]:
        peak = dict.fromkeys(("low", "median", "high"), use["peak_mb"])
        yield f"memory, photos: {use['photos']}", peak, "MB"


def _kind_of(figures: dict) -> list[Any]:
    machine = figures["machine"]
    return [machine["summary"], *(figures[name] for name in SAME)]


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0
