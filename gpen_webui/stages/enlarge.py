"""The stage that enlarges and cleans the whole photo, faces included.

Faces are still cut out of the photo as it was, restored as ever, and then put into the enlarged
one, so that it shows as much of them as the model makes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import cv2
import numpy as np

from gpen_webui.enlarging.tiles import through_tiles
from gpen_webui.faces.align import scale_of
from gpen_webui.models.enlarging import CLEAN, RESTORE, enlarging_model
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.limits import longest_side
from gpen_webui.photo.photo import Photo
from gpen_webui.stages.base import Stages, WorkingPhoto, key_for, progressed
from gpen_webui.states import Stage

if TYPE_CHECKING:
    from gpen_webui.engines.base import TileEngine
    from gpen_webui.models.folder import InstalledModel

log = logging.getLogger(__name__)

OpenTileEngine = Callable[["InstalledModel"], "TileEngine"]

SCALES = (1, 2, 4)
# A face that has this share of the pixels that the model makes shows all of them that matter.
ENOUGH = 0.7
# The network that each choice of the background takes first.
NETWORKS = {"clean": CLEAN, "restore": RESTORE}
DONE_TO_BACKGROUND = {
    "clean": "The background was cleaned.",
    "restore": "The background was restored.",
}


class TileEngines:
    """The networks that enlarge, each opened when it is first needed; thread-safe.

    models: the folder of those of others, which are large: an idle one is closed for another.
    """

    def __init__(self, open_engine: OpenTileEngine, models: Path):
        self._open = open_engine
        self._models = models
        self._engines: dict[str, TileEngine] = {}
        self._users: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def use(self, name: str) -> Iterator[TileEngine]:
        """The network of this name. Raises UserError where it cannot be used."""
        with self._lock:
            engine = self._engines.get(name) or self._opened(name)
            self._users[name] += 1
        try:
            yield engine
        finally:
            with self._lock:
                self._users[name] -= 1

    def _opened(self, name: str) -> TileEngine:
        model = enlarging_model(name, self._models)
        for other in [each for each in self._engines if each not in (CLEAN, RESTORE)]:
            if not self._users[other]:
                self._engines.pop(other).close()
        self._engines[name] = self._open(model)
        log.info("%s", self._engines[name].description)
        return self._engines[name]

    def close(self) -> None:
        """Free all that are open."""
        with self._lock:
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()


class Enlarge:
    """model_size: side, in pixels, of the faces that the model makes."""

    def __init__(self, engines: TileEngines, model_size: int):
        self._engines = engines
        self._model_size = model_size

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        return not options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        working.useful_scale = useful_scale(working)
        wanted = wanted_scale(working, options)
        scale = largest_scale(working, options, wanted)
        if scale < wanted:
            working.warnings.append(_less_than(wanted, scale, working, options))
        elif options.enlarge == "auto" and scale == 1:
            working.notes.append(_why_not_enlarged(working))
        if scale == 1 and options.background == "off":
            return
        key = key_for(Stage.ENLARGE, options, scale)
        pixels = working.intermediates.get(key)
        if pixels is None:
            yield Stage.ENLARGE
            with working.clock.stage(Stage.ENLARGE):
                pixels = yield from self.enlarged(working.pixels, scale, options)
            working.intermediates.put(key, pixels, pixels.nbytes)
        working.pixels, working.scale, working.is_new = pixels, scale, True
        if scale > 1:
            height, width = pixels.shape[:2]
            working.notes.append(f"Enlarged {scale} times, to {width} x {height} pixels.")
        if options.enlarge_model:
            working.notes.append(f"The whole photo went through {options.enlarge_model}.")
        elif options.background != "off":
            working.notes.append(DONE_TO_BACKGROUND[options.background])

    def enlarged(
        self, pixels: np.ndarray, scale: int, options: RestoreOptions
    ) -> Generator[str, None, np.ndarray]:
        """Pixels (H,W,3) uint8, `scale` times larger, with what becomes of the background."""
        if options.background == "off" and scale == 1:
            return pixels
        if options.background == "off" and not options.enlarge_model:
            return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        name, done = options.enlarge_model or NETWORKS[options.background], 0
        left = scale
        while True:
            with self._engines.use(name) as engine:
                step = min(left, engine.shape.scale)
                left //= step
                # Each further step has so many times the tiles of the one before.
                until = round(done + (100 - done) / (1 + step**2)) if left > 1 else 100
                pixels = yield from _through(engine, pixels, step, (done, until))
                enlarges = engine.shape.scale > 1
            if left == 1:
                return pixels
            done = until
            # What was enlarged is clean by then.
            name = options.enlarge_model if options.enlarge_model and enlarges else CLEAN


def wanted_scale(working: WorkingPhoto, options: RestoreOptions) -> int:
    """How many times the photo is to be enlarged, if the limits allow."""
    return useful_scale(working) if options.enlarge == "auto" else int(options.enlarge)


def useful_scale(working: WorkingPhoto) -> int:
    """How many times the photo may be enlarged until its largest face shows all that the model
    makes of it, at most 4 times."""
    matrices = working.found.matrices if working.found else []
    if not matrices:
        return 1
    wanted = ENOUGH * min(scale_of(matrix) for matrix in matrices)
    return next((scale for scale in SCALES if scale >= wanted), SCALES[-1])


def largest_scale(working: WorkingPhoto, options: RestoreOptions, wanted: int) -> int:
    """How far a photo is enlarged of what is wanted, so that it stays within the limits."""
    height, width = working.pixels.shape[:2]
    side = longest_side(working.photo.format if options.format == "same" else options.format)

    def fits(scale: int) -> bool:
        return (
            width * height * scale**2 <= options.max_megapixels * 1e6
            and max(width, height) * scale <= side
        )

    return max((scale for scale in SCALES if scale <= wanted and fits(scale)), default=1)


def _why_not_enlarged(working: WorkingPhoto) -> str:
    if working.found and working.found.matrices:
        return "Its largest face has as many pixels as the model makes, so its size stays."
    return "There is no face that says how far to enlarge the photo, so its size stays."


def _less_than(wanted: int, scale: int, working: WorkingPhoto, options: RestoreOptions) -> str:
    height, width = working.pixels.shape[:2]
    done = f"only {scale} times" if scale > 1 else "not"
    megapixels = width * height * wanted**2 / 1e6
    if megapixels > options.max_megapixels:
        why = f"the limit is {options.max_megapixels}; raise it with --max-megapixels"
    else:
        why = "its format holds no longer sides; choose --format png"
    return (
        f"{working.photo.name} is {done} enlarged: {wanted} times it would have {width * wanted} x "
        f"{height * wanted} pixels ({megapixels:.0f} megapixels), and {why}."
    )


def _through(
    engine: TileEngine, pixels: np.ndarray, scale: int, percent: tuple[int, int]
) -> Generator[str, None, np.ndarray]:
    """A photo enlarged so many times; yields where it may be stopped.

    scale: a divisor of the network's. percent: of the stage, done before and after.
    """
    shape = engine.shape
    # A second tile for each stream keeps it busy; those of large networks take long enough.
    at_once = engine.streams if shape.any_size else 2 * engine.streams
    tiles = through_tiles(pixels, engine.run, shape, at_once=at_once, shrink=shape.scale // scale)
    return (yield from progressed(tiles, Stage.ENLARGE, percent))
