"""The corpus of hostile files: made once by each process, always the same for one seed."""

from __future__ import annotations

from functools import cache

from tests.hostile.bombs import bombs
from tests.hostile.damage import damaged, disguised
from tests.hostile.file import HostileFile
from tests.hostile.metadata import odd_metadata
from tests.hostile.pictures import odd_pictures


@cache
def make_corpus(seed: int = 1) -> list[HostileFile]:
    """All files, each under a name of its own."""
    return [*odd_pictures(), *odd_metadata(seed), *damaged(seed), *disguised(seed), *bombs(seed)]
