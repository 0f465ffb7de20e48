"""Standard input, output and error, as the shell or a service may have left them."""

from __future__ import annotations

import os
import sys
from typing import Literal, TextIO


def prepare_standard_files() -> None:
    """Let every text be written, whatever the terminal's encoding; before any file is opened.

    A standard file that was closed (`>&-`) would give its number to the next file opened, and
    what libraries print would land in that: it is opened on the null device instead.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number, inheritable=True)
    sys.stdin = sys.stdin or _opened(0, "r")
    sys.stdout = sys.stdout or _opened(1, "w")
    sys.stderr = sys.stderr or _opened(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # tests put others in their place
            stream.reconfigure(errors="backslashreplace")


def _opened(number: int, mode: Literal["r", "w"]) -> TextIO:
    return open(number, mode, encoding="utf-8", closefd=False)
