"""Where slots wait that have nothing to do."""

from __future__ import annotations

from threading import Condition


class Wakeups:
    """Slots wait here; each call of wake() lets one of them go. Thread-safe."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting = 0
        self._called = 0
        self._is_closed = False

    def wait(self) -> bool:
        """Wait to be woken; False where there will be nothing more to do."""
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._called or self._is_closed)
            self._waiting -= 1
            self._called = max(0, self._called - 1)
            return not self._is_closed

    def wake(self) -> None:
        """Let a slot look for work; nothing happens where all are at work."""
        with self._changed:
            if self._called < self._waiting:
                self._called += 1
                self._changed.notify_all()

    def wait_for_idle(self, patience: float) -> bool:
        """Whether a slot waits that nobody has woken, at the latest after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_idle() or self._is_closed, patience)
            return self._has_idle() and not self._is_closed

    def close(self) -> None:
        """Let all go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _has_idle(self) -> bool:
        return self._waiting > self._called
