"""What the report says of a photo's faces: which were restored, how, and why others were not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gpen_webui.face_numbers import DrawnBox, write_box
from gpen_webui.faces.face import Face
from gpen_webui.faces.select import FaceSelection
from gpen_webui.options import RestoreOptions
from gpen_webui.stages.base import FaceReport, FoundFaces

NOT_CHOSEN = "switched off"
LITTLE = 0.5  # of what the network changed; a face that gets less than this is told of


def report_faces(
    found: FoundFaces,
    detected: int,
    selection: FaceSelection,
    options: RestoreOptions,
    model_of: Callable[[np.ndarray], str],
) -> list[FaceReport]:
    """What is said of each face that was found.

    detected: how many of them without a drawn box. model_of: by a matrix, the name of the model.
    """
    models = {i: model_of(matrix) for i, matrix in zip(found.kept, found.matrices, strict=True)}
    reports = []
    for i, face in enumerate(found.faces):
        if not selection.is_wanted(i + 1):
            report = FaceReport(i + 1, face.box, face.score, False, reason=NOT_CHOSEN)
        elif i not in models:
            why = face.doubt or _too_small(face, options)
            report = FaceReport(i + 1, face.box, face.score, False, reason=why)
        else:
            how = selection.options_of(i + 1)
            report = FaceReport(
                i + 1, face.box, face.score, True, None, models[i], how.strength, how.mode
            )
        reports.append(replace(report, added=face.drawn, found_by=_found_by(i, face, detected)))
    return reports


def _found_by(place: int, face: Face, detected: int) -> str:
    if place < detected:
        return "detector"
    return "box" if face.is_guess else "closer look"


def _too_small(face: Face, options: RestoreOptions) -> str:
    return f"only {face.width:.0f} px wide, less than the smallest of {options.min_face} px"


def warn_of_left(found: FoundFaces, reports: list[FaceReport], min_face: int) -> list[str]:
    """How many faces are left alone that the user has not switched off, and why."""
    left = [
        face
        for face, report in zip(found.faces, reports, strict=True)
        if not report.restored and report.reason != NOT_CHOSEN
    ]
    doubtful = sum(face.doubt is not None for face in left)
    small = len(left) - doubtful
    warnings = []
    if small == 1:
        warnings.append(f"1 face is narrower than {min_face} px (min_face) and left alone.")
    elif small:
        warnings.append(f"{small} faces are narrower than {min_face} px (min_face) and left alone.")
    if doubtful == 1:
        warnings.append("1 possible face is left alone, as a second look contradicts the first.")
    elif doubtful:
        warnings.append(
            f"{doubtful} possible faces are left alone, as a second look contradicts the first."
        )
    return warnings


def tell_hardly_damaged(reports: list[FaceReport]) -> list[str]:
    """That faces were changed little, as the fidelity gate saw little to mend."""
    count = sum(report.share is not None and report.share < LITTLE for report in reports)
    if not count:
        return []
    if count == 1:
        return ["1 face needed little, so little of it was changed; the strong look changes more."]
    return [
        f"{count} faces needed little, so little of them was changed; the strong look changes more."
    ]


def warn_of_guesses(faces: list[Face]) -> list[str]:
    """Which drawn boxes show nothing that is recognised as a face."""
    return [
        f"No face was recognised in the box {write_box(face.drawn)}; what is in it is restored as "
        "a face that stands upright there."
        for face in faces
        if face.is_guess and face.drawn
    ]


def tell_known(known: dict[DrawnBox, int]) -> list[str]:
    """Which drawn boxes are around faces that were there without them."""
    return [
        f"The box {write_box(box)} is around face {number}, which was found already."
        for box, number in known.items()
    ]
