"""A process that works on an album and dies when it is told to: SIGKILL, no farewell.

    python -m tests.jobs_child OUTPUTS POINT NAME

POINT: where to die with the photo NAME in progress: loading (the model), a stage, or claimed,
placed (its result is in its place, but not recorded), recorded, reported (the report is
written, but not recorded).
The album is made if the folder has none.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from gpen_webui.jobs.runner.saving import Saver
from gpen_webui.jobs.store.claims import ClaimQueue
from tests.jobs_kit import STAGES, JobsHarness, start
from tests.waiting import wait_for

# Points at which a process dies after it has called a method.
MOMENTS = {
    "claimed": (ClaimQueue, "claim"),
    "placed": (Saver, "place"),
    "recorded": (ClaimQueue, "finish"),
    "reported": (Saver, "save_report"),
}


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(method: Callable, is_it: Callable[[object], bool]) -> Callable:
    """The method, after which the process dies if it returned or was given the right thing."""

    def wrapped(*arguments: object, **more: object) -> object:
        outcome = method(*arguments, **more)
        if any(is_it(thing) for thing in (outcome, *arguments)):
            die()
        return outcome

    return wrapped


def main(outputs: Path, point: str, name: str) -> None:
    harness = JobsHarness(outputs, workers=2)

    def is_it(thing: object) -> bool:
        return point == "reported" or getattr(thing, "name", None) == name

    if point in STAGES:
        harness.play.hold(name, point).pass_through = die
    elif point in MOMENTS:
        owner, method = MOMENTS[point]
        setattr(owner, method, dying_after(getattr(owner, method), is_it))
    if point == "loading":
        harness.load = die
    service = harness.open()
    jobs = service.store.jobs() or [start(service, [f"{n}.jpg" for n in range(5)])]
    wait_for(lambda: service.store.job(jobs[0].id).ended)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
