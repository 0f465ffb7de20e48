"""An open photo, and what is measured once of the whole of it while its settings are chosen."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.repairing.fade import Levels, measure
from gpen_webui.repairing.fill import without_wide
from gpen_webui.repairing.mask import read_mask
from gpen_webui.repairing.scratches import ScratchDetector
from gpen_webui.stages.base import last
from gpen_webui.stages.denoise import Noise, noise_of
from gpen_webui.stages.repair import WIDEST_FOUND, WIDEST_PAINTED, widest


class KnownPhoto:
    """An open photo, and what has been learned of the whole of it; may be shared by threads."""

    def __init__(self, photo: Photo, detector: ScratchDetector):
        self.photo = photo
        self._detector = detector
        self._holes: tuple[object, np.ndarray] = (None, np.empty(0))

    @cached_property
    def damage(self) -> np.ndarray:
        """Where it seems to be damaged, (H,W) bool."""
        return last(self._detector.find(self.photo.pixels))

    @cached_property
    def levels(self) -> Levels:
        """By which it tells how far it has faded."""
        return measure(self.photo.pixels)

    @cached_property
    def noise(self) -> Noise:
        """How strong its noise is."""
        return noise_of(self.photo.pixels)

    def holes(self, options: RestoreOptions) -> np.ndarray:
        """What the options would fill in, (H,W) bool."""
        wanted = (options.repair, options.mask)
        if self._holes[0] != wanted:
            self._holes = (wanted, self._found_holes(options))
        return self._holes[1]

    def _found_holes(self, options: RestoreOptions) -> np.ndarray:
        shape = self.photo.pixels.shape
        holes = np.zeros(shape[:2], bool)
        if options.mask:
            painted = read_mask(self.photo, options)
            holes |= without_wide(painted, widest(WIDEST_PAINTED, max(shape))).to_fill
        if options.repair != "off":
            holes |= without_wide(self.damage, widest(WIDEST_FOUND, max(shape))).to_fill
        return holes
