"""A coordinator that dies when it is told to: SIGKILL, no farewell.

    python -m tests.coordinator_process OUTPUTS PORT POINT NAME

POINT: where to die with the photo NAME: claimed, placed (its result is in its place, but not
recorded), recorded. The album is made if the folder has none.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gpen_webui.jobs.runner.saving import Saver
from gpen_webui.jobs.store.claims import ClaimQueue
from tests.cluster_kit import Coordinator
from tests.jobs_child import dying_after
from tests.jobs_kit import JobsHarness, start
from tests.waiting import wait_for

LEASE = 2  # seconds
MOMENTS = {
    "claimed": (ClaimQueue, "claim"),
    "placed": (Saver, "place"),
    "recorded": (ClaimQueue, "finish"),
}


def main(outputs: Path, port: int, point: str, name: str) -> None:
    owner, method = MOMENTS[point]
    wrapped = dying_after(getattr(owner, method), lambda thing: getattr(thing, "name", "") == name)
    setattr(owner, method, wrapped)
    here = Coordinator(JobsHarness(outputs), port=port, lease_seconds=LEASE)
    jobs = here.service.store.jobs() or [start(here.service, [f"{n}.jpg" for n in range(8)])]
    wait_for(lambda: here.service.store.job(jobs[0].id).ended)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
