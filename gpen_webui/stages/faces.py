"""The stages that look for faces and restore them."""

from __future__ import annotations

from collections.abc import Callable, Generator

import cv2
import numpy as np

from gpen_webui.faces.align import crop_matrix
from gpen_webui.faces.blend import Patch, blend_band, plan_bands
from gpen_webui.faces.detect import Face, FaceDetector
from gpen_webui.faces.select import FaceSelection
from gpen_webui.options import DEFAULTS, RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.stages.base import (
    FaceReport,
    FoundFaces,
    NetworkResult,
    Stages,
    WorkingPhoto,
    key_for,
)
from gpen_webui.stages.face_network import FaceNetwork
from gpen_webui.states import Stage

NOT_CHOSEN = "switched off"
# The options that mean something to a photo that is a crop already.
WITH_ALIGNED = ("aligned", "format", "quality", "copy_date", "max_megapixels")


class FindFaces:
    """Looks for faces in the photo at its own size; says which of them are to be restored."""

    def __init__(self, detector: FaceDetector, network: FaceNetwork):
        self.detector = detector
        self._network = network

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        return not options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        """Raises FaceChoiceError."""
        network = working.intermediates.get(key_for(Stage.NETWORK, options))
        faces = network.found.faces if network else (yield from self._detect(working, options))
        selection = FaceSelection(faces, options)
        kept = kept_faces(faces, selection, options)
        if network and set(kept) <= set(network.found.kept):
            working.network = network.only([network.found.kept.index(i) for i in kept])
            found = working.network.found
        else:
            found = yield from self._align(working, faces, kept)
        working.found, working.selection = found, selection
        working.faces = _report(found, selection, options, self._network.model_of)
        working.warnings += _warn_of_left(found, working.faces)

    def _detect(
        self, working: WorkingPhoto, options: RestoreOptions
    ) -> Generator[str, None, list[Face]]:
        yield Stage.DETECT
        with working.clock.stage(Stage.DETECT):
            faces = self.detector.detect(working.unscaled)
            if options.enlarge != "1":
                self.detector.free_memory()  # what the photo soon needs itself
        return faces

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

    def __init__(self, network: FaceNetwork):
        self._network = network

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        return not options.aligned

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        found, selection = working.found, working.selection
        assert found is not None  # FindFaces stands before
        assert selection is not None
        fits = len(found.kept) <= self._network.most_held()
        if working.network is None and (working.keep_faces or fits):
            result = yield from self._restore_all(working, found)
            working.network = result
            working.intermediates.put(key_for(Stage.NETWORK, options), result, result.nbytes)
        wanted = [place for place, i in enumerate(found.kept) if selection.is_wanted(i + 1)]
        if not wanted:
            return
        before = working.pixels
        after = yield from self._blend(working, selection, wanted)
        working.pixels = self._network.purpose.finished(before, after)
        working.is_new = True
        if warning := self._network.purpose.warning():
            working.warnings.append(warning)

    def _restore_all(
        self, working: WorkingPhoto, found: FoundFaces
    ) -> Generator[str, None, NetworkResult]:
        with working.clock.stage(Stage.ALIGN):
            crops = self._network.crops(working.unscaled, found.matrices)
        restored: list[np.ndarray] = []
        if crops:
            yield Stage.NETWORK
            with working.clock.stage(Stage.NETWORK):
                restored = self._network.restore(crops, working.photo.name, found.matrices)
        return NetworkResult(found, crops, restored)

    def _blend(
        self, working: WorkingPhoto, selection: FaceSelection, wanted: list[int]
    ) -> Generator[str, None, np.ndarray]:
        """The photo with its faces in it; without a result they are restored on the way.

        wanted: places in `found.kept`.
        """
        assert working.found is not None
        found, clock = working.found.only(wanted), working.clock
        network = working.network.only(wanted) if working.network else None
        how = [selection.options_of(i + 1) for i in found.kept]
        result = working.pixels.copy()
        places = [_scaled(matrix, working.scale) for matrix in found.matrices]
        most = None if network else self._network.most_held()
        bands = plan_bands(result.shape, places, self._network.engine.size, most)
        patches: dict[int, Patch] = {}
        if network:
            yield Stage.BLEND
        for band in bands:
            missing = [i for i in band.faces if i not in patches]
            if network:
                crops = [network.crops[i] for i in missing]
                restored = [network.restored[i] for i in missing]
            elif missing:
                yield Stage.NETWORK
                with clock.stage(Stage.NETWORK):
                    matrices = [found.matrices[i] for i in missing]
                    crops = self._network.crops(working.unscaled, matrices)
                    restored = self._network.restore(crops, working.photo.name, matrices)
                yield Stage.BLEND
            with clock.stage(Stage.BLEND):
                if working.pixels is not working.unscaled:  # what is there to be replaced
                    crops = self._network.crops(working.pixels, [places[i] for i in missing])
                for i, crop, face in zip(missing, crops, restored, strict=True):
                    patches[i] = self._patch(crop, face, places[i], how[i])
                blend_band(working.pixels, result, [patches[i] for i in band.faces], band)
                for i in band.is_last_of:
                    del patches[i]
        return result

    def _patch(
        self, crop: np.ndarray, restored: np.ndarray, matrix: np.ndarray, options: RestoreOptions
    ) -> Patch:
        purpose = self._network.purpose
        face = purpose.adjusted(crop, restored, options)
        return Patch(crop, face, matrix, keep_fine=purpose.keep_fine(options))


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
                restored = self._network.restore(crops, working.photo.name)
            result = NetworkResult(FoundFaces([], [], []), crops, restored)
            working.intermediates.put(key, result, result.nbytes)
        working.network = result
        working.warnings += _warn_of_ignored(options)
        working.pixels = np.clip(np.rint(result.restored[0]), 0, 255).astype(np.uint8)
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


def _report(
    found: FoundFaces,
    selection: FaceSelection,
    options: RestoreOptions,
    model_of: Callable[[np.ndarray], str],
) -> list[FaceReport]:
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
        reports.append(report)
    return reports


def _too_small(face: Face, options: RestoreOptions) -> str:
    return f"only {face.width:.0f} px wide, less than the smallest of {options.min_face} px"


def _warn_of_left(found: FoundFaces, reports: list[FaceReport]) -> list[str]:
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
        warnings.append("1 face is too small and left alone.")
    elif small:
        warnings.append(f"{small} faces are too small and left alone.")
    if doubtful == 1:
        warnings.append("1 possible face is left alone, as a second look contradicts the first.")
    elif doubtful:
        warnings.append(
            f"{doubtful} possible faces are left alone, as a second look contradicts the first."
        )
    return warnings


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
