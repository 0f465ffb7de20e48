"""Notes on the disk that a model is being loaded, so that a death in it is noticed.

Loading runs native code on gigabytes; where they do not suffice, the system kills the process
without a word. The next process must not walk into the same death for ever.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from gpen_webui.files.atomic import write_atomically
from gpen_webui.jobs.runner.shared_restorer import LoadRestorer
from gpen_webui.stages.restorer import Restorer

MAX_DEATHS = 3  # as for a photo: some may have come from outside


class LoadingRecord:
    """A small file that is there while a model is being loaded.

    what: names the model and the machine's settings; deaths under others do not count.
    staging: where the file is written before it takes its place; cleared by others.
    is_left_over: whether the latest process died while it was loading one.
    """

    def __init__(self, path: Path, what: str, staging: Path):
        self._path = path
        self._staging = staging
        self._what = what
        self.is_left_over = path.exists()
        self._deaths = self._read()

    @property
    def is_hopeless(self) -> bool:
        """Whether the process died each time that it was tried lately."""
        return self._deaths >= MAX_DEATHS

    def why_hopeless(self) -> str:
        """One sentence for the user."""
        return (
            f"The program was ended {self._deaths} times while it loaded the model, most likely "
            "for want of memory; choose a smaller model or fewer --workers, then resume."
        )

    def watched(self, load: LoadRestorer) -> LoadRestorer:
        """`load`, which is noted while it runs."""

        def load_watched() -> tuple[Restorer, int]:
            self._write(self._deaths + 1)
            try:
                return load()
            finally:
                self.clear()

        return load_watched

    def clear(self) -> None:
        """Nothing is being loaded, or what is to be loaded has changed."""
        self._deaths = 0
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _read(self) -> int:
        try:
            noted = json.loads(self._path.read_text(encoding="utf-8"))
            return int(noted["deaths"]) if noted["what"] == self._what else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _write(self, deaths: int) -> None:
        with suppress(OSError):  # a full disk: then a death goes unnoticed
            noted = json.dumps({"what": self._what, "deaths": deaths})
            write_atomically(self._path, noted.encode(), staging=self._staging)
