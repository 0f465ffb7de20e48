"""The stage that enlarges and cleans the whole photo, faces included.

Faces are still cut out of the photo as it was, restored as ever, and then put into the enlarged
one, so that it shows as much of them as the model makes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from threading import Lock
from typing import TYPE_CHECKING

import cv2
import numpy as np

from gpen_webui.enlarging.tiles import through_tiles
from gpen_webui.faces.align import scale_of
from gpen_webui.models.enlarging import enlarging_model
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.limits import longest_side
from gpen_webui.photo.photo import Photo
from gpen_webui.stages.base import Progress, Stages, WorkingPhoto, key_for
from gpen_webui.states import Stage

if TYPE_CHECKING:
    from gpen_webui.engines.base import TileEngine
    from gpen_webui.models.folder import InstalledModel

log = logging.getLogger(__name__)

OpenTileEngine = Callable[["InstalledModel"], "TileEngine"]

SCALES = (1, 2, 4)
# A face that has this share of the pixels that the model makes shows all of them that matter.
ENOUGH = 0.7
# The network that each choice of the background takes; what is enlarged twice is clean by then.
CLEAN, RESTORE = "enlarge-clean", "enlarge-restore"
NETWORKS = {"clean": (CLEAN, CLEAN), "restore": (RESTORE, CLEAN)}
DONE_TO_BACKGROUND = {
    "clean": "The background was cleaned.",
    "restore": "The background was restored.",
}


class TileEngines:
    """The networks that enlarge, each opened when it is first needed; thread-safe."""

    def __init__(self, open_engine: OpenTileEngine):
        self._open = open_engine
        self._engines: dict[str, TileEngine] = {}
        self._lock = Lock()

    def of(self, name: str) -> TileEngine:
        """The network of this name. Raises UserError where it cannot be used."""
        with self._lock:
            if name not in self._engines:
                self._engines[name] = self._open(enlarging_model(name))
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
                pixels = yield from self.enlarged(working.pixels, scale, options.background)
            working.intermediates.put(key, pixels, pixels.nbytes)
        working.pixels, working.scale, working.is_new = pixels, scale, True
        if scale > 1:
            height, width = pixels.shape[:2]
            working.notes.append(f"Enlarged {scale} times, to {width} x {height} pixels.")
        if options.background != "off":
            working.notes.append(DONE_TO_BACKGROUND[options.background])

    def enlarged(
        self, pixels: np.ndarray, scale: int, background: str
    ) -> Generator[str, None, np.ndarray]:
        """Pixels (H,W,3) uint8, `scale` times larger, with what becomes of the background."""
        if background == "off" and scale == 1:
            return pixels
        if background == "off":
            return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        name, next_name = NETWORKS[background]
        first = self._engines.of(name)
        if scale == 1:
            return (yield from _through(first, pixels, (0, 100), shrink=True))
        if scale == 2:
            return (yield from _through(first, pixels, (0, 100)))
        twice = yield from _through(first, pixels, (0, 20))  # the second step has 4 times the tiles
        return (yield from _through(self._engines.of(next_name), twice, (20, 100)))


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
    engine: TileEngine, pixels: np.ndarray, percent: tuple[int, int], *, shrink: bool = False
) -> Generator[str, None, np.ndarray]:
    """A photo enlarged twice, or cleaned at its own size; yields where it may be stopped.

    percent: of the stage, done before and after.
    """
    before, after = percent
    tiles = through_tiles(
        pixels, engine.run, engine.shape, at_once=2 * engine.streams, shrink=shrink
    )
    while True:
        try:
            share = next(tiles)
        except StopIteration as end:
            return end.value
        yield Progress(Stage.ENLARGE, round(before + share * (after - before)))
