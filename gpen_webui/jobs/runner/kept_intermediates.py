"""What stages made of photos lately, so that a change of strength runs no network again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

MAX_BYTES = 256 << 20


class KeptIntermediates:
    """The latest values of all photos, as many as fit into `max_bytes`. Thread-safe."""

    def __init__(self, max_bytes: int = MAX_BYTES):
        self._max_bytes = max_bytes
        self._bytes = 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def of(self, *photo: Hashable) -> PhotoIntermediates:
        """Those of one photo, restored with one model in one way."""
        return PhotoIntermediates(self, photo)

    def get(self, key: Hashable) -> Any | None:
        """The value kept under this key."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of `size` bytes; those not used for longest make room."""
        if size > self._max_bytes:
            return
        with self._lock:
            if key in self._values:
                self._bytes -= self._values.pop(key)[1]
            self._values[key] = value, size
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._values.popitem(last=False)[1][1]


class PhotoIntermediates:
    """See stages.base.Intermediates."""

    def __init__(self, kept: KeptIntermediates, photo: Hashable):
        self._kept = kept
        self._photo = photo

    def get(self, key: Hashable) -> Any | None:
        return self._kept.get((self._photo, key))

    def put(self, key: Hashable, value: Any, size: int) -> None:
        self._kept.put((self._photo, key), value, size)
