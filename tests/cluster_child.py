"""A coordinator that dies when it is told to: SIGKILL, no farewell.

    python -m tests.cluster_child OUTPUTS PORT POINT NAME

POINT: where to die with the photo NAME: claimed (before the worker hears of it), placed (its
result is in its place, but not recorded) or recorded (before the worker hears of it).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gpen_webui.jobs.runner.saving import Saver
from gpen_webui.jobs.store.claims import ClaimQueue
from tests.cluster_kit import Coordinator
from tests.jobs_child import dying_after
from tests.jobs_kit import JobsHarness, start

MOMENTS = {
    "claimed": (ClaimQueue, "claim"),
    "placed": (Saver, "place"),
    "recorded": (ClaimQueue, "finish"),
}


def main(outputs: Path, port: int, point: str, name: str) -> None:
    owner, method = MOMENTS[point]
    dying = dying_after(getattr(owner, method), lambda thing: getattr(thing, "name", None) == name)
    setattr(owner, method, dying)
    here = Coordinator(JobsHarness(outputs), port=port)
    start(here.service, [f"{n}.jpg" for n in range(4)])
    print("ready", flush=True)
    time.sleep(120)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
