"""The stage that tells which way round the photo is, and turns it upright where that is wanted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpen_webui.faces.turn import box_turned, common_turn
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.stages.base import Stages, WorkingPhoto

LIE = {1: "lie on their side", 2: "stand on their head", 3: "lie on their side"}  # by quarters


class TurnUpright:
    """Looks whether all faces lie the same way; comes last, so that nothing depends on it."""

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        return not options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        assert working.found is not None  # FindFaces stands before
        turn = common_turn(working.found.faces)
        if not turn:
            return
        working.turn = turn
        if not options.upright:
            working.warnings.append(
                f"All faces {LIE[turn]}. If the photo does too, the option “upright” turns it."
            )
            return
        shape = working.photo.pixels.shape
        working.pixels = np.ascontiguousarray(np.rot90(working.pixels, turn))
        working.faces = [
            replace(face, upright_box=box_turned(face.box, turn, shape)) for face in working.faces
        ]
        working.is_turned = working.is_new = True
        working.notes.append(f"All faces {LIE[turn]}, so the photo is turned upright.")
        yield from ()
