"""How a child of this program ends: with its parent, and not by signals that are for the parent."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from threading import Thread

END_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # that ask a program to end; Windows has not all


def leave_ending_to_parent() -> None:
    """Ignore signals that ask to end, and end once the other end of stdin is closed."""
    for name in END_SIGNALS:
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)
    if hasattr(select, "poll"):
        with suppress(RuntimeError):  # no thread: it ends after the photos in progress
            Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Nobody waits for a photo any more then."""
    poll = select.poll()
    poll.register(0, 0)  # tells of nothing but the end
    poll.poll()
    os._exit(0)
