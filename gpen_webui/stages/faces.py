"""The stages that look for faces and restore them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import cv2
import numpy as np

from gpen_webui.face_numbers import DrawnBox, read_drawn_boxes
from gpen_webui.faces.align import crop_matrix
from gpen_webui.faces.blend import Patch, blend_band, plan_bands
from gpen_webui.faces.detect import Face, FaceDetector
from gpen_webui.faces.select import FaceSelection, add_drawn_faces, check_drawn_boxes
from gpen_webui.options import DEFAULTS, RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.stages.base import (
    FoundFaces,
    NetworkFace,
    NetworkResult,
    Stages,
    WorkingPhoto,
    key_for,
)
from gpen_webui.stages.face_blur import blurs_in, sharp_face
from gpen_webui.stages.face_masks import FaceMasks
from gpen_webui.stages.face_network import FaceNetwork
from gpen_webui.stages.face_reports import (
    report_faces,
    tell_hardly_damaged,
    tell_known,
    warn_of_guesses,
    warn_of_left,
)
from gpen_webui.stages.fidelity_gate import use_share
from gpen_webui.states import Stage

FACE_BYTES = 1000  # that a face which was found takes while it is kept
PARSED = "Faces were blended in only where ParseNet sees them."
# The options that mean something to a photo that is a crop already.
WITH_ALIGNED = ("aligned", "rotate", "crop", "format", "quality", "copy_date", "max_megapixels")


class FindFaces:
    """Looks for faces in the photo at its own size; says which of them are to be restored."""

    def __init__(self, detector: FaceDetector, network: FaceNetwork):
        self.detector = detector
        self._network = network

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        return not options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        """Raises FaceChoiceError."""
        boxes = read_drawn_boxes(options.add_face)
        check_drawn_boxes(boxes, working.unscaled.shape)
        detected = yield from self._detect(working, options)
        faces, known = add_drawn_faces(
            detected, lambda box: self._face_in(working, options, box, detected), boxes
        )
        selection = FaceSelection(faces, options)
        kept = kept_faces(faces, selection, options)
        found = yield from self._align(working, faces, kept)
        working.found, working.selection = found, selection
        working.faces = report_faces(
            found, len(detected), selection, options, self._network.model_of
        )
        working.warnings += warn_of_left(found, working.faces, options.min_face)
        working.warnings += warn_of_guesses(faces)
        working.notes += tell_known(known)

    def _detect(
        self, working: WorkingPhoto, options: RestoreOptions
    ) -> Generator[str, None, list[Face]]:
        key = key_for(Stage.DETECT, options)
        faces = working.intermediates.get(key)
        if faces is None or options.add_face:
            yield Stage.DETECT
        if faces is None:
            with working.clock.stage(Stage.DETECT):
                faces = self.detector.detect(working.unscaled)
                if options.enlarge != "1":
                    self.detector.free_memory()  # what the photo soon needs itself
            working.intermediates.put(key, faces, FACE_BYTES * len(faces))
        return faces

    def _face_in(
        self, working: WorkingPhoto, options: RestoreOptions, box: DrawnBox, found: list[Face]
    ) -> Face:
        key = key_for(Stage.DETECT, options, box)
        face = working.intermediates.get(key)
        if face is None:
            with working.clock.stage(Stage.DETECT):
                face = self.detector.find_in(working.unscaled, box, found)
            working.intermediates.put(key, face, FACE_BYTES)
        return face

    def _align(
        self, working: WorkingPhoto, faces: list[Face], kept: list[int]
    ) -> Generator[str, None, FoundFaces]:
        yield Stage.ALIGN
        with working.clock.stage(Stage.ALIGN):
            size = self._network.engine.size
            matrices = [crop_matrix(faces[i].landmarks, size) for i in kept]
        return FoundFaces(faces, kept, matrices)


def kept_faces(faces: list[Face], selection: FaceSelection, options: RestoreOptions) -> list[int]:
    """Indices of the faces that are neither too small nor in doubt, or are named."""
    return [
        i
        for i, face in enumerate(faces)
        if selection.is_named(i + 1) or (face.width >= options.min_face and face.doubt is None)
    ]


class RestoreFaces:
    """Restores the faces that were found, and blends them in; in a crowd the two take turns."""

    def __init__(self, network: FaceNetwork, masks: FaceMasks):
        self._network = network
        self._masks = masks

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        return not options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        found, selection = working.found, working.selection
        assert found is not None  # FindFaces stands before
        assert selection is not None
        if working.keep_faces or len(found.kept) <= self._network.most_held():
            working.network = yield from self._restore_all(working, found, options)
        wanted = [place for place, i in enumerate(found.kept) if selection.is_wanted(i + 1)]
        if not wanted:
            return
        before = working.pixels
        after = yield from self._blend(working, selection, wanted)
        working.pixels = self._network.purpose.finished(before, after)
        working.is_new = True
        working.notes += tell_hardly_damaged(working.faces)
        if options.face_mask == "parse":
            working.notes.append(PARSED)
        if warning := self._network.purpose.warning():
            working.warnings.append(warning)

    def _restore_all(
        self, working: WorkingPhoto, found: FoundFaces, options: RestoreOptions
    ) -> Generator[str, None, NetworkResult]:
        """What the network makes of all kept faces; only those that are new go through it."""
        key = key_for(Stage.NETWORK, options)
        earlier = working.intermediates.get(key)
        known = earlier.by_crop() if earlier else {}
        new = [matrix for matrix in found.matrices if matrix.tobytes() not in known]
        if new:
            with working.clock.stage(Stage.ALIGN):
                crops = self._network.crops(working.unscaled, new)
            yield Stage.NETWORK
            with working.clock.stage(Stage.NETWORK):
                faces = self._network.restore(crops, working.photo.name, new)
            known |= NetworkResult.of(FoundFaces([], [], new), faces).by_crop()
        result = NetworkResult.of(found, [known[matrix.tobytes()] for matrix in found.matrices])
        if new:
            working.intermediates.put(key, result, result.nbytes)
        return result

    def _blend(
        self, working: WorkingPhoto, selection: FaceSelection, wanted: list[int]
    ) -> Generator[str, None, np.ndarray]:
        """The photo with its faces in it; without a result they are restored on the way.

        wanted: places in `found.kept`.
        """
        assert working.found is not None
        found, clock = working.found.only(wanted), working.clock
        purpose = self._network.purpose
        network = working.network.only(wanted) if working.network else None
        how = [selection.options_of(i + 1) for i in found.kept]
        result = working.pixels.copy()
        places = [_scaled(matrix, working.scale) for matrix in found.matrices]
        most = None if network else self._network.most_held()
        bands = plan_bands(result.shape, places, self._network.engine.size, most)
        patches: dict[int, Patch] = {}
        sharp: dict[int, np.ndarray] = {}
        if network:
            yield Stage.BLEND
        for band in bands:
            missing = [i for i in band.faces if i not in patches]
            faces: list[NetworkFace] = []
            if network:
                faces = [network.face(i) for i in missing]
            elif missing:
                yield Stage.NETWORK
                with clock.stage(Stage.NETWORK):
                    matrices = [found.matrices[i] for i in missing]
                    crops = self._network.crops(working.unscaled, matrices)
                    faces = self._network.restore(crops, working.photo.name, matrices)
                yield Stage.BLEND
            masks = {}
            if working.options.face_mask == "parse" and missing:
                restored_here = {i: face for i, (_, face, _) in zip(missing, faces, strict=True)}
                masks = yield from self._masks.of(working, found, restored_here)
            with clock.stage(Stage.BLEND):
                crops = [crop for crop, _, _ in faces]
                if working.pixels is not working.unscaled:  # what is there to be replaced
                    crops = self._network.crops(working.pixels, [places[i] for i in missing])
                for i, crop, (_, face, share) in zip(missing, crops, faces, strict=True):
                    if share < 1 and how[i].mode != "strong":
                        place = found.kept[i]
                        told = replace(working.faces[place], share=round(share, 3))
                        working.faces[place] = told
                    adjusted = purpose.adjusted(crop, face, how[i], share)
                    keeps = purpose.keep_fine(how[i])
                    patches[i] = Patch(crop, adjusted, places[i], keeps, masks.get(i))
                    if purpose.sharpens:
                        sharp[i] = sharp_face(face)
                blend_band(working.pixels, result, [patches[i] for i in band.faces], band)
                for i in band.is_last_of:
                    del patches[i]
                    if i in sharp:
                        matrix = found.matrices[i]
                        self._tell_blur(working, found.kept[i], matrix, result, sharp.pop(i))
        return result

    def _tell_blur(
        self,
        working: WorkingPhoto,
        place: int,
        matrix: np.ndarray,
        result: np.ndarray,
        sharp: np.ndarray,
    ) -> None:
        """Into the report of a face that has been blended in, by its place."""
        views = [(working.unscaled, matrix), (result, _scaled(matrix, working.scale))]
        before, after = blurs_in(views, self._network.engine.size, sharp)
        working.faces[place] = replace(working.faces[place], blur=(before, after))


class RestoreAligned:
    """Takes the whole photo for a crop: resize, run, nothing else."""

    def __init__(self, network: FaceNetwork):
        self._network = network

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        return options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        key = key_for(Stage.NETWORK, options)
        result = working.intermediates.get(key)
        if result is None:
            crops = [_fit(working.unscaled, self._network.engine.size)]
            yield Stage.NETWORK
            with working.clock.stage(Stage.NETWORK):
                faces = self._network.restore(crops, working.photo.name)
            result = NetworkResult.of(FoundFaces([], [], []), faces)
            working.intermediates.put(key, result, result.nbytes)
        working.network = result
        working.warnings += _warn_of_ignored(options)
        face = use_share(*result.face(0))
        working.pixels = np.clip(np.rint(face), 0, 255).astype(np.uint8)
        working.is_new = True


def _scaled(matrix: np.ndarray, scale: int) -> np.ndarray:
    """From pixels of the photo `scale` times enlarged, where `matrix` is from its own.

    The centre of pixel i of the enlarged photo is at (i + 0.5) / scale - 0.5 of the photo.
    """
    if scale == 1:
        return matrix
    linear = matrix[:, :2] / scale
    shift = matrix[:, :2] @ np.full(2, (1 / scale - 1) / 2)
    return np.column_stack((linear, matrix[:, 2] + shift))


def _warn_of_ignored(options: RestoreOptions) -> list[str]:
    """Which options were set for a photo of which nothing but the network's answer is wanted."""
    ignored = [
        name
        for name, default in DEFAULTS.items()
        if name not in WITH_ALIGNED and getattr(options, name) != default
    ]
    if not ignored:
        return []
    names = ", ".join(ignored)
    return [f"“aligned” runs the network and does nothing else, so this was left out: {names}."]


def _fit(pixels: np.ndarray, size: int) -> np.ndarray:
    if pixels.shape[:2] == (size, size):
        return pixels
    shrinks = max(pixels.shape[:2]) > size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(pixels, (size, size), interpolation=method)
