"""The networks that restore photos: which ones, for how many photos at once, and their opening.

They open in threads of their own, in native code for the most part. Whoever is in a hurry asks for
them first, and loads the rest of the program meanwhile; so nothing that is slow to load is imported
here before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from gpen_webui.engines.photos_at_once import KeptTurns, are_enough, fastest, numbers_to_try
from gpen_webui.heap import share_one_heap
from gpen_webui.models.folder import InstalledModel
from gpen_webui.models.installed import find_model, small_face_model
from gpen_webui.settings import Settings

if TYPE_CHECKING:
    from gpen_webui.engines.base import Engine, TileEngine
    from gpen_webui.engines.face_parser import FaceParser
    from gpen_webui.faces.detect import FaceDetector

Opened = TypeVar("Opened")


def choose_workers(settings: Settings) -> int:
    """How many photos to have in work at once: as the settings say, or as was measured best with
    this model on this machine; until then one per core, or one alone where there is little memory.

    Raises UserError where the model cannot be used.
    """
    if settings.workers:
        return settings.workers
    turns = kept_turns(find_model(settings.model, settings.models), settings).read()
    return fastest(turns) if are_enough(turns) else max(numbers_to_try())


def kept_turns(model: InstalledModel, settings: Settings) -> KeptTurns:
    """What was measured of a model with one photo or several at once."""
    return KeptTurns(_cache(settings), model.sha256, settings.device, settings.precision)


def open_networks(settings: Settings, workers: int) -> OpeningNetworks:
    """Those of the model that the settings name; of None the default one, and another for small
    faces where that is installed. workers: how many threads will call them at once.

    Raises UserError where the model cannot be used.
    """
    model = find_model(settings.model, settings.models)
    small = small_face_model(model, settings.models) if settings.model is None else None
    return OpeningNetworks(model, small, settings, workers)


class OpeningNetworks:
    """Networks that are being opened.

    model, small: what restores faces, and small ones, or None. detector: what finds them; it opens
    by itself with the first photo, should it not be open by then.
    """

    detector: FaceDetector

    def __init__(
        self, model: InstalledModel, small: InstalledModel | None, settings: Settings, workers: int
    ):
        share_one_heap()
        self.model, self.small = model, small
        self.settings, self.workers = settings, workers
        cache = _cache(settings)
        self._how: dict[str, Any] = {
            "device": settings.device,
            "precision": settings.precision,
            "workers": workers,
            "cache": cache,
        }
        self._engine = _begun(partial(self._open_engine, model))
        self._small_engine = _begun(partial(self._open_engine, small)) if small else None
        from gpen_webui.faces.detect import FaceDetector

        self.detector = FaceDetector(workers=workers, cache=cache)
        _begun(self.detector.prepare)

    def engine(self) -> Engine:
        """What runs the model, once it is open. Raises UserError where it cannot be."""
        return self._engine.result()

    def small_engine(self) -> Engine | None:
        """The same of the model for small faces."""
        return self._small_engine.result() if self._small_engine else None

    def open_tile_engine(self, model: InstalledModel) -> TileEngine:
        """Open a network that enlarges."""
        from gpen_webui.engines.open import open_tile_engine

        return open_tile_engine(model, **self._how)

    def open_face_parser(self, model: InstalledModel) -> FaceParser:
        """Open ParseNet."""
        from gpen_webui.engines.open import open_face_parser

        return open_face_parser(model, device=self.settings.device)

    def _open_engine(self, model: InstalledModel) -> Engine:
        from gpen_webui.engines.open import open_engine

        return open_engine(model, **self._how)


def _cache(settings: Settings) -> Path:
    return settings.models / ".cache"


def _begun(make: Callable[[], Opened]) -> Future[Opened]:
    """What `make` gives or raises, in a thread where there may be one more."""
    future: Future[Opened] = Future()

    def run() -> None:
        try:
            future.set_result(make())
        except BaseException as error:
            future.set_exception(error)

    try:
        Thread(target=run, name="open-network", daemon=True).start()
    except RuntimeError:
        run()
    return future
