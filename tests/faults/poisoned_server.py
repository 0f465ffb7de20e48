"""The program, in which some photos are poison: what they do is in their names.

    python -m tests.faults.poisoned_server [options of `serve`, or another command]

crash: native code dies with the process. endless: native code never comes back. hungry: the
network finds no memory. Everything else is the real thing.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from contextlib import ExitStack
from unittest import mock

from gpen_webui.cli import album, main
from gpen_webui.jobs import service
from gpen_webui.pipeline import restore_stages


def poisoned(restorer, source, name, options, reuse=None, keep_faces=False):
    """As pipeline.restore_stages, for photos that survive it."""
    with ExitStack() as poison:
        if "hungry" in name:
            poison.enter_context(
                mock.patch.object(restorer.face_network.engine, "run", side_effect=MemoryError)
            )
        stages = restore_stages(restorer, source, name, options, reuse, keep_faces)
        while True:
            try:
                stage = next(stages)
            except StopIteration as end:
                return end.value
            yield stage
            if stage == "network" and "crash" in name:
                ctypes.string_at(0)  # a segmentation fault
            if stage == "network" and "endless" in name:
                threading.Event().wait()


if __name__ == "__main__":
    service.restore_stages = album.restore_stages = poisoned
    sys.exit(main(sys.argv[1:]))
