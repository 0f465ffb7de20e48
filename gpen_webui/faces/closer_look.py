"""Look for a face that was missed, in a box which the user drew around it.

There is a face, so less has to speak for it than elsewhere: the part around the box is enlarged,
turned by eighths, and looked at with a lower threshold. What the face mesh confirms is taken at
once, then what two looks agree on. Where nothing is recognised, the box itself is the face.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from gpen_webui.face_numbers import Box, DrawnBox
from gpen_webui.faces.align import template, warp
from gpen_webui.faces.centerface import (
    MAX_OVERLAP,
    MIN_SCORE,
    CenterFace,
    is_same_face,
    merged,
    overlap,
)
from gpen_webui.faces.face import Face
from gpen_webui.faces.second_look import (
    COARSE_SIDE,
    SIDE,
    SURE_SHAPE,
    SecondLook,
    agree,
    centre,
    misshape,
    placed,
    upright_matrix,
)

LOW_SCORE = 0.2  # from which on something in the box may be its face
ROLLS = (0, -45, 45, -90, 90, -135, 135, 180)  # degrees
MOST_CANDIDATES = 8  # that are looked at again
LIKELY_SHAPE = 2 * SURE_SHAPE
# Middle and size of the detector's boxes in aligned crops, in parts of the crop's side: means over
# upright portraits.
BOX_IN_CROP = (0.5, 0.55, 0.48, 0.64)


class CloserLook:
    """Looks into drawn boxes; may be called from many threads."""

    def __init__(self, network: CenterFace, second: SecondLook):
        self._network = network
        self._second = second

    def find(
        self, pixels: np.ndarray, drawn: DrawnBox, found: Sequence[Face], turn: int = 0
    ) -> Face:
        """The face in a box of a photo (H,W,3) uint8 RGB; `drawn` of it is the box.

        found: those that are known already, one of which is returned where the box is around it.
        turn: by how many quarters, counterclockwise, the photo's other faces must be turned; a
        face of which nothing is recognised is taken to stand as they do.
        """
        box = _within(box_of(drawn), pixels.shape)
        known = [face for face in found if face.doubt is None]
        face = self._recognised(pixels, box, known)
        if face is None:
            face = next((each for each in known if overlap(each.box, box) > MAX_OVERLAP), None)
        return replace(face or upright_face(box, turn), drawn=drawn)

    def _recognised(self, pixels: np.ndarray, box: Box, known: Sequence[Face]) -> Face | None:
        def is_wanted(face: Face) -> bool:
            return _is_in(face, box) and not any(is_same_face(face, other) for other in known)

        candidates: list[Face] = []
        for roll in ROLLS:
            for face in self._look(pixels, box, roll):
                if not is_wanted(face):
                    continue
                settled = self._second.settle(pixels, face, face.roll, least=LOW_SCORE)
                is_settled = settled is not None and is_wanted(settled)
                if settled and is_settled and self._second.is_upright(pixels, settled):
                    return settled
                candidates.append(face)
        best = sorted(merged(candidates), key=lambda face: -face.score)[:MOST_CANDIDATES]
        for face in best:
            settled = self._second.settle(pixels, face, face.roll, COARSE_SIDE, LOW_SCORE)
            if settled is not None and is_wanted(settled) and _is_likely(settled, face):
                return settled
        return None

    def _look(self, pixels: np.ndarray, box: Box, roll: float) -> Iterator[Face]:
        """What shows around the box, which is turned back by `roll`, finely and coarsely."""
        for side in (SIDE, COARSE_SIDE):
            matrix = upright_matrix(box, roll, side)
            back = cv2.invertAffineTransform(matrix)
            seen = warp(pixels, matrix, (side, side))
            for face in sorted(merged(self._network.look(seen, LOW_SCORE)), key=_by_score):
                yield placed(face, back)


def box_of(drawn: DrawnBox) -> Box:
    """Left, top, right and bottom of a drawn box."""
    left, top, width, height = drawn
    return left, top, left + width, top + height


def _within(box: Box, shape: tuple[int, ...]) -> Box:
    """What of a box lies in the photo: beyond its edge a look sees the photo mirrored."""
    left, top, right, bottom = box
    return max(0, left), max(0, top), min(shape[1], right), min(shape[0], bottom)


def upright_face(box: Box, turn: int) -> Face:
    """A face that fills a box and is upright once the photo is turned counterclockwise by so many
    quarters."""
    across, down, share_wide, share_high = BOX_IN_CROP
    wide, high = box[2] - box[0], box[3] - box[1]
    if turn % 2:
        wide, high = high, wide
    side = math.sqrt((wide / share_wide) * (high / share_high))
    angle = math.radians(90 * turn)
    cosine, sine = math.cos(angle), math.sin(angle)
    middle = centre(box)
    from_middle = side * (template(1) - (across, down))
    landmarks = from_middle @ np.array(((cosine, sine), (-sine, cosine))) + middle
    return Face(box, landmarks.astype(np.float32), 0.0, is_guess=True)


def _is_in(face: Face, box: Box) -> bool:
    x, y = centre(face.box)
    is_inside = box[0] <= x <= box[2] and box[1] <= y <= box[3]
    return is_inside and is_same_face(face, replace(face, box=box))


def _is_likely(settled: Face, face: Face) -> bool:
    """Whether what the mesh does not know may be a face all the same."""
    is_clear = settled.score >= MIN_SCORE and misshape(settled) <= SURE_SHAPE
    return is_clear or (agree(settled, face) and misshape(settled) <= LIKELY_SHAPE)


def _by_score(face: Face) -> float:
    return -face.score
