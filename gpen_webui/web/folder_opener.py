"""Shows a folder in the file manager of the machine that the server runs on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from gpen_webui.web.errors import NoFileManagerError

PROGRAMS = {"darwin": "open", "win32": "explorer"}  # others: the desktop's own choice
DESKTOPS = ("DISPLAY", "WAYLAND_DISPLAY")


def opener() -> str | None:
    """The program that opens folders; None where there is no desktop."""
    if sys.platform in PROGRAMS:
        return shutil.which(PROGRAMS[sys.platform])
    return shutil.which("xdg-open") if any(map(os.environ.get, DESKTOPS)) else None


def show_folder(folder: Path) -> None:
    """Open it and do not wait. Raises NoFileManagerError."""
    program = opener()
    if program is None:
        raise NoFileManagerError(
            f"This machine has no desktop to show the folder on; it is {folder}."
        )
    subprocess.Popen(
        [program, str(folder.resolve())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
