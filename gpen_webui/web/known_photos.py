"""The photo that somebody works on just now, kept open between requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock, Timer

from gpen_webui.photo.photo import Photo
from gpen_webui.repairing.scratches import ScratchDetector
from gpen_webui.stages.known_photo import KnownPhoto

KEPT_SECONDS = 60.0  # after its last use
MOST_BYTES = 256 << 20  # of a photo that is kept


class KnownPhotos:
    """Keeps the latest photo alone, until nobody has asked for it for a while. Thread-safe."""

    def __init__(self, kept_seconds: float = KEPT_SECONDS):
        self._detector = ScratchDetector()
        self._kept_seconds = kept_seconds
        self._lock = Lock()
        self._loading = Lock()  # whoever asks meanwhile finds the photo at hand
        self._kept: tuple[Hashable, KnownPhoto] | None = None
        self._used = 0.0
        self._timer: Timer | None = None

    def of(self, key: Hashable, load: Callable[[], Photo]) -> KnownPhoto:
        """The photo of this key; `load` opens it where it is not at hand."""
        if known := self._at_hand(key):
            return known
        with self._loading:
            if known := self._at_hand(key):
                return known
            with self._lock:
                self._kept = None  # two would need twice the memory
            known = KnownPhoto(load(), self._detector)
            if known.photo.pixels.nbytes <= MOST_BYTES:
                with self._lock:
                    self._kept, self._used = (key, known), time.monotonic()
                    self._watch(self._kept_seconds)
            return known

    def _at_hand(self, key: Hashable) -> KnownPhoto | None:
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                return None
            self._used = time.monotonic()
            return self._kept[1]

    def _watch(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = Timer(seconds, self._forget_unused)
            self._timer.daemon = True
            self._timer.start()

    def _forget_unused(self) -> None:
        with self._lock:
            self._timer = None
            left = self._used + self._kept_seconds - time.monotonic()
            if left <= 0:
                self._kept = None
            else:
                self._watch(left)


known_photos = KnownPhotos()
