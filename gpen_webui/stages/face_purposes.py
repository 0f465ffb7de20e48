"""What a model does to a face: restore it, colour it, or fill its holes.

GPEN's authors trained one network for each of these (Yang et al., 2021); only what it is shown, and
what is taken from its answer, differs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import cv2
import numpy as np

from gpen_webui.models.published import published_model
from gpen_webui.options import RestoreOptions
from gpen_webui.stages.adjust import LUMA, adjust_face
from gpen_webui.stages.fidelity_gate import use_share

ROWS = 256  # of a photo that are looked at together
HOLE_LEVEL = 250  # of all three colours, from which on a pixel is painted white
HOLE_PARTS = 2000  # a hole covers more than one part in so many of the crop
# In parts of the crop's side: so far around a hole its edge is blurred; beyond that follows the
# feather, in which known and filled pixels mix.
HOLE_EDGE, HOLE_FEATHER = 1 / 256, 1 / 128


class FacePurpose(ABC):
    """Crops are (S,S,3) uint8 RGB; restored ones float32, 0-255.

    colours: whether a grey photo's result has colours. sharpens: whether a face becomes less
    blurred.
    """

    colours = False
    sharpens = False

    def shown(self, crop: np.ndarray) -> np.ndarray:
        """What the network is shown of a crop, of the same kind."""
        return crop

    @abstractmethod
    def taken(self, crop: np.ndarray, restored: np.ndarray) -> np.ndarray:
        """The face that the network's answer to a crop amounts to."""

    def adjusted(
        self, crop: np.ndarray, restored: np.ndarray, options: RestoreOptions, share: float
    ) -> np.ndarray:
        """The face to blend in, of what was taken. share: how much of it the fidelity gate uses."""
        original = crop.astype(np.float32)
        return original + (options.strength / 100) * (restored - original)

    def keep_fine(self, options: RestoreOptions) -> float:
        """How much of the photo's detail that is finer than the crop stays, 0-1."""
        return 1.0

    def finished(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """The photo (H,W,3) uint8 with its faces blended in, from the photo as it was;
        `after` may be changed."""
        return after

    def warning(self) -> str | None:
        """What the report says of a photo in which faces were done."""
        return None


class Restore(FacePurpose):
    """The network's face; light, colours and texture as the options say."""

    sharpens = True

    def taken(self, crop: np.ndarray, restored: np.ndarray) -> np.ndarray:
        return restored

    def adjusted(
        self, crop: np.ndarray, restored: np.ndarray, options: RestoreOptions, share: float
    ) -> np.ndarray:
        """Strong shows all that the network made."""
        if options.mode != "strong":
            restored = use_share(crop, restored, share)
        return adjust_face(crop, restored, options)

    def keep_fine(self, options: RestoreOptions) -> float:
        """Strong shows the network's pixels and no others, as far as its strength goes."""
        return 1 - options.strength / 100 if options.mode == "strong" else 1.0


class Colorize(FacePurpose):
    """The photo's brightness with the network's two colours (U and V of BT.601)."""

    colours = True

    def shown(self, crop: np.ndarray) -> np.ndarray:
        grey = np.clip(np.rint(_brightness(crop)), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)

    def taken(self, crop: np.ndarray, restored: np.ndarray) -> np.ndarray:
        """Colours that this brightness cannot have are made paler, not brighter or darker."""
        brightness = np.clip(_brightness(crop), 0, 255)[:, :, None]
        colour = restored - _brightness(restored)[:, :, None]
        room = np.where(colour > 0, 255 - brightness, brightness)
        share = room / np.maximum(np.abs(colour), 1e-3)
        return brightness + np.minimum(share.min(axis=2, keepdims=True), 1) * colour

    def finished(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Blending adds a face's colours to pixels that may be too bright or dark for them."""
        for start in range(0, len(after), ROWS):
            rows = np.s_[start : start + ROWS]
            if not np.array_equal(before[rows], after[rows]):
                after[rows] = np.rint(self.taken(before[rows], after[rows]))
        return after

    def warning(self) -> str | None:
        return "Only the faces were coloured; the rest of the photo stays as it was."


class Inpaint(FacePurpose):
    """Holes, which are painted white, are filled; every other pixel stays."""

    def shown(self, crop: np.ndarray) -> np.ndarray:
        holes = find_holes(crop)
        return np.where(holes[:, :, None], np.uint8(255), crop)

    def taken(self, crop: np.ndarray, restored: np.ndarray) -> np.ndarray:
        weight = _feathered(find_holes(crop))[:, :, None]
        return crop + weight * (restored - crop)

    def adjusted(
        self, crop: np.ndarray, restored: np.ndarray, options: RestoreOptions, share: float
    ) -> np.ndarray:
        return restored  # what is filled by half still shows the hole

    def warning(self) -> str | None:
        return "Only what is painted white on faces was filled; the rest of the photo stays."


def find_holes(crop: np.ndarray) -> np.ndarray:
    """Where a crop (S,S,3) uint8 is painted white, and just around it: (S,S) bool.

    Specks, such as lights in eyes, are no holes.
    """
    side = crop.shape[0]
    white = (crop.min(axis=2) >= HOLE_LEVEL).astype(np.uint8)
    count, parts, figures, _ = cv2.connectedComponentsWithStats(white, connectivity=8)
    large = figures[:, cv2.CC_STAT_AREA] > side * side / HOLE_PARTS
    large[0] = False  # the background
    holes = large[:count][parts].astype(np.uint8)
    reach = 2 * max(1, round(side * HOLE_EDGE)) + 1
    return cv2.dilate(holes, np.ones((reach, reach), np.uint8)).astype(bool)


def purpose_of(model_name: str) -> FacePurpose:
    """What a model is for; one that is not of the catalog restores."""
    entry = published_model(model_name)
    return PURPOSES[entry.task if entry else "restore"]


PURPOSES: dict[str, FacePurpose] = {
    "restore": Restore(),
    "colorize": Colorize(),
    "inpaint": Inpaint(),
}


def _brightness(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) @ np.array(LUMA, np.float32)


def _feathered(holes: np.ndarray) -> np.ndarray:
    """1 in the holes, falling to 0 around them: (S,S) float32."""
    width = max(1.0, holes.shape[0] * HOLE_FEATHER)
    distance = cv2.distanceTransform((~holes).astype(np.uint8), cv2.DIST_L2, 5)
    if not holes.any():
        return np.zeros(holes.shape, np.float32)
    return np.clip(1 - distance / width, 0, 1).astype(np.float32)
