"""What was measured of a model on this machine, kept beside the models."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gpen_webui.files.atomic import write_atomically


class MeasurementCache:
    """What earlier checks of one checkpoint measured, in a JSON file of the cache folder."""

    def __init__(self, folder: Path | None, checkpoint_sha256: str):
        self._path = folder and folder / f"{checkpoint_sha256[:16]}-verdicts.json"

    def recall(self, check: str, measure: Callable[[], float]) -> float:
        """The remembered result of `check`, or else that of `measure()`, remembered."""
        known = self.known(check)
        if known is None:
            known = measure()
            self.keep(check, known)
        return known

    def known(self, check: str) -> float | None:
        """The remembered result of `check`; None where there is none."""
        result = self._read().get(check)
        return result if isinstance(result, int | float) else None

    def keep(self, check: str, result: float) -> None:
        """Remember the result of `check`, where the folder can be written."""
        self._write(self._read() | {check: result})

    def _read(self) -> dict[str, float]:
        if self._path is None:
            return {}
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _write(self, known: dict[str, float]) -> None:
        if self._path is None:
            return
        with suppress(OSError):  # measured anew at the next start
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(known, indent=1).encode())
