"""One restorer for all workers: loaded when the first photo needs it, replaced on request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Condition

from gpen_webui.errors import UserError
from gpen_webui.shortage import shortage_of
from gpen_webui.stages.restorer import Restorer

log = logging.getLogger(__name__)

# Returns the restorer and how many workers it is made for.
LoadRestorer = Callable[[], tuple[Restorer, int]]


class SharedRestorer:
    """Hands the restorer out; whoever acquires it must release it. Thread-safe.

    state: idle (not loaded), loading, ready or failed. message: why it failed, or how the
    engine runs. workers: how many may use it at once.
    """

    def __init__(self, load: LoadRestorer):
        self.state = "idle"
        self.message = ""
        self.workers = 1
        self._load = load
        self._changed = Condition()
        self._current: Restorer | None = None
        self._users: dict[Restorer, int] = {}
        self._replaced = 0  # how often

    @property
    def model(self) -> str | None:
        """The name of the loaded model."""
        current = self._current
        return current.model.name if current else None

    def acquire(self) -> Restorer:
        """The restorer, loaded if need be. Raises UserError where that is impossible."""
        with self._changed:
            while self.state == "loading":
                self._changed.wait()
            if self._current is not None:
                self._users[self._current] += 1
                return self._current
            self.state, self.message = "loading", ""
            replaced = self._replaced
        try:
            restorer, workers = self._load()
        except BaseException as error:
            self._fail(error)
            raise
        with self._changed:
            self._users[restorer] = 1
            if replaced == self._replaced:
                self._current, self.workers = restorer, workers
                self.state, self.message = "ready", restorer.description
            else:
                self.state = "idle"
            self._changed.notify_all()
        return restorer

    def release(self, restorer: Restorer) -> None:
        """Give it back; one that was replaced is closed by its last user."""
        with self._changed:
            self._users[restorer] -= 1
            last = not self._users[restorer] and restorer is not self._current
            if last:
                del self._users[restorer]
        if last:
            restorer.close()

    def replace(self) -> None:
        """Forget the restorer: the next photo loads it anew, those in progress keep the old one."""
        with self._changed:
            old, self._current = self._current, None
            self._replaced += 1
            if self.state != "loading":
                self.state, self.message = "idle", ""
            if old is not None and self._users[old]:
                old = None  # its last user closes it
            if old is not None:
                del self._users[old]
        if old is not None:
            old.close()

    def refuse(self, reason: str) -> None:
        """Tell why it is not even tried, until somebody asks for it."""
        with self._changed:
            self.state, self.message = "failed", reason

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, UserError):
            log.error("the model could not be loaded", exc_info=error)
        with self._changed:
            self.state, self.message = "failed", why_not_loaded(error)
            self._changed.notify_all()


def why_not_loaded(error: BaseException) -> str:
    """One sentence for the user."""
    if isinstance(error, UserError):
        return str(error)
    if shortage := shortage_of(error):
        return str(shortage)
    return f"The model could not be loaded ({error}); look into the log for the cause."
