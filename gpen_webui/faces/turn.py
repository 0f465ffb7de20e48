"""Photos turned by quarters: where their places lie, and which way round their faces are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gpen_webui.face_numbers import Box

if TYPE_CHECKING:
    from gpen_webui.faces.face import Face

ALIKE = 30.0  # degrees: faces nearer to a quarter than this lie as it says
# Faces of a photo that hangs askew are so far from every quarter, and no farther from one another.
ASKEW, TOGETHER = 20.0, 25.0

Degrees = TypeVar("Degrees", float, np.ndarray)


def turns_of(faces: Sequence[Face]) -> set[int]:
    """By how many quarters the photo must be turned counterclockwise, 0 to 3, for one or another
    of its faces to be upright. Faces in doubt do not count, nor do guesses."""
    return {_quarters(face) for face in _known(faces)}


def common_turn(faces: Sequence[Face]) -> int:
    """By how many quarters the photo must be turned counterclockwise for all of its faces to be
    upright; 0 where they are, or where they do not all lie alike. The same faces count."""
    turns = turns_of(faces)
    if len(turns) != 1:
        return 0
    (turn,) = turns
    rolls = [face.roll for face in _known(faces)]
    return turn if all(abs(wrapped(roll - 90 * turn)) <= ALIKE for roll in rolls) else 0


def common_tilt(faces: Sequence[Face]) -> float | None:
    """By how many degrees all faces are turned clockwise, two and more, in a photo that hangs
    askew between two quarters; else None. The same faces count."""
    rolls = np.array([face.roll for face in _known(faces)])
    if len(rolls) < 2:
        return None
    tilt = float(np.degrees(np.angle(np.exp(1j * np.radians(rolls)).sum())))
    are_together = np.abs(wrapped(rolls - tilt)).max() <= TOGETHER
    is_askew = abs((tilt + 45) % 90 - 45) >= ASKEW
    return tilt if are_together and is_askew else None


def wrapped(angle: Degrees) -> Degrees:
    """An angle in degrees as that from -180 to 180 which looks the same."""
    return (angle + 180) % 360 - 180


def box_turned_back(box: Box, turn: int, shape: tuple[int, ...]) -> Box:
    """Left, top, right, bottom of a part of a photo that was turned counterclockwise by so many
    quarters, in the photo as it was. shape: the photo's as it was."""
    left, top, right, bottom = box
    for side in _sides(turn, shape):
        left, top, right, bottom = side - bottom, left, side - top, right
    return left, top, right, bottom


def points_turned_back(points: np.ndarray, turn: int, shape: tuple[int, ...]) -> np.ndarray:
    """The same of points (N,2), x and y of pixels' centres."""
    for side in _sides(turn, shape):
        points = np.stack((side - 1 - points[:, 1], points[:, 0]), axis=1)
    return points


def box_turned(box: Box, turn: int, shape: tuple[int, ...]) -> Box:
    """A part of a photo of this shape in the photo turned counterclockwise by so many quarters."""
    height, width = shape[:2]
    turned_shape = (width, height) if turn % 2 else (height, width)
    return box_turned_back(box, -turn % 4, turned_shape)


def _known(faces: Sequence[Face]) -> list[Face]:
    return [face for face in faces if face.doubt is None and not face.is_guess]


def _quarters(face: Face) -> int:
    return round(face.roll / 90) % 4


def _sides(turn: int, shape: tuple[int, ...]) -> list[int]:
    """How wide the photo was before each of its turns, from the last to the first."""
    height, width = shape[:2]
    return [width if left % 2 else height for left in range(turn, 0, -1)]
