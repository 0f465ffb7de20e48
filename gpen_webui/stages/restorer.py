"""A photo and options in, a restored photo and its report out.

Pure: the same photo, options and model give the same pixels, whoever asked for them and
whoever else is at work. Knows no job, no file and no web.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from gpen_webui.errors import UserError
from gpen_webui.faces.align import crop_matrix, extract_crop
from gpen_webui.faces.blend import Patch, blend_faces
from gpen_webui.faces.detect import Face, FaceDetector
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.stages.adjust import adjust_face, finish

if TYPE_CHECKING:
    from gpen_webui.engines.base import Engine
    from gpen_webui.models.installed import InstalledModel

Value = TypeVar("Value")

FACES_PER_RUN = 8  # bounds the memory of a group photo
FLAT = 1.0  # a restored face with less contrast than this (standard deviation) is broken


class NetworkError(UserError):
    """The network returned no face."""


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """What finding and restoring gave, before any option that comes after the network.

    faces: all that were found. kept: indices of those that were restored; for each of them
    a matrix (2,3), a crop (S,S,3) uint8 and a restored crop (S,S,3) float32, 0-255.
    """

    faces: list[Face]
    kept: list[int]
    matrices: list[np.ndarray]
    crops: list[np.ndarray]
    restored: list[np.ndarray]


@dataclass(frozen=True)
class FaceReport:
    """One face of the report. box: photo pixels. reason: why it was left alone."""

    box: tuple[float, float, float, float]
    score: float
    restored: bool
    reason: str | None = None

    def as_dict(self) -> dict:
        return {
            "box": [round(value, 1) for value in self.box],
            "score": round(self.score, 3),
            "restored": self.restored,
            "reason": self.reason,
        }


@dataclass
class Restoration:
    """state: done or no_face. pixels: (H,W,3) uint8 RGB. timings: seconds per stage."""

    state: str
    pixels: np.ndarray
    faces: list[FaceReport]
    network: NetworkResult
    warnings: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)


class Restorer:
    """One engine and one detector, shared by all workers; thread-safe."""

    def __init__(self, engine: Engine, detector: FaceDetector, model: InstalledModel):
        self.engine = engine
        self.detector = detector
        self.model = model

    def restore(
        self, photo: Photo, options: RestoreOptions, *, reuse: NetworkResult | None = None
    ) -> Restoration:
        """`restore_stages` from the first to the last."""
        return last(self.restore_stages(photo, options, reuse=reuse))

    def restore_stages(
        self, photo: Photo, options: RestoreOptions, *, reuse: NetworkResult | None = None
    ) -> Generator[str, None, Restoration]:
        """Restore the faces of a photo; yields detect, align, network, blend, adjust as each is
        about to begin. Those that are not needed are left out.

        reuse: `Restoration.network` of the same photo and model with equal
        `options.network_key()`; then only what comes after the network is done.

        Raises NetworkError where the network's answer is no picture.
        """
        clock = _StageClock()
        network = reuse or (yield from self._run_network(photo, options, clock))
        if options.aligned:
            pixels = _to_uint8(network.restored[0])
            return Restoration("done", pixels, [], network, list(photo.warnings), clock.seconds)
        reports = _report(network, options)
        warnings = [*photo.warnings, *_warn_of_small(reports)]
        if not network.kept:
            return Restoration("no_face", photo.pixels, reports, network, warnings, clock.seconds)
        yield "blend"
        with clock.stage("blend"):
            patches = [
                Patch(
                    crop,
                    adjust_face(crop, restored, options),
                    matrix,
                    keep_fine=_keep_fine(options),
                )
                for crop, restored, matrix in zip(
                    network.crops, network.restored, network.matrices, strict=True
                )
            ]
            pixels = blend_faces(photo.pixels, patches)
        yield "adjust"
        with clock.stage("adjust"):
            pixels = finish(pixels, options)
        return Restoration("done", pixels, reports, network, warnings, clock.seconds)

    def close(self) -> None:
        """Free the engine."""
        self.engine.close()

    def _run_network(
        self, photo: Photo, options: RestoreOptions, clock: _StageClock
    ) -> Generator[str, None, NetworkResult]:
        size = self.engine.size
        if options.aligned:
            crops, faces, kept, matrices = [_fit(photo.pixels, size)], [], [], []
        else:
            yield "detect"
            with clock.stage("detect"):
                faces = self.detector.detect(photo.pixels)
                kept = [i for i, face in enumerate(faces) if face.width >= options.min_face]
            yield "align"
            with clock.stage("align"):
                matrices = [crop_matrix(faces[i].landmarks, size) for i in kept]
                crops = [extract_crop(photo.pixels, matrix, size) for matrix in matrices]
        restored: list[np.ndarray] = []
        if crops:
            yield "network"
            with clock.stage("network"):
                for start in range(0, len(crops), FACES_PER_RUN):
                    restored += self._restore_crops(crops[start : start + FACES_PER_RUN], photo)
        return NetworkResult(faces, kept, matrices, crops, restored)

    def _restore_crops(self, crops: list[np.ndarray], photo: Photo) -> list[np.ndarray]:
        batch = np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        restored = self.engine.run(np.ascontiguousarray(batch))
        faces = []
        for crop, output in zip(crops, restored, strict=True):
            face = (cv2.merge(tuple(output)) + 1) * 127.5
            if not np.isfinite(face).all() or (face.std() < FLAT < crop.std(dtype=np.float32)):
                raise NetworkError(
                    f"{photo.name}: the model {self.model.name} returned no picture; choose "
                    "another model, or --precision exact."
                )
            faces.append(np.clip(face, 0, 255))
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
        self.seconds[name] = time.perf_counter() - started


def _report(network: NetworkResult, options: RestoreOptions) -> list[FaceReport]:
    kept = set(network.kept)
    return [
        FaceReport(
            face.box,
            face.score,
            restored=i in kept,
            reason=None
            if i in kept
            else f"only {face.width:.0f} px wide, less than the smallest of {options.min_face} px",
        )
        for i, face in enumerate(network.faces)
    ]


def _warn_of_small(reports: list[FaceReport]) -> list[str]:
    left = sum(not report.restored for report in reports)
    if not left:
        return []
    return [f"{left} {'face is' if left == 1 else 'faces are'} too small and left alone."]


def _keep_fine(options: RestoreOptions) -> float:
    """Strong shows the network's pixels and no others, as far as its strength goes."""
    return 1 - options.strength / 100 if options.mode == "strong" else 1.0


def _fit(pixels: np.ndarray, size: int) -> np.ndarray:
    if pixels.shape[:2] == (size, size):
        return pixels
    shrinks = max(pixels.shape[:2]) > size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(pixels, (size, size), interpolation=method)


def _to_uint8(face: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(face), 0, 255).astype(np.uint8)
