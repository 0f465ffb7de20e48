"""The server, in which some photos are poison: what they do is in their names.

    python -m tests.faults.poisoned_server [options of `serve`]

crash: native code dies with the process. endless: native code never comes back. hungry: the
network finds no memory. Everything else is the real thing.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from unittest import mock

from gpen_webui.cli import main
from gpen_webui.jobs import service
from gpen_webui.pipeline import restore_file


def poisoned(restorer, source, name, options, write, on_stage, reuse):
    """As pipeline.restore_file, for photos that survive it."""

    def enter(stage: str) -> None:
        on_stage(stage)
        if stage != "network":
            return
        if "crash" in name:
            ctypes.string_at(0)  # a segmentation fault
        if "endless" in name:
            threading.Event().wait()

    if "hungry" not in name:
        return restore_file(restorer, source, name, options, write, enter, reuse)
    with mock.patch.object(restorer.engine, "run", side_effect=MemoryError):
        return restore_file(restorer, source, name, options, write, enter, reuse)


if __name__ == "__main__":
    service.restore_file = poisoned
    sys.exit(main(sys.argv[1:]))
