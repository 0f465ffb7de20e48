"""Where the result comes that another machine delivers for a claim."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path


class ReceivedResult:
    """The files of one claim in the folder for results that come. id: the claim's random name."""

    def __init__(self, folder: Path, id: str):
        self.id = id
        self._path = folder / id

    def receiving(self) -> Path:
        """A new path for its result while it comes."""
        return self._path.with_suffix(f".{secrets.token_hex(4)}.part")

    def received(self, sha256: str) -> Path:
        """Where its result lies once it is complete."""
        return self._path.with_suffix(f".{sha256}")

    def remove_received(self) -> None:
        """Nobody wants what came, or it has got its place."""
        with suppress(OSError):
            for path in self._path.parent.glob(f"{self.id}.*"):
                path.unlink(missing_ok=True)
