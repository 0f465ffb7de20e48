"""A photo and options in, a restored photo and its report out.

Pure: the same photo, options and model give the same pixels, whoever asked for them and
whoever else is at work. Knows no job, no file and no web.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from gpen_webui.errors import UserError
from gpen_webui.faces.align import crop_matrix, extract_crop
from gpen_webui.faces.blend import Patch, blend_band, plan_bands
from gpen_webui.faces.detect import Face, FaceDetector
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.stages.adjust import finish
from gpen_webui.stages.face_purposes import purpose_of
from gpen_webui.stages.small_faces import SmallFaces
from gpen_webui.states import ItemState, Stage

if TYPE_CHECKING:
    from gpen_webui.engines.base import Engine
    from gpen_webui.models.installed import InstalledModel

Value = TypeVar("Value")
RunNetwork = Callable[[np.ndarray], np.ndarray]  # crops in, as many restored ones out

FACES_PER_RUN = 8
# Crops and restored faces of one photo that are held at a time; a crowd is done part by part.
HELD_BYTES = 256 << 20
FLAT = 1.0  # a restored face with less contrast than this (standard deviation) is broken


class NetworkError(UserError):
    """The network returned no face."""


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """faces: all in the photo. kept: indices of those to restore. matrices: (2,3), of these."""

    faces: list[Face]
    kept: list[int]
    matrices: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """What finding and restoring gave, before any option that comes after the network.

    For each kept face a crop (S,S,3) uint8 and a restored crop (S,S,3) float32, 0-255.
    """

    found: FoundFaces
    crops: list[np.ndarray]
    restored: list[np.ndarray]


@dataclass(frozen=True)
class FaceReport:
    """One face of the report. box: photo pixels. reason: why it was left alone. model: the name
    of the one that restored it."""

    box: tuple[float, float, float, float]
    score: float
    restored: bool
    reason: str | None = None
    model: str | None = None

    def as_dict(self) -> dict:
        return {
            "box": [round(value, 1) for value in self.box],
            "score": round(self.score, 3),
            "restored": self.restored,
            "reason": self.reason,
            "model": self.model,
        }


@dataclass
class Restoration:
    """state: done or no_face. pixels: (H,W,3) uint8 RGB. timings: seconds per stage. has_colours:
    a grey photo was given some.

    network: None where there were too many faces to hold.
    """

    state: str
    pixels: np.ndarray
    faces: list[FaceReport]
    network: NetworkResult | None
    warnings: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    has_colours: bool = False


class Restorer:
    """One engine and one detector, shared by all workers; thread-safe.

    small_faces: another network for those, or None.
    """

    def __init__(
        self,
        engine: Engine,
        detector: FaceDetector,
        model: InstalledModel,
        small_faces: SmallFaces | None = None,
    ):
        self.engine = engine
        self.detector = detector
        self.model = model
        self.small_faces = small_faces
        self.face_purpose = purpose_of(model.name)

    def restore(
        self, photo: Photo, options: RestoreOptions, *, reuse: NetworkResult | None = None
    ) -> Restoration:
        """`restore_stages` from the first to the last."""
        return last(self.restore_stages(photo, options, reuse=reuse))

    def restore_stages(
        self,
        photo: Photo,
        options: RestoreOptions,
        *,
        reuse: NetworkResult | None = None,
        keep_faces: bool = False,
    ) -> Generator[str, None, Restoration]:
        """Restore the faces of a photo; yields detect, align, network, blend, adjust as each is
        about to begin. Those that are not needed are left out; in a crowd, network and blend
        take turns.

        reuse: `Restoration.network` of the same photo and model with equal
        `options.network_key()`; then only what comes after the network is done. keep_faces:
        return all faces, however many there are.

        Raises NetworkError where the network's answer is no picture.
        """
        clock = _StageClock()
        has_colours = photo.grey and self.face_purpose.colours
        warnings = list(photo.warnings)
        if has_colours and photo.icc:
            warnings.append("Its profile for grey pictures is left out, as it has colours now.")
        if options.aligned:
            aligned = reuse or (yield from self._restore_aligned(photo, clock))
            pixels = _to_uint8(aligned.restored[0])
            return Restoration(
                ItemState.DONE,
                pixels,
                [],
                aligned,
                warnings,
                clock.seconds,
                has_colours=has_colours,
            )
        found = reuse.found if reuse else (yield from self._find(photo, options, clock))
        reports = _report(found, options, self._model_of)
        warnings += _warn_of_small(reports)
        network = reuse
        if network is None and (keep_faces or len(found.kept) <= self._most_held()):
            network = yield from self._restore_all(photo, found, clock)
        if not found.kept:
            return Restoration(
                ItemState.NO_FACE, photo.pixels, reports, network, warnings, clock.seconds
            )
        pixels = yield from self._blend(photo, options, found, network, clock)
        pixels = self.face_purpose.finished(photo.pixels, pixels)
        yield Stage.ADJUST
        with clock.stage(Stage.ADJUST):
            pixels = finish(pixels, options)
        if warning := self.face_purpose.warning():
            warnings.append(warning)
        return Restoration(
            ItemState.DONE,
            pixels,
            reports,
            network,
            warnings,
            clock.seconds,
            has_colours=has_colours,
        )

    def close(self) -> None:
        """Free the engines."""
        self.engine.close()
        if self.small_faces:
            self.small_faces.engine.close()

    def _find(
        self, photo: Photo, options: RestoreOptions, clock: _StageClock
    ) -> Generator[str, None, FoundFaces]:
        yield Stage.DETECT
        with clock.stage(Stage.DETECT):
            faces = self.detector.detect(photo.pixels)
            kept = [i for i, face in enumerate(faces) if face.width >= options.min_face]
        yield Stage.ALIGN
        with clock.stage(Stage.ALIGN):
            matrices = [crop_matrix(faces[i].landmarks, self.engine.size) for i in kept]
        return FoundFaces(faces, kept, matrices)

    def _restore_all(
        self, photo: Photo, found: FoundFaces, clock: _StageClock
    ) -> Generator[str, None, NetworkResult]:
        with clock.stage(Stage.ALIGN):
            crops = self._crops(photo, found.matrices)
        restored: list[np.ndarray] = []
        if crops:
            yield Stage.NETWORK
            with clock.stage(Stage.NETWORK):
                restored = self._restore_crops(crops, photo, found.matrices)
        return NetworkResult(found, crops, restored)

    def _restore_aligned(
        self, photo: Photo, clock: _StageClock
    ) -> Generator[str, None, NetworkResult]:
        crops = [_fit(photo.pixels, self.engine.size)]
        yield Stage.NETWORK
        with clock.stage(Stage.NETWORK):
            restored = self._restore_crops(crops, photo)
        return NetworkResult(FoundFaces([], [], []), crops, restored)

    def _blend(
        self,
        photo: Photo,
        options: RestoreOptions,
        found: FoundFaces,
        network: NetworkResult | None,
        clock: _StageClock,
    ) -> Generator[str, None, np.ndarray]:
        """The photo with its faces in it; without `network` they are restored on the way."""
        result = photo.pixels.copy()
        most = None if network else self._most_held()
        bands = plan_bands(photo.pixels.shape, found.matrices, self.engine.size, most)
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
                    crops = self._crops(photo, matrices)
                    restored = self._restore_crops(crops, photo, matrices)
                yield Stage.BLEND
            with clock.stage(Stage.BLEND):
                for i, crop, face in zip(missing, crops, restored, strict=True):
                    patches[i] = self._patch(crop, face, found.matrices[i], options)
                blend_band(photo.pixels, result, [patches[i] for i in band.faces], band)
                for i in band.is_last_of:
                    del patches[i]
        return result

    def _patch(
        self, crop: np.ndarray, restored: np.ndarray, matrix: np.ndarray, options: RestoreOptions
    ) -> Patch:
        face = self.face_purpose.adjusted(crop, restored, options)
        return Patch(crop, face, matrix, keep_fine=self.face_purpose.keep_fine(options))

    def _model_of(self, matrix: np.ndarray) -> str:
        """The name of the model that restores a face."""
        if self.small_faces and self.small_faces.take(matrix, self.engine.size):
            return self.small_faces.model.name
        return self.model.name

    def _most_held(self) -> int:
        """How many faces of a photo are held at a time."""
        bytes_per_face = self.engine.size**2 * 3 * (1 + 4)  # a crop, and a restored one
        return max(FACES_PER_RUN, HELD_BYTES // bytes_per_face)

    def _crops(self, photo: Photo, matrices: list[np.ndarray]) -> list[np.ndarray]:
        return [extract_crop(photo.pixels, matrix, self.engine.size) for matrix in matrices]

    def _restore_crops(
        self, crops: list[np.ndarray], photo: Photo, matrices: list[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """matrices: those by which the crops were cut out; None: they are whole photos."""
        restored: dict[int, np.ndarray] = {}
        for model, run, wanted in self._networks(crops, matrices):
            for start in range(0, len(wanted), FACES_PER_RUN):
                part = wanted[start : start + FACES_PER_RUN]
                faces = self._run_network(run, model, [crops[i] for i in part], photo)
                restored |= zip(part, faces, strict=True)
        return [restored[i] for i in range(len(crops))]

    def _networks(
        self, crops: list[np.ndarray], matrices: list[np.ndarray] | None
    ) -> list[tuple[InstalledModel, RunNetwork, list[int]]]:
        """The networks that are at hand, and the indices of the crops that each of them takes."""
        everything = range(len(crops))
        small = [
            i
            for i in everything
            if self.small_faces
            and matrices
            and self.small_faces.take(matrices[i], self.engine.size)
        ]
        others = [i for i in everything if i not in small]
        networks: list[tuple[InstalledModel, RunNetwork, list[int]]]
        networks = [(self.model, self.engine.run, others)]
        if self.small_faces:
            networks.append((self.small_faces.model, self.small_faces.run, small))
        return networks

    def _run_network(
        self,
        run: RunNetwork,
        model: InstalledModel,
        crops: list[np.ndarray],
        photo: Photo,
    ) -> list[np.ndarray]:
        shown = [self.face_purpose.shown(crop) for crop in crops]
        batch = np.stack(shown).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        restored = run(np.ascontiguousarray(batch))
        faces = []
        for crop, output in zip(crops, restored, strict=True):
            face = (cv2.merge(tuple(output)) + 1) * 127.5
            if not np.isfinite(face).all() or (face.std() < FLAT < crop.std(dtype=np.float32)):
                raise NetworkError(
                    f"{photo.name}: the model {model.name} returned no picture; choose "
                    "another model, or --precision exact."
                )
            faces.append(self.face_purpose.taken(crop, np.clip(face, 0, 255)))
        return faces


def last(stages: Generator[str, None, Value]) -> Value:
    """Go through all stages; what the generator returns."""
    while True:
        try:
            next(stages)
        except StopIteration as end:
            return end.value


class _StageClock:
    """Measures stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - started


def _report(
    found: FoundFaces, options: RestoreOptions, model_of: Callable[[np.ndarray], str]
) -> list[FaceReport]:
    kept = set(found.kept)
    models = {i: model_of(matrix) for i, matrix in zip(found.kept, found.matrices, strict=True)}
    return [
        FaceReport(
            face.box,
            face.score,
            restored=i in kept,
            reason=None
            if i in kept
            else f"only {face.width:.0f} px wide, less than the smallest of {options.min_face} px",
            model=models.get(i),
        )
        for i, face in enumerate(found.faces)
    ]


def _warn_of_small(reports: list[FaceReport]) -> list[str]:
    left = sum(not report.restored for report in reports)
    if not left:
        return []
    return [f"{left} {'face is' if left == 1 else 'faces are'} too small and left alone."]


def _fit(pixels: np.ndarray, size: int) -> np.ndarray:
    if pixels.shape[:2] == (size, size):
        return pixels
    shrinks = max(pixels.shape[:2]) > size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(pixels, (size, size), interpolation=method)


def _to_uint8(face: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(face), 0, 255).astype(np.uint8)
