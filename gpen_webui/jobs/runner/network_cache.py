"""What the network gave lately, so that a change of strength need not run it again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

from gpen_webui.stages.restorer import NetworkResult

MAX_BYTES = 256 << 20


class NetworkCache:
    """The latest results, as many as fit into `max_bytes`. Thread-safe."""

    def __init__(self, max_bytes: int = MAX_BYTES):
        self._max_bytes = max_bytes
        self._bytes = 0
        self._results: OrderedDict[Hashable, NetworkResult] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> NetworkResult | None:
        """The result kept under this key."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def put(self, key: Hashable, result: NetworkResult) -> None:
        """Keep a result; the ones not used for longest make room."""
        with self._lock:
            if key in self._results:
                self._bytes -= _size(self._results.pop(key))
            self._results[key] = result
            self._bytes += _size(result)
            while self._bytes > self._max_bytes:
                self._bytes -= _size(self._results.popitem(last=False)[1])


def _size(result: NetworkResult) -> int:
    return sum(pixels.nbytes for pixels in [*result.crops, *result.restored])
