"""Waiting for what happens beside a test; nothing else in the tests reads a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
PATIENCE = 120.0  # seconds until a test gives up; only a fault takes so long


def wait_for(
    condition: Callable[[], Value],
    patience: float = PATIENCE,
    said: Callable[[], str] = lambda: "waited in vain",
) -> Value:
    """What the condition gives, as soon as that is true; said: why it is not, at the end."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, said()
        time.sleep(0.02)
    return found
