"""Find the faces of a photo, whichever way round they are.

CenterFace sees the photo at a middle size, and mostly that is enough. Where it finds no face, or
only small ones, it also looks at a small size, which shows the largest faces. Only where these two
show small faces, or none, may there be smaller ones still, and another look is worth four times the
time. Faces that are not clearly seen, or large or turned, get a second look (second_look.py).

It finds turned faces too, if they are not small. The small ones that lie the same way, or those of
a photo in which nothing was found, it finds in the photo turned by quarters.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gpen_webui.face_numbers import DrawnBox
from gpen_webui.faces.centerface import (
    MIN_SCORE,
    WEIGHTS,
    CenterFace,
    DetectorError,
    Face,
    is_same_face,
    merged,
)
from gpen_webui.faces.closer_look import CloserLook
from gpen_webui.faces.mesh import FaceMesh
from gpen_webui.faces.second_look import SecondLook, is_sure
from gpen_webui.faces.turn import common_turn, turns_of

__all__ = ["DetectorError", "Face", "FaceDetector"]

SMALL_PASS = 320  # long side in pixels; finds the largest faces
# Long side of the other passes: half the photo's, within these. A face is found from about 14
# pixels on, so the middle pass misses what is narrower than 1.5 to 2.2 % of a photo.
MIDDLE_PASS, LARGE_PASS = (640, 960), (960, 1920)
TURNED_PASS = 480  # of a first look at a turned photo
TURNS = (2, 1, 3)  # quarters, counterclockwise
# Of the photo's long side. People who stand so far away that they are smaller come in groups. The
# landmarks of larger faces are up to 9 % of the face's width better placed by a second look.
SMALL_FACE, LARGE_FACE = 0.1, 0.3
# What looks so little like a face may be a turned one: the score, and how many are looked at again,
# where there is no face and where there are others.
HINT, MOST_HINTS = 0.2, 6
HINT_BESIDE_FACES, MOST_BESIDE_FACES = 0.3, 3
HINT_WIDTH = 24  # pixels of the look: smaller turned faces do not even give a hint


class FaceDetector:
    """Finds faces; may be called from many threads, each of which gets its own networks."""

    def __init__(self, weights: Path = WEIGHTS):
        self._network = CenterFace(weights)
        self._second = SecondLook(self._network, FaceMesh())
        self._closer = CloserLook(self._network, self._second)

    def detect(self, pixels: np.ndarray) -> list[Face]:
        """All faces of a photo (H,W,3) uint8 RGB, from left to right and top to bottom, also those
        that are better left alone (`Face.doubt`).

        The same photo gives the same faces, whatever else is running.
        """
        faces = self._look_turned(pixels, 0)
        turns = turns_of(faces) if _without_doubt(faces) else self._turns_by_trying(pixels)
        for turn in turns - {0}:
            faces = merged(faces + self._look_turned(pixels, turn))
        return sorted(faces, key=lambda face: (face.box[0], face.box[1]))

    def find_in(self, pixels: np.ndarray, drawn: DrawnBox, found: list[Face]) -> Face:
        """The face in a box that the user drew in a photo (H,W,3) uint8 RGB: one of those found,
        or one that was missed, or where nothing is recognised, the box itself."""
        return self._closer.find(pixels, drawn, found, common_turn(found))

    def free_memory(self) -> None:
        """Give back what the calling thread's network keeps for the next photo."""
        self._network.free_memory()

    def _look_turned(self, pixels: np.ndarray, turn: int) -> list[Face]:
        """What shows in the photo when it is turned by so many quarters, at all sizes."""
        longest = max(pixels.shape[:2])
        middle, large = (
            min(longest, float(np.clip(longest / 2, *limits)))
            for limits in (MIDDLE_PASS, LARGE_PASS)
        )
        faces, hints = self._middle_look(pixels, turn, middle / longest)
        large_faces = [face for face in faces if face.width > LARGE_FACE * longest]
        checked = {face: self._second.confirm(pixels, face) for face in large_faces}
        doubtful = [face for face, found in checked.items() if found.doubt]
        largest = max((face.width for face in faces), default=0)
        if largest < SMALL_FACE * longest or doubtful:
            faces = [face for face in faces if face not in doubtful]
            small = min(SMALL_PASS, longest) / longest
            faces = merged(faces + self._network.look_at(pixels, small, turn=turn))
        has_large_faces_only = faces and min(map(_width, faces)) >= SMALL_FACE * longest
        if large > middle and not has_large_faces_only:
            faces = merged(faces + self._network.look_at(pixels, large / longest, turn=turn))
        faces = [checked.get(face) or self._checked(pixels, face, turn) for face in faces]
        faces += [checked[face] for face in doubtful]
        return merged(faces + self._proved(pixels, hints, faces))

    def _middle_look(
        self, pixels: np.ndarray, turn: int, scale: float
    ) -> tuple[list[Face], list[Face]]:
        """Faces, and hints at others; nothing of a photo that is small anyway."""
        if scale * max(pixels.shape[:2]) <= SMALL_PASS:
            return [], []
        seen = merged(self._network.look_at(pixels, scale, HINT, turn))
        faces = [face for face in seen if face.score >= MIN_SCORE]
        others = [face for face in seen if face.score < MIN_SCORE]
        return faces, [hint for hint in others if hint.width * scale >= HINT_WIDTH]

    def _checked(self, pixels: np.ndarray, face: Face, turn: int) -> Face:
        return face if is_sure(face, turn) else self._second.confirm(pixels, face)

    def _proved(self, pixels: np.ndarray, hints: list[Face], faces: list[Face]) -> list[Face]:
        """The hints that are faces beside those found."""
        least, most = (HINT_BESIDE_FACES, MOST_BESIDE_FACES) if faces else (HINT, MOST_HINTS)
        beside = [
            hint
            for hint in hints
            if hint.score >= least and not any(is_same_face(hint, face) for face in faces)
        ]
        proved = (self._second.prove(pixels, hint) for hint in beside[:most])
        return [face for face in proved if face]

    def _turns_by_trying(self, pixels: np.ndarray) -> set[int]:
        """The quarters by which a photo in which nothing was found must be turned to show faces."""
        scale = min(1.0, TURNED_PASS / max(pixels.shape[:2]))
        for turn in TURNS:
            seen = merged(self._network.look_at(pixels, scale, turn=turn))
            if turns := turns_of([self._checked(pixels, face, turn) for face in seen]):
                return turns
        return set()


def _without_doubt(faces: list[Face]) -> list[Face]:
    return [face for face in faces if face.doubt is None]


def _width(face: Face) -> float:
    return face.width
