"""One server for one outputs folder.

The lock belongs to the process: it ends with it, however that dies.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO

from gpen_webui.files.lock import try_lock
from gpen_webui.jobs.records import OutputsInUseError

PATIENCE = 3.0  # seconds; a server that is just stopping may still hold the lock


class OutputsLock:
    """Held from the making of the object to close().

    Raises OutputsInUseError where another process holds it, OSError where the file cannot be
    written.
    """

    def __init__(self, path: Path, patience: float = PATIENCE):
        self._file: IO[str] = open(path, "a+", encoding="ascii")  # noqa: SIM115
        deadline = time.monotonic() + patience
        while not try_lock(self._file):
            if time.monotonic() > deadline:
                raise OutputsInUseError(self._words(path))
            time.sleep(0.1)
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def close(self) -> None:
        """Let others in."""
        self._file.close()

    def _words(self, path: Path) -> str:
        self._file.seek(0)
        holder = self._file.read().strip()
        self._file.close()
        who = f"Another GPEN WebUI (process {holder})" if holder else "Another GPEN WebUI"
        return (
            f"{who} already works in the folder {path.parent.parent}; stop it, "
            "or choose another folder with --outputs."
        )
