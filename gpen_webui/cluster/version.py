"""Which version of this program runs here, down to the code: all machines must have the same."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
DIGITS = 10


@cache
def program_version() -> str:
    """A hash of this program's code, DIGITS hexadecimal digits.

    The package's number does not do: two clones of different days have the same.
    """
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:DIGITS]
