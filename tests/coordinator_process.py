"""A coordinator that dies when it is told to: SIGKILL, no farewell.

    python -m tests.coordinator_process OUTPUTS PORT LEASE POINT NAME

LEASE: seconds. POINT: where to die with the photo NAME: claimed (before the worker hears of it),
placed (its result is in its place, but not recorded) or recorded (before the worker hears of it).
It says "ready" once it answers. The album is made if the folder has none.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cluster_kit import Coordinator
from tests.jobs_child import MOMENTS, dying_after
from tests.jobs_kit import JobsHarness, start
from tests.waiting import wait_for

PHOTOS = 16


def main(outputs: Path, port: int, lease: float, point: str, name: str) -> None:
    owner, method = MOMENTS[point]
    wrapped = dying_after(getattr(owner, method), lambda thing: getattr(thing, "name", "") == name)
    setattr(owner, method, wrapped)
    here = Coordinator(JobsHarness(outputs), port=port, lease_seconds=lease)
    jobs = here.service.store.jobs() or [start(here.service, [f"{n}.jpg" for n in range(PHOTOS)])]
    print("ready", flush=True)
    wait_for(lambda: here.service.store.job(jobs[0].id).ended)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])
