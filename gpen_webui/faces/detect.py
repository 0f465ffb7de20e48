"""Find the faces of a photo, whichever way round they are.

CenterFace sees the photo at a middle size, and mostly that is enough. Where it finds no face, or
only small ones, it also looks at a small size, which shows the largest faces. Only where these two
show small faces, or none, may there be smaller ones still, and another look is worth four times the
time. Faces that are not clearly seen, or large or turned, get a second look (second_look.py).

It finds turned faces too, if they are not small. The small ones that lie the same way, or those of
a photo in which nothing was found, it finds in the photo turned by quarters.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from gpen_webui.faces.centerface import (
    MIN_SCORE,
    WEIGHTS,
    CenterFace,
    DetectorError,
    Face,
    merged,
)
from gpen_webui.faces.mesh import FaceMesh
from gpen_webui.faces.second_look import SecondLook, is_sure

__all__ = ["DetectorError", "Face", "FaceDetector"]

SMALL_PASS = 320  # long side in pixels; finds the largest faces
# Long side of the other passes: half the photo's, within these. A face is found from about 14
# pixels on, so the middle pass misses what is narrower than 1.5 to 2.2 % of a photo.
MIDDLE_PASS, LARGE_PASS = (640, 960), (960, 1920)
TURNED_PASS = 640  # of a first look at a turned photo
TURNS = (2, 1, 3)  # quarters, counterclockwise
# Of the photo's long side. People who stand so far away that they are smaller come in groups. The
# landmarks of larger faces are up to 9 % of the face's width better placed by a second look.
SMALL_FACE, LARGE_FACE = 0.1, 0.3
# What looks so little like a face may be a turned one: the score, and how many are looked at again,
# where there are faces and where there are none.
HINT, MOST_HINTS = 0.2, 6
HINT_BESIDE_FACES, MOST_BESIDE_FACES = 0.3, 3


class FaceDetector:
    """Finds faces; may be called from many threads, each of which gets its own networks."""

    def __init__(self, weights: Path = WEIGHTS):
        self._network = CenterFace(weights)
        self._second = SecondLook(self._network, FaceMesh())

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

    def _look_turned(self, pixels: np.ndarray, turn: int) -> list[Face]:
        """What shows in the photo when it is turned by so many quarters, at all sizes."""
        longest = max(pixels.shape[:2])
        middle, large = (
            min(longest, float(np.clip(longest / 2, *limits)))
            for limits in (MIDDLE_PASS, LARGE_PASS)
        )
        look = partial(self._network.look_at, pixels, least=HINT, turn=turn)
        seen = merged(look(middle / longest)) if middle > SMALL_PASS else []
        widths = [face.width for face in seen if face.score >= MIN_SCORE]
        checked = {
            face: self._second.confirm(pixels, face)
            for face in seen
            if face.score >= MIN_SCORE and face.width > LARGE_FACE * longest
        }
        doubtful = [face for face, found in checked.items() if found.doubt]
        if max(widths, default=0) < SMALL_FACE * longest or doubtful:
            seen = [face for face in seen if face not in doubtful]
            seen = merged(seen + look(min(SMALL_PASS, longest) / longest))
            widths = [face.width for face in seen if face.score >= MIN_SCORE]
        has_large_faces_only = widths and min(widths) >= SMALL_FACE * longest
        if large > middle and not has_large_faces_only:
            seen = merged(seen + look(large / longest))
        return merged(
            self._checked(pixels, seen, turn, checked) + [checked[face] for face in doubtful]
        )

    def _checked(
        self, pixels: np.ndarray, seen: list[Face], turn: int, known: dict[Face, Face]
    ) -> list[Face]:
        """Faces after a second look where the first is not enough; hints that proved true.

        known: what a second look has found already.
        """
        faces = []
        for face in seen:
            if face.score < MIN_SCORE:
                continue
            if face in known:
                face = known[face]
            elif not is_sure(face, turn):
                face = self._second.confirm(pixels, face)
            faces.append(face)
        least, most = (HINT_BESIDE_FACES, MOST_BESIDE_FACES) if faces else (HINT, MOST_HINTS)
        hints = [face for face in seen if least <= face.score < MIN_SCORE][:most]
        proved = (self._second.prove(pixels, hint) for hint in hints)
        return merged(faces + [face for face in proved if face])

    def _turns_by_trying(self, pixels: np.ndarray) -> set[int]:
        """The quarters by which a photo in which nothing was found must be turned to show faces."""
        longest = max(pixels.shape[:2])
        scale = min(1.0, TURNED_PASS / longest)
        for turn in TURNS:
            seen = merged(self._network.look_at(pixels, scale, HINT, turn))
            if turns := turns_of(self._checked(pixels, seen, turn, {})):
                return turns
        return set()


def turns_of(faces: list[Face]) -> set[int]:
    """By how many quarters the photo must be turned counterclockwise, 0 to 3, for one or another
    of its faces to be upright. Faces in doubt do not count."""
    return {round(face.roll / 90) % 4 for face in _without_doubt(faces)}


def _without_doubt(faces: list[Face]) -> list[Face]:
    return [face for face in faces if face.doubt is None]
