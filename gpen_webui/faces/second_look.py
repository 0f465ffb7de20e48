"""A closer look at a face: turned upright by its eyes, cut out, and looked at once more.

CenterFace places the landmarks of an upright face of some 110 pixels to 1 % of its width; those of
a face that lies on its side or stands on its head it misses by 10 to 30 %. So such a face is looked
at turned upright as far as its landmarks tell, which shows it better, until it is upright. The face
mesh, which knows upright faces only, says whether that has been achieved; where not, the other ways
round are tried. What is a face in none of them is left alone.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from gpen_webui.face_numbers import Box
from gpen_webui.faces.align import crop_matrix, template, warp
from gpen_webui.faces.centerface import MIN_SCORE, CenterFace, is_same_face, merged
from gpen_webui.faces.face import Face
from gpen_webui.faces.mesh import FaceMesh
from gpen_webui.faces.turn import wrapped

SIDE, COARSE_SIDE = 256, 112  # pixels of a look
SHARE = 0.55  # of them the longer side of the face
MOST_LOOKS = 4  # at one face from one way round
MIDDLE = 0.3  # of the side: a face farther from the middle is another one
UPRIGHT, SIZED = 8.0, 0.25  # degrees, logarithm of the size: what is nearer has settled
OTHER_WAYS = (180, 90, -90)  # degrees
MIN_PRESENCE = 0.5
AGREEMENT = 0.1  # of the width: two looks whose landmarks lie nearer agree
SURE_SCORE, SURE_ROLL, SURE_SHAPE = 0.65, 15.0, 0.028  # of a face that one look is enough for

NO_FACE = "a second look finds no face there"
MISPLACED = "a second look places its eyes and mouth elsewhere"


class SecondLook:
    """Looks at faces that were found, and may be called from many threads.

    network: one that places landmarks as well as it can.
    """

    def __init__(self, network: CenterFace, mesh: FaceMesh):
        self._network = network
        self._mesh = mesh

    def confirm(self, pixels: np.ndarray, face: Face) -> Face:
        """The face with better landmarks, or with its `doubt`."""
        seen = self.settle(pixels, face, face.roll)
        if seen and self.is_upright(pixels, seen):
            return seen
        # The mesh does not know faces that are very blurred or seen from the side: there two looks
        # that agree have to do, of which the coarse one sees through noise.
        agreeing = seen if seen and agree(seen, face) else None
        if agreeing is None:
            coarse = self.settle(pixels, face, face.roll, COARSE_SIDE)
            agreeing = coarse if coarse and agree(coarse, face) else None
        if agreeing and lies_well(face):
            return agreeing
        for way in OTHER_WAYS:
            other = self.settle(pixels, face, face.roll + way)
            if other and self.is_upright(pixels, other):
                return other
            seen = seen or other
        return agreeing or replace(face, doubt=MISPLACED if seen else NO_FACE)

    def prove(self, pixels: np.ndarray, hint: Face) -> Face | None:
        """The face of which the first look saw only a hint; None where there is none.

        One way round has to do: there are many more hints than faces.
        """
        settled = self.settle(pixels, hint, hint.roll)
        if settled and is_same_face(settled, hint) and self.is_upright(pixels, settled):
            return settled
        return None

    def is_upright(self, pixels: np.ndarray, settled: Face) -> bool:
        """Whether the mesh knows an upright face by these landmarks."""
        return self._mesh.presence(pixels, settled.landmarks) >= MIN_PRESENCE

    def settle(
        self,
        pixels: np.ndarray,
        face: Face,
        roll: float,
        side: int = SIDE,
        least: float = MIN_SCORE,
    ) -> Face | None:
        """Look until the face is upright in what is looked at; None where none shows.

        roll: by how many degrees it seems to be turned clockwise. side: pixels of a look. least:
        the score from which on it counts.
        """
        for _ in range(MOST_LOOKS):
            matrix = upright_matrix(face.box, roll, side)
            seen = self._nearest(warp(pixels, matrix, (side, side)), least)
            if seen is None:
                return None
            turned, grown = abs(seen.roll), abs(math.log(_length(seen.box) / (SHARE * side)))
            face = placed(seen, cv2.invertAffineTransform(matrix))
            if turned < UPRIGHT and grown < SIZED:
                break
            roll = face.roll
        return face

    def _nearest(self, seen: np.ndarray, least: float) -> Face | None:
        """The face in the middle of a look."""
        side = seen.shape[0]
        best, nearest = None, MIDDLE * side
        for face in merged(self._network.look(seen, least)):
            away = math.dist(centre(face.box), (side / 2, side / 2))
            if away < nearest:
                best, nearest = face, away
        return best


def is_sure(face: Face, turn: int = 0) -> bool:
    """Whether one look at a face, with the photo turned counterclockwise by so many quarters, has
    placed it well: it is clearly seen, upright, and its landmarks lie as those of faces do."""
    return face.score >= SURE_SCORE and lies_well(face, turn)


def lies_well(face: Face, turn: int = 0) -> bool:
    """Whether a face is upright, with the photo turned counterclockwise by so many quarters, and
    its landmarks lie as those of faces do."""
    return abs(wrapped(face.roll - 90 * turn)) <= SURE_ROLL and misshape(face) <= SURE_SHAPE


def agree(second: Face, first: Face) -> bool:
    """Whether two looks have found one face in the same place."""
    apart = np.linalg.norm(second.landmarks - first.landmarks, axis=1).mean()
    return bool(apart <= AGREEMENT * first.width)


def misshape(face: Face) -> float:
    """How far the landmarks lie from the template that fits them best, in parts of the crop."""
    matrix = crop_matrix(face.landmarks, 1)
    fitted = face.landmarks @ matrix[:, :2].T + matrix[:, 2]
    return float(np.linalg.norm(fitted - template(1), axis=1).mean())


def centre(box: Box) -> tuple[float, float]:
    """The middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _length(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def upright_matrix(box: Box, roll: float, side: int) -> np.ndarray:
    """From the photo to a look at the face in a box, turned back by its roll: (2,3)."""
    scale, angle = SHARE * side / max(1.0, _length(box)), math.radians(-roll)
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array(((cosine, -sine), (sine, cosine)))
    return np.column_stack((linear, side / 2 - linear @ centre(box)))


def placed(seen: Face, back: np.ndarray) -> Face:
    """A face of a look in the photo. Its box holds the ellipse that fills the box in the look."""
    landmarks = seen.landmarks @ back[:, :2].T + back[:, 2]
    x, y = back[:, :2] @ centre(seen.box) + back[:, 2]
    half = np.array((seen.box[2] - seen.box[0], seen.box[3] - seen.box[1])) / 2
    across, down = np.linalg.norm(back[:, :2] * half, axis=1)
    box = (float(x - across), float(y - down), float(x + across), float(y + down))
    return Face(box, landmarks.astype(np.float32), seen.score)
