"""Find the faces of a photo, whichever way round they are.

CenterFace sees the photo at a middle size, and mostly that is enough. Where it finds no face, or
only small ones, it also looks at a small size, which shows the largest faces. Only where these two
show small faces, or none, may there be smaller ones still, and another look is worth four times the
time.

These looks find faces, and are as quick as they can be. Then the faces are placed: what lies
around each is looked at once more, exactly. Those that are not clearly seen, or large or turned,
are looked at more closely (second_look.py).

It finds turned faces too, if they are not small. The small ones that lie the same way, or those of
a photo in which nothing was found, it finds in the photo turned by quarters, or as far as a photo
hangs askew.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.face_numbers import DrawnBox
from gpen_webui.faces.align import warp
from gpen_webui.faces.centerface import (
    MIN_SCORE,
    WEIGHTS,
    CenterFace,
    is_same_face,
    merged,
)
from gpen_webui.faces.centerface_network import DetectorError
from gpen_webui.faces.closer_look import CloserLook
from gpen_webui.faces.face import Face
from gpen_webui.faces.mesh import FaceMesh
from gpen_webui.faces.second_look import SecondLook, is_sure, placed
from gpen_webui.faces.turn import common_tilt, common_turn, turns_of
from gpen_webui.faces.view import View

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
    """Finds faces; may be called from many threads.

    workers: how many will call at once. cache: folder of compiled models, or None. `exact`: the
    network that places faces, for others that look for some.
    """

    def __init__(self, weights: Path = WEIGHTS, workers: int = 1, cache: Path | None = None):
        self._finder = CenterFace(weights, workers, cache, finds=True)
        self.exact = CenterFace(weights, workers, cache)
        self._second = SecondLook(self.exact, FaceMesh())
        self._closer = CloserLook(self.exact, self._second)

    def prepare(self) -> None:
        """Open the network now, instead of with the first photo. Raises DetectorError."""
        self._finder.prepare()
        self.exact.prepare()

    def detect(self, pixels: np.ndarray) -> list[Face]:
        """All faces of a photo (H,W,3) uint8 RGB, from left to right and top to bottom, also those
        that are better left alone (`Face.doubt`).

        The same photo gives the same faces, whatever else is running.
        """
        faces = self._look_turned(pixels, 0)
        if common_tilt(faces) is None:
            turns = turns_of(faces) if _without_doubt(faces) else self._turns_by_trying(pixels)
            for turn in turns - {0}:
                faces = merged(faces + self._look_turned(pixels, turn))
        if (tilt := common_tilt(faces)) is not None:
            faces = merged(faces + self._look_straightened(pixels, tilt))
        return sorted(faces, key=lambda face: (face.box[0], face.box[1]))

    def find_in(self, pixels: np.ndarray, drawn: DrawnBox, found: list[Face]) -> Face:
        """The face in a box that the user drew in a photo (H,W,3) uint8 RGB: one of those found,
        or one that was missed, or where nothing is recognised, the box itself."""
        return self._closer.find(pixels, drawn, found, common_turn(found))

    def free_memory(self) -> None:
        """Give back what the networks keep for the next photo."""
        self._finder.free_memory()
        self.exact.free_memory()

    def _look_turned(self, pixels: np.ndarray, turn: int) -> list[Face]:
        """What shows in the photo when it is turned by so many quarters, at all sizes."""
        longest = max(pixels.shape[:2])
        middle, large = (_side_of(limits, longest) for limits in (MIDDLE_PASS, LARGE_PASS))
        view = View.of(pixels, middle / longest, turn)
        faces, hints = self._middle_look(view)
        seen = dict.fromkeys(faces, view)  # where each face was found
        large_faces = [face for face in faces if face.width > LARGE_FACE * longest]
        checked = {face: self._second.confirm(pixels, face) for face in large_faces}
        doubtful = [face for face, found in checked.items() if found.doubt]
        largest = max((face.width for face in faces), default=0)
        if largest < SMALL_FACE * longest or doubtful:
            faces = [face for face in faces if face not in doubtful]
            view = View.of(pixels, min(SMALL_PASS, longest) / longest, turn)
            faces = merged(faces + self._found(view, seen))
        has_large_faces_only = faces and min(map(_width, faces)) >= SMALL_FACE * longest
        if large > middle and not has_large_faces_only:
            faces = merged(faces + self._found(View.of(pixels, large / longest, turn), seen))
        faces = [
            checked.get(face) or self._placed(pixels, seen[face], face, turn) for face in faces
        ]
        faces += [checked[face] for face in doubtful]
        return merged(faces + self._proved(pixels, hints, faces))

    def _look_straightened(self, pixels: np.ndarray, tilt: float) -> list[Face]:
        """What shows in the photo when a tilt in degrees is taken out of it."""
        height, width = pixels.shape[:2]
        scale = _side_of(LARGE_PASS, max(height, width)) / max(height, width)
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), tilt, scale)
        across, down = np.abs(matrix[:, :2]) @ (width, height)
        size = (math.ceil(across), math.ceil(down))
        matrix[:, 2] = matrix[:, 2] + np.subtract(size, (width, height)) / 2
        straight = warp(pixels, matrix, size, beyond=cv2.BORDER_CONSTANT)
        back = cv2.invertAffineTransform(matrix)
        seen = merged(self._finder.look_at(View.of(straight, 1, 0)))
        return [self._second.confirm(pixels, placed(face, back)) for face in seen]

    def _middle_look(self, view: View) -> tuple[list[Face], list[Face]]:
        """Faces, and hints at others; nothing of a photo that is small anyway."""
        if max(view.pixels.shape[:2]) <= SMALL_PASS:
            return [], []
        seen = merged(self._finder.look_at(view, HINT))
        faces = [face for face in seen if face.score >= MIN_SCORE]
        others = [face for face in seen if face.score < MIN_SCORE]
        return faces, [hint for hint in others if hint.width * view.scale >= HINT_WIDTH]

    def _found(self, view: View, seen: dict[Face, View]) -> list[Face]:
        """The faces of a view, which is noted in `seen`."""
        faces = merged(self._finder.look_at(view))
        seen |= dict.fromkeys(faces, view)
        return faces

    def _placed(self, pixels: np.ndarray, view: View, face: Face, turn: int) -> Face:
        """A face that was found in a view, where an exact look places it."""
        exact = self.exact.look_near(view, face) or face
        return exact if is_sure(exact, turn) else self._second.confirm(pixels, exact)

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
        upright = View.of(pixels, scale)
        for turn in TURNS:
            view = upright.turned(turn)
            seen = merged(self._finder.look_at(view))
            if turns := turns_of([self._placed(pixels, view, face, turn) for face in seen]):
                return turns
        return set()


def _without_doubt(faces: list[Face]) -> list[Face]:
    return [face for face in faces if face.doubt is None]


def _side_of(limits: tuple[int, int], longest: int) -> float:
    """Long side of a look at a photo."""
    return min(longest, float(np.clip(longest / 2, *limits)))


def _width(face: Face) -> float:
    return face.width
