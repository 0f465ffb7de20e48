"""The program's own Python environment, and whether it is as it should be.

Read at every start: only quick modules are imported here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BASE = "requirements.txt"
PYTHON = "# Installed for Python "


class Environment:
    """`.venv` in the program's folder.

    root: the program's folder. python: the environment's Python, which may be missing.
    """

    def __init__(self, root: Path):
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def holds(self, requirements: str = BASE) -> bool:
        """Whether its Python works, and exactly what this file lists was installed for it."""
        return _read(self._mark(requirements)) == self._marked(requirements)

    def must_start_over(self) -> bool:
        """Whether it is what an interrupted set-up left, or its Python has changed or gone."""
        version = self._version()
        made_for = {_read(mark).partition("\n")[0] for mark in self._marks()}
        others = {line for line in made_for if line.startswith(PYTHON)} - {PYTHON + version}
        return not (version and made_for) or bool(others)

    def runs_this(self) -> bool:
        """Whether this very process runs in it."""
        return Path(sys.executable).parent == self.python.parent

    def remember(self, requirements: str) -> None:
        """Note that what this file lists is installed."""
        self._mark(requirements).write_text(self._marked(requirements), encoding="utf-8")

    def forget(self) -> None:
        """Note that it is about to change: if that is interrupted, it must be made anew."""
        for mark in self._marks():
            mark.unlink()

    def _version(self) -> str:
        """`3.11`, of its Python; empty where that is missing or does not start."""
        if self.runs_this():
            return own_version()
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        try:
            asked = subprocess.run([self.python, "-ISc", code], capture_output=True, text=True)
        except OSError:
            return ""
        return asked.stdout.strip()

    def _marks(self) -> list[Path]:
        return list(self.folder.glob(".installed-*"))

    def _mark(self, requirements: str) -> Path:
        return self.folder / f".installed-{requirements}"

    def _marked(self, requirements: str) -> str:
        """What the mark of a finished set-up says."""
        return f"{PYTHON}{self._version()}\n" + _read(self.root / requirements)


def own_version() -> str:
    """`3.11`, of the Python that runs this."""
    return "{}.{}".format(*sys.version_info)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return ""
