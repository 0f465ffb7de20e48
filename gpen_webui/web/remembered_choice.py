"""What somebody chose in the page, remembered in the outputs folder through restarts."""

from __future__ import annotations

from pathlib import Path

from gpen_webui.files.atomic import write_atomically


class RememberedChoice:
    """One word, in the file of its name."""

    def __init__(self, outputs: Path, name: str):
        self._file = outputs / ".gpen-webui" / name

    def read(self) -> str:
        """The word; empty where nobody has chosen, or it cannot be read."""
        try:
            return self._file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def keep(self, word: str) -> None:
        """Remember this one instead. Raises OSError."""
        write_atomically(self._file, word.encode())
