"""Which faces of a photo are restored, and how: all alike, or as the user says of single ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gpen_webui.errors import UserError
from gpen_webui.face_numbers import (
    Box,
    DrawnBox,
    read_box,
    read_numbers,
    read_values,
    write_box,
)
from gpen_webui.faces.centerface import is_same_face, overlap
from gpen_webui.faces.face import Face
from gpen_webui.options import RestoreOptions

SAME_FACE = 0.3  # of the union of two boxes of one face, so much is common


class FaceChoiceError(UserError):
    """The options name a face that the photo does not have."""


class FaceSelection:
    """What the options say of each face of a photo.

    Faces have numbers from 1 on, in the detector's order; those in drawn boxes follow. Raises
    FaceChoiceError where a number has no face, or its face is not where the options say.
    """

    def __init__(self, faces: Sequence[Face], options: RestoreOptions):
        self._options = options
        self._drawn = {number for number, face in enumerate(faces, 1) if face.drawn}
        self._only = set(read_numbers(options.faces))
        self._without = set(read_numbers(options.not_faces))
        self._strengths = read_values(options.face_strength, lambda text: int(str(text)))
        self._modes = read_values(options.face_mode, str)
        named = self._only | self._without | set(self._strengths) | set(self._modes)
        _check_numbers(named, len(faces))
        _check_boxes(faces, read_values(options.face_boxes, read_box, ";"))

    def is_wanted(self, number: int) -> bool:
        """Whether a face is to be restored, if it is large enough or named."""
        is_chosen = not self._only or number in self._only
        return is_chosen and number not in self._without and self._strengths.get(number) != 0

    def is_named(self, number: int) -> bool:
        """Whether the user wants this very face, however small it is."""
        named = (self._only, self._strengths, self._modes, self._drawn)
        return any(number in numbers for numbers in named) and self.is_wanted(number)

    def options_of(self, number: int) -> RestoreOptions:
        """How a face is restored."""
        return replace(
            self._options,
            strength=self._strengths.get(number, self._options.strength),
            mode=self._modes.get(number, self._options.mode),
        )


def add_drawn_faces(
    found: Sequence[Face], look: Callable[[DrawnBox], Face], boxes: Sequence[DrawnBox]
) -> tuple[list[Face], dict[DrawnBox, int]]:
    """The faces that were found, and behind them those in boxes that the user drew.

    look: finds the face in a box. Also returned: the boxes around faces that were there already,
    and the numbers of these, which are marked as `drawn`.
    """
    faces, known = list(found), {}
    for box in boxes:
        face = look(box)
        place = next((i for i, each in enumerate(faces) if _is_known(face, each)), None)
        if place is None:
            faces.append(face)
        else:
            faces[place] = replace(faces[place], drawn=faces[place].drawn or box)
            known[box] = place + 1
    return faces, known


def check_drawn_boxes(boxes: Sequence[DrawnBox], shape: tuple[int, ...]) -> None:
    """Raise FaceChoiceError where a box lies outside the photo of this shape."""
    height, width = shape[:2]
    for box in boxes:
        left, top, wide, high = box
        if left >= width or top >= height or left + wide <= 0 or top + high <= 0:
            raise FaceChoiceError(
                f"The box {write_box(box)} lies outside the photo, which has {width} x {height} "
                "pixels; draw it around a face."
            )


def _is_known(face: Face, other: Face) -> bool:
    return face.landmarks is other.landmarks or (
        other.drawn is not None and is_same_face(face, other)
    )


def _check_numbers(named: set[int], count: int) -> None:
    if too_high := sorted(number for number in named if number > count):
        raise FaceChoiceError(
            f"There is no face {too_high[0]}: the number of faces found is {count}; the report "
            "lists them."
        )


def _check_boxes(faces: Sequence[Face], boxes: dict[int, Box]) -> None:
    for number, box in boxes.items():
        if number > len(faces) or not _is_there(box, faces[number - 1]):
            raise FaceChoiceError(
                f"Face {number} is no longer where it was when it was chosen; look at the faces "
                "that are found now, and choose again."
            )


def _is_there(box: Box, face: Face) -> bool:
    return overlap(box, face.box) >= SAME_FACE
