"""How much work a function does, without a clock."""

import sys
from collections.abc import Callable


def calls_of(function: Callable[[], object]) -> int:
    """How many calls, also of built-in functions, this thread makes while it runs."""
    count = 0

    def on_event(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(on_event)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count
