"""The first process of the server, and which signals mean something to it."""

from __future__ import annotations

import os
import signal

from gunicorn.arbiter import Arbiter

# What gunicorn would do on these (add a worker, start a second server) needs several workers
# or outputs folders; here there is one, and it is at work.
UNUSED_SIGNALS = (
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)


class FirstProcess(Arbiter):
    """Starts the worker, and stops it whatever way a user ends a program.

    SIGHUP means that the terminal was closed: the server stops as with Ctrl-C. Without a
    terminal (a service), or with nohup, it means nothing here.
    """

    def init_signals(self) -> None:
        is_with_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        super().init_signals()
        for number in UNUSED_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if is_with_nohup or not has_terminal():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def handle_hup(self) -> None:
        self.handle_term()


def has_terminal() -> bool:
    """Whether this process would notice that a terminal is closed."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
