"""A worker's restoring process that does to photos what their names say.

    python -m tests.worker_child played|real

played: pixels are not touched, the result is that of jobs_kit. real: the product's pipeline, which
only some names disturb. In both, in the stage `network`: crash-... ends the
process, hang-... never comes back, hunger-... takes memory without end, wait-... waits until a
file of that name is in the folder that the variable GATES names, broken-... fails for no known
reason.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace

from gpen_webui.cluster.worker import restoring_process
from gpen_webui.pipeline import ItemReport, StageError, restore_stages
from gpen_webui.states import Stage
from tests.jobs_kit import PICTURE, FakeRestorer, restored_text

STAGES = [Stage.OPEN, Stage.DETECT, Stage.NETWORK, Stage.BLEND, Stage.SAVE]
STEP_BYTES = 64 << 20
JPEG = b"\xff\xd8"


def disturb(name: str) -> None:
    """What happens to a photo of this name."""
    what = name.rpartition("/")[2]
    if what.startswith("crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    while what.startswith("hang"):
        time.sleep(1)
    taken = []
    while what.startswith("hunger"):
        taken.append(b"x" * STEP_BYTES)
    if what.startswith("broken"):
        raise RuntimeError("nobody has thought of this")
    gate = Path(os.environ.get("GATES", ".")) / what
    while what.startswith("wait") and not gate.exists():
        time.sleep(0.01)


def disturbed(stages: Generator, name: str) -> Generator:
    """The stages of a photo, with what its name says."""
    while True:
        try:
            stage = next(stages)
        except StopIteration as end:
            return end.value
        yield stage
        if stage == Stage.NETWORK:
            disturb(name)


def played_stages(restorer, source: Path, name: str, options, reuse=None) -> Generator:
    for stage in STAGES:
        yield stage
        if stage == Stage.OPEN and name.startswith("bad"):
            from gpen_webui.photo.errors import PhotoError

            raise StageError(stage, f"{name} is no photo.") from PhotoError("it is none")
    is_landscape = name.startswith("landscape")
    report = ItemReport(name, "no_face" if is_landscape else "done", options.without_mask())
    report.unchanged = is_landscape
    data = source.read_bytes()
    if data.startswith(JPEG):  # the probe photo
        report.faces = [{"number": 1, "restored": True}]
    else:
        data = restored_text(data, options)
    return SimpleNamespace(
        data=data,
        suffix=".jpg",
        report=report,
        modified_ns=None,
        photo=PICTURE,
        restoration=SimpleNamespace(pixels=PICTURE.pixels),
    )


def main(how: str) -> None:
    inner = restore_stages
    if how == "played":
        inner = played_stages
        restoring_process.OpeningNetworks = lambda *_: None
        restoring_process.restorer_of = lambda *_: FakeRestorer()
        restoring_process.measure_kind = lambda restorer: "played"

    def stages(restorer, source, name, options, reuse=None) -> Generator:
        return disturbed(inner(restorer, source, name, options, reuse), name)

    restoring_process.main(stages)


if __name__ == "__main__":
    main(sys.argv[1])
