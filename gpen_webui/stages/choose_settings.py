"""The stages that choose settings for a photo by what it shows (the option `preset`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpen_webui.faces.select import FaceSelection
from gpen_webui.faces.turn import common_turn
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.repairing.scratches import ScratchDetector
from gpen_webui.stages.base import Stages, WorkingPhoto, progressed
from gpen_webui.stages.enlarge import useful_scale
from gpen_webui.stages.face_network import FaceNetwork
from gpen_webui.stages.face_reports import report_faces
from gpen_webui.stages.repair import FOUND_PERCENT
from gpen_webui.states import Stage

if TYPE_CHECKING:
    from gpen_webui.stages.suggestions import Suggestion


class ChooseForPhoto:
    """Chooses what is done to the whole photo before its faces are looked for."""

    def __init__(self, detector: ScratchDetector):
        self._detector = detector

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        return options.preset == "auto" and not options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        from gpen_webui.stages.photo_measures import measure_photo
        from gpen_webui.stages.suggestions import is_print, suggest_for_photo

        with working.clock.stage(Stage.DETECT):
            measures = measure_photo(working.pixels)
        if is_print(measures) and options.repair == "off":
            yield Stage.REPAIR
            parts, percent = self._detector.find(working.pixels), (0, FOUND_PERCENT)
            found = yield from progressed(parts, Stage.REPAIR, percent, working.clock)
            working.scratches = found
        working.measures = measures
        damage = 0.0 if working.scratches is None else float(working.scratches.mean())
        _take(working, suggest_for_photo(measures, damage, options))


class ChooseForFaces:
    """Chooses how the faces that were found are restored, and the finishing touches."""

    def __init__(self, network: FaceNetwork):
        self._network = network

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        return options.preset == "auto" and not options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        from gpen_webui.stages.photo_measures import measure_largest_face
        from gpen_webui.stages.suggestions import suggest_for_faces

        assert working.found is not None  # FindFaces and ChooseForPhoto stand before
        assert working.measures is not None
        with working.clock.stage(Stage.DETECT):
            # In the photo as it was, and with the report's numbers: what the page measures too.
            boxes = [face.as_dict()["box"] for face in working.faces if face.restored]
            noise = working.measures.noise
            face = measure_largest_face(working.photo.pixels, boxes, noise)
        turn, scale = common_turn(working.found.faces), useful_scale(working)
        _take(working, suggest_for_faces(working.measures, face, scale, turn, options))
        working.selection = FaceSelection(working.found.faces, working.options)
        detected = sum(face.found_by == "detector" for face in working.faces)
        working.faces = report_faces(
            working.found, detected, working.selection, working.options, self._network.model_of
        )
        yield from ()


def _take(working: WorkingPhoto, suggestions: list[Suggestion]) -> None:
    from gpen_webui.stages.suggestions import chosen

    taken = [each for each in suggestions if each.is_automatic]
    working.options = chosen(working.options, taken)
    working.suggestions += taken
