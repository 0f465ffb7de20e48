"""One server for one outputs folder."""

from __future__ import annotations

from pathlib import Path

from gpen_webui.files.lock import FileLock, LockHeldError
from gpen_webui.jobs.records import OutputsInUseError

PATIENCE = 3.0  # seconds; a server that is just stopping may still hold the lock


def lock_outputs(path: Path, patience: float = PATIENCE) -> FileLock:
    """The lock of an outputs folder, which must be closed.

    Raises OutputsInUseError where another process holds it, LocksNotSupportedError where the
    file system has none, OSError where the file cannot be written.
    """
    try:
        return FileLock(path, patience)
    except LockHeldError as error:
        who = f" (process {error.holder})" if error.holder else ""
        raise OutputsInUseError(
            f"Another GPEN WebUI{who} already works in the folder {path.parent.parent}; stop it, "
            "or choose another folder with --outputs."
        ) from error
