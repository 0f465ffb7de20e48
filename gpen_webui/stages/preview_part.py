"""Which part of a picture a preview works on, at which size, and where its pixels lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from gpen_webui.face_numbers import Box
from gpen_webui.options import RestoreOptions
from gpen_webui.stages.adjust import detail_radius
from gpen_webui.stages.enlarge import SCALES
from gpen_webui.stages.known_photo import KnownPhoto

MARGIN = 16  # pixels around the part that is seen: so far what is done to it reaches
DEVIATIONS = 3  # of a blur, within which all of it lies that can be seen


@dataclass(frozen=True, eq=False)
class PreviewRequest:
    """What is to be shown. box: left, top, right, bottom of what is seen, in pixels of the photo as
    it lies in its file. width: of that, in pixels of the screen. former: options with which the
    photo was restored before."""

    known: KnownPhoto
    box: Box
    width: int
    options: RestoreOptions
    former: RestoreOptions


@dataclass(frozen=True, eq=False)
class Source:
    """The picture of which a part is taken: the photo, or what was kept of it.

    scale: how many times larger than the photo it is. is_repaired, is_enlarged: what was done to it
    already, as the options say.
    """

    pixels: np.ndarray
    scale: int = 1
    is_repaired: bool = False
    is_enlarged: bool = False


@dataclass(frozen=True)
class Part:
    """What is taken of a source.

    seen, taken: left, top, right, bottom in its pixels, without and with a margin. shrunk: at which
    scale, at most 1, that is worked on. enlarged: how many times it is enlarged then.
    """

    seen: tuple[int, int, int, int]
    taken: tuple[int, int, int, int]
    shrunk: float
    enlarged: int

    @property
    def scale(self) -> float:
        """How many times larger than in the source it is in the end."""
        return self.shrunk * self.enlarged


def part_of(source: Source, request: PreviewRequest, scale: int) -> Part:
    """What of a source is asked for. scale: how many times larger than the photo the result is."""
    height, width = source.pixels.shape[:2]
    left, top, right, bottom = (side * source.scale for side in request.box)
    seen = (
        min(max(0, math.floor(left)), width - 1),
        min(max(0, math.floor(top)), height - 1),
        max(1, min(width, math.ceil(right))),
        max(1, min(height, math.ceil(bottom))),
    )
    times = request.width / (seen[2] - seen[0])  # pixels of the screen for one of the source
    shrunk = min(1.0, times)
    enlarged = 1
    if not source.is_enlarged and shrunk == 1:
        enlarged = next(each for each in SCALES if each >= min(scale, times))
    margin = MARGIN
    if request.options.enhance_detail:
        side = min(height, width) * scale // source.scale
        radius = detail_radius(side) * shrunk * enlarged * source.scale / scale
        margin = max(margin, math.ceil(DEVIATIONS * radius / enlarged))
    around = math.ceil(margin / shrunk)
    taken = (
        max(0, seen[0] - around),
        max(0, seen[1] - around),
        min(width, seen[2] + around),
        min(height, seen[3] + around),
    )
    return Part(seen, taken, shrunk, enlarged)


def cut_part(pixels: np.ndarray, part: Part) -> np.ndarray:
    """The part as it is worked on; of masks (H,W) uint8 too."""
    left, top, right, bottom = part.taken
    taken = pixels[top:bottom, left:right]
    if part.shrunk == 1:
        return taken
    size = tuple(max(1, round(side * part.shrunk)) for side in taken.shape[1::-1])
    return cv2.resize(taken, size, interpolation=cv2.INTER_AREA)


def in_part(matrix: np.ndarray, source: Source, part: Part) -> np.ndarray:
    """From pixels of the part to a crop, where `matrix` is from the photo's own.

    The centre of pixel i of the part is at (i + 0.5) / scale - 0.5 of what was taken.
    """
    scale = part.scale * source.scale
    corner = np.array(part.taken[:2]) / source.scale
    shift = matrix[:, :2] @ ((0.5 / scale - 0.5) + corner)
    return np.column_stack((matrix[:, :2] / scale, matrix[:, 2] + shift))


def without_margin(pixels: np.ndarray, part: Part) -> np.ndarray:
    """The worked-on part, (h,w,3) uint8, cut to what is seen of it."""
    left, top = (
        round((a - b) * part.scale) for a, b in zip(part.seen, part.taken[:2], strict=False)
    )
    width, height = (max(1, round((part.seen[i + 2] - part.seen[i]) * part.scale)) for i in (0, 1))
    return pixels[top : top + height, left : left + width]
