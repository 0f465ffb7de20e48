"""Ports of this machine: one that nothing uses, and whether something answers at one.

A port that the system gives for an instant may be given to another process before it is used. So
these lie below those that the system gives, and no two processes of the tests take the same.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from itertools import count
from pathlib import Path

FIRST = 15_000
EACH = 500  # ports of one process that runs tests
GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")

_numbers = count(os.getpid())  # tests of two checkouts at once begin elsewhere


def free_port() -> int:
    """A port that nothing listens at, and that no other test gets within hundreds of calls."""
    for _ in range(EACH):
        with suppress(OSError), socket.create_server(("127.0.0.1", _next_port())) as listener:
            return listener.getsockname()[1]
    raise RuntimeError("every port of the tests is in use")


def listens(port: int) -> bool:
    """Whether something answers at a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _next_port() -> int:
    """The next port of this process; 0, which is any, where the system gives low ones too."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    first = FIRST + number * EACH
    if first + EACH > _lowest_given():
        return 0
    return first + next(_numbers) % EACH


def _lowest_given() -> int:
    """The lowest port that the system gives by itself."""
    with suppress(OSError, ValueError):
        return int(GIVEN.read_text().split()[0])
    return 32_768
