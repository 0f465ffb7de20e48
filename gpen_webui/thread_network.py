"""A network that OpenCV runs, one for each thread: its buffers are no place for two pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2

from gpen_webui.errors import UserError


class ThreadNetwork:
    """May be shared by many threads.

    read: makes the network of the file's path. error: what is raised; missing, damaged: with
    which sentence, where the file is not there or is not the network.
    """

    def __init__(
        self,
        weights: Path,
        read: Callable[[str], cv2.dnn.Net],
        error: type[UserError],
        *,
        missing: str,
        damaged: str,
    ):
        self._weights = weights
        self._read = read
        self._error = error
        self._missing = missing
        self._damaged = damaged
        self._of_thread = threading.local()

    def check(self) -> None:
        """Raise the error where the file is not there."""
        if not self._weights.is_file():
            raise self._error(self._missing)

    def get(self) -> cv2.dnn.Net:
        """The calling thread's network. Raises the error where it cannot be read."""
        if not hasattr(self._of_thread, "network"):
            self.check()
            try:
                self._of_thread.network = self._read(str(self._weights))
            except cv2.error as error:
                raise self._error(self._damaged) from error
        return self._of_thread.network

    def free(self) -> None:
        """Give back what the calling thread's network holds; the next use reads it anew."""
        self._of_thread.__dict__.pop("network", None)
