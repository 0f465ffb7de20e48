"""The stage that repairs a print as a whole, before anything else is done to it."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.repairing.fade import even_out
from gpen_webui.repairing.fill import Holes, fill, without_wide
from gpen_webui.repairing.mask import read_mask
from gpen_webui.repairing.scratches import WORKING_PIXELS, ScratchDetector
from gpen_webui.stages.base import Stages, WorkingPhoto, key_for, progressed
from gpen_webui.states import Stage

# Parts of the photo's longer side, and pixels at least: what is wider is left, as what was there is
# anybody's guess. Somebody who painted a mask has looked.
WIDEST_FOUND, WIDEST_PAINTED, WIDEST_AT_LEAST = 0.025, 0.06, 12.0
FOUND_PERCENT = 80  # of the stage, done once damage is found; filling it is quicker


class RepairPrint:
    """Fills scratches and the like, evens out what has faded."""

    def __init__(self, detector: ScratchDetector):
        self._detector = detector

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        asked = options.repair != "off" or options.mask or options.fade != "off"
        return bool(asked) and not options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        key = key_for(Stage.REPAIR, options)
        kept = working.intermediates.get(key)
        if kept is None:
            yield Stage.REPAIR
            kept = yield from self._repaired(working, options)
            pixels, _, _ = kept
            working.intermediates.put(key, kept, pixels.nbytes)
        pixels, notes, warnings = kept
        working.notes += notes
        working.warnings += warnings
        if pixels is not working.pixels:
            working.pixels = working.unscaled = pixels
            working.is_new = True

    def _repaired(
        self, working: WorkingPhoto, options: RestoreOptions
    ) -> Generator[str, None, tuple[np.ndarray, list[str], list[str]]]:
        """The pixels, notes and warnings; the very same pixels where there was nothing to do."""
        pixels, notes, warnings = working.pixels, [], []
        if options.repair != "off" or options.mask:
            holes = yield from self._holes(working, options)
            share = float(holes.to_fill.mean())
            if share:
                share_of_side = WIDEST_PAINTED if options.mask else WIDEST_FOUND
                before = 0 if options.repair == "off" else FOUND_PERCENT
                pixels = yield from _filled(working, holes.to_fill, share_of_side, before)
                notes.append(f"Damage was filled in on {_percent(share)} of the photo.")
            elif not holes.wide and options.repair != "off":
                notes.append("No scratches were found.")
            elif not holes.wide:
                notes.append("Nothing is marked on the mask: what is damaged must be white.")
            warnings += _warn_of_wide(holes.wide)
        if options.fade != "off":
            with working.clock.stage(Stage.REPAIR):
                evened = even_out(pixels)
            if np.array_equal(evened, pixels):
                notes.append("It has not faded: its levels stay as they are.")
            else:
                pixels = evened
                notes.append("Faded levels were evened out.")
        return pixels, notes, warnings

    def _holes(self, working: WorkingPhoto, options: RestoreOptions) -> Generator[str, None, Holes]:
        longer = max(working.pixels.shape[:2])
        holes = Holes(np.zeros(working.pixels.shape[:2], bool), 0)
        if options.mask:
            with working.clock.stage(Stage.REPAIR):
                painted = read_mask(working.photo, options)
                holes = without_wide(painted, widest(WIDEST_PAINTED, longer))
        if options.repair != "off":
            mask = working.scratches
            if mask is None:
                parts = self._detector.find(working.pixels)
                percent = (0, FOUND_PERCENT)
                mask = yield from progressed(parts, Stage.REPAIR, percent, working.clock)
            with working.clock.stage(Stage.REPAIR):
                found = without_wide(mask, widest(WIDEST_FOUND, longer))
                holes = Holes(holes.to_fill | found.to_fill, holes.wide + found.wide)
        return holes


def _filled(
    working: WorkingPhoto, to_fill: np.ndarray, widest_share: float, before: int
) -> Generator[str, None, np.ndarray]:
    """before: percent of the stage that are done."""
    scale = max(1.0, (to_fill.size / WORKING_PIXELS) ** 0.5)
    parts = fill(working.pixels, to_fill, widest(widest_share, max(to_fill.shape)), scale)
    return (yield from progressed(parts, Stage.REPAIR, (before, 100), working.clock))


def widest(share: float, longer: int) -> float:
    """What is not too wide to be filled, in pixels of a photo with that longer side."""
    return max(WIDEST_AT_LEAST, share * longer)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "less than 0.1 %"


def _warn_of_wide(count: int) -> list[str]:
    if not count:
        return []
    if count == 1:
        return ["1 damaged place is too wide to be filled in and left as it is."]
    return [f"{count} damaged places are too wide to be filled in and left as they are."]
