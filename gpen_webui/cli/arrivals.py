"""What has arrived in a folder since somebody looked last."""

from __future__ import annotations

import time
from pathlib import Path

from gpen_webui.files.find_photos import NothingToRestoreError, find_photos
from gpen_webui.photo.formats import PHOTO_SUFFIXES

State = tuple[int, int]  # of a file: bytes, and when it was changed


class Arrivals:
    """The photos of a folder that are new, once they have arrived whole.

    exclude: a folder to leave out. patience: for how many seconds complete photos wait for
    others that are still being written.
    """

    def __init__(self, folder: Path, exclude: Path, patience: float):
        self._folder = folder
        self._exclude = exclude
        self._patience = patience
        self._told: dict[Path, State] = {}
        self._seen: dict[Path, State] = {}
        self._since: float | None = None  # when the first of those that wait was seen

    def are_complete(self) -> bool:
        """Whether new photos are there that have not changed since the last look; they are not
        told again. Raises NothingToRestoreError where the folder does not exist."""
        now = self._look()
        new = {path for path, state in now.items() if self._told.get(path) != state}
        whole = {path for path in new if self._seen.get(path) == now[path]}
        self._seen = now
        if not new:
            self._since = None
            return False
        self._since = self._since or time.monotonic()
        waited = time.monotonic() - self._since
        if not whole or (whole != new and waited < self._patience):
            return False
        self._told |= {path: now[path] for path in whole}
        self._since = None
        return True

    def _look(self) -> dict[Path, State]:
        try:
            photos, _ = find_photos([self._folder], PHOTO_SUFFIXES, exclude=self._exclude)
        except NothingToRestoreError:
            if not self._folder.is_dir():
                raise
            return {}
        states = {}
        for photo in photos:
            try:
                found = photo.source.stat()
            except OSError:
                continue  # it was moved away meanwhile
            states[photo.source] = (found.st_size, found.st_mtime_ns)
        return states
