"""Small pictures of photos before and after, kept until the report that people read has them.

They are made while a photo is in memory, so that no file is decoded for the report. One that is
lost, or was never made, is only missing in it.
"""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

LENGTH_BYTES = 4


class Thumbnails:
    """Pairs of pictures, WebP or JPEG, by the results folder and the result's place in it."""

    def __init__(self, root: Path):
        self.root = root

    def keep(self, folder: str, result: str, before: bytes, after: bytes) -> None:
        """Keep a pair, in the place of an earlier one. Raises OSError."""
        path = self._path(folder, result)
        path.parent.mkdir(exist_ok=True)
        partial = path.with_name(f"{path.name}.part")
        partial.write_bytes(len(before).to_bytes(LENGTH_BYTES, "big") + before + after)
        partial.replace(path)

    def of(self, folder: str, result: str) -> tuple[bytes, bytes] | None:
        """What is kept for a result."""
        with suppress(OSError):
            data = self._path(folder, result).read_bytes()
            end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "big")
            return data[LENGTH_BYTES:end], data[end:]
        return None

    def drop(self, folder: str, result: str) -> None:
        """Remove what is kept for a result that came to nothing."""
        with suppress(OSError):
            self._path(folder, result).unlink(missing_ok=True)

    def forget(self, folder: str) -> None:
        """Remove what is kept for a results folder."""
        shutil.rmtree(self.root / _digest(folder), ignore_errors=True)

    def _path(self, folder: str, result: str) -> Path:
        return self.root / _digest(folder) / _digest(result)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]
