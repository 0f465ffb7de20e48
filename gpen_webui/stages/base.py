"""What a stage is, and the photo that goes from one to the next."""

from __future__ import annotations

import time
from collections.abc import Generator, Hashable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from gpen_webui.face_numbers import DrawnBox
from gpen_webui.faces.detect import Face
from gpen_webui.faces.select import FaceSelection
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.states import Stage

if TYPE_CHECKING:
    from gpen_webui.stages.photo_measures import PhotoMeasures
    from gpen_webui.stages.suggestions import Suggestion

Stages = Generator[str, None, None]
Value = TypeVar("Value")
# A crop (S,S,3) uint8, what the network made of it, (S,S,3) float32, 0-255, and how much of that
# change is used, 0-1, as its fidelity gate tells; 1 where it has none.
NetworkFace = tuple[np.ndarray, np.ndarray, float]


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """faces: all in the photo, those in drawn boxes last. kept: indices of those to restore.
    matrices: (2,3), of these, from the photo's own pixels to the crop."""

    faces: list[Face]
    kept: list[int]
    matrices: list[np.ndarray]

    def only(self, places: list[int]) -> FoundFaces:
        """The same faces, and of those to restore the ones at these places of `kept`."""
        return FoundFaces(
            self.faces, [self.kept[i] for i in places], [self.matrices[i] for i in places]
        )


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """What finding and restoring gave, before any option that comes after the network.

    The parts of a NetworkFace for each kept face.
    """

    found: FoundFaces
    crops: list[np.ndarray]
    restored: list[np.ndarray]
    shares: list[float]

    @classmethod
    def of(cls, found: FoundFaces, faces: Iterable[NetworkFace]) -> NetworkResult:
        """Of faces in the order of `found`."""
        crops, restored, shares = [], [], []
        for crop, face, share in faces:
            crops.append(crop)
            restored.append(face)
            shares.append(share)
        return cls(found, crops, restored, shares)

    def face(self, place: int) -> NetworkFace:
        """The parts of the face at a place of `found.kept`."""
        return self.crops[place], self.restored[place], self.shares[place]

    def by_crop(self) -> dict[bytes, NetworkFace]:
        """Each face by the matrix that cuts it out."""
        return {matrix.tobytes(): self.face(i) for i, matrix in enumerate(self.found.matrices)}

    def only(self, places: list[int]) -> NetworkResult:
        """Of the restored faces the ones at these places of `found.kept`."""
        return NetworkResult(
            self.found.only(places),
            [self.crops[i] for i in places],
            [self.restored[i] for i in places],
            [self.shares[i] for i in places],
        )

    @property
    def nbytes(self) -> int:
        return sum(pixels.nbytes for pixels in [*self.crops, *self.restored])


@dataclass(frozen=True)
class FaceReport:
    """One face of the report. number: by which options name it. box: in pixels of the photo as it
    was. reason: why it was left alone. model: the name of the one that restored it; strength and
    mode: how; None where it was left alone. upright_box: the box in the turned photo; None where it
    is not turned. added: the box (left, top, width, height) that the user drew around it. found_by:
    detector, closer look (only in that box), or box (nothing is recognised in it). blur: before and
    after, as face_blur.py measures it; None where it was not restored. share: how much of what the
    network changed was used, 0-1; None where that was not for the fidelity gate to tell."""

    number: int
    box: tuple[float, float, float, float]
    score: float
    restored: bool
    reason: str | None = None
    model: str | None = None
    strength: int | None = None
    mode: str | None = None
    upright_box: tuple[float, float, float, float] | None = None
    added: DrawnBox | None = None
    found_by: str = "detector"
    blur: tuple[float, float] | None = None
    share: float | None = None

    def as_dict(self) -> dict:
        return {
            "number": self.number,
            "box": _rounded(self.box),
            "score": round(self.score, 3),
            "restored": self.restored,
            "reason": self.reason,
            "model": self.model,
            "strength": self.strength,
            "mode": self.mode,
            "upright_box": self.upright_box and _rounded(self.upright_box),
            "added": self.added and list(self.added),
            "found_by": self.found_by,
            "blur": self.blur and dict(zip(("before", "after"), self.blur, strict=True)),
            "share": self.share,
        }


def _rounded(box: tuple[float, float, float, float]) -> list[float]:
    return [round(value, 1) for value in box]


class Intermediates(Protocol):
    """What stages made of one photo, kept for another run of it with other options.

    Values are read by many threads and must never be changed.
    """

    def get(self, key: Hashable) -> Any | None:
        """The value kept under this key; None where there is none any more."""

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of `size` bytes, for as long as there is room."""


class NothingKept:
    """Intermediates of photos that are restored once."""

    def get(self, key: Hashable) -> None:
        return None

    def put(self, key: Hashable, value: Any, size: int) -> None:
        pass


class Progress(str):
    """A stage's name, said again while it is at work. percent: how much of it is done."""

    percent: int

    def __new__(cls, stage: str, percent: int) -> Progress:
        progress = super().__new__(cls, stage)
        progress.percent = percent
        return progress


class StageClock:
    """Measures stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time until the block ends to that of a stage."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - started


@dataclass(eq=False)
class WorkingPhoto:
    """A photo on its way; each stage changes what is its own.

    photo: as decoded. pixels: (H,W,3) uint8 RGB, as they are now; never changed in place, but
    replaced. scale: how many times larger than the photo they are. unscaled: (h,w,3) uint8 RGB,
    of the photo's own size, in which faces are found and from which they are cropped: as repaired,
    not enlarged or cleaned. useful_scale: how many times larger it may be to show all that the
    model makes of its largest face. found: None until faces were looked for. selection: what the
    options say of these. network: None where there were no faces, or too many to hold. is_new: a
    stage has made a new picture of it, even if it came out the same; else the result is the file as
    it is. has_colours: a grey photo was given some. warnings, notes: sentences for the report, of
    what is wrong and of what was done.
    turn: by how many quarters it must be turned counterclockwise for all its faces to be upright.
    is_turned: and it is. options: as they are by now, where stages choose some of them;
    suggestions: what these have chosen, by its measures and scratches, (h,w) bool, where they were
    looked for. keep_faces: all faces are wanted afterwards, however many there are.
    """

    photo: Photo
    pixels: np.ndarray
    unscaled: np.ndarray
    scale: int = 1
    useful_scale: int = 1
    found: FoundFaces | None = None
    selection: FaceSelection | None = None
    network: NetworkResult | None = None
    faces: list[FaceReport] = field(default_factory=list)
    is_new: bool = False
    has_colours: bool = False
    turn: int = 0
    is_turned: bool = False
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    clock: StageClock = field(default_factory=StageClock)
    intermediates: Intermediates = field(default_factory=NothingKept)
    keep_faces: bool = False
    options: RestoreOptions = field(default_factory=RestoreOptions)
    suggestions: list[Suggestion] = field(default_factory=list)
    measures: PhotoMeasures | None = None
    scratches: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        photo: Photo,
        options: RestoreOptions,
        intermediates: Intermediates | None,
        keep_faces: bool,
    ) -> WorkingPhoto:
        """The photo at its start, turned and cropped already as the options say."""
        return cls(
            photo,
            photo.pixels,
            photo.pixels,
            options=options,
            is_new=options.is_framed,
            warnings=list(photo.warnings),
            intermediates=intermediates or NothingKept(),
            keep_faces=keep_faces,
        )


class PhotoStage(Protocol):
    """One thing that is done to a photo.

    What it makes of a photo depends on the photo, the options and its own network alone. What
    took long, it keeps in `working.intermediates` under a key of its name, of
    `options.key_for(stage)`, and of whatever else its result depends on.
    """

    def applies(self, options: RestoreOptions, photo: Photo) -> bool:
        """Whether there is anything to do with these options."""

    def run(self, working: WorkingPhoto, options: RestoreOptions) -> Stages:
        """Do it. Yields the name of a step (`states.Stage`) before each part of the work, and at
        every point where the photo may be stopped; the same name again as a `Progress`. Options
        that it chooses itself go into `working.options`, for the stages after it."""


def key_for(stage: Stage, options: RestoreOptions, *others: Hashable) -> Hashable:
    """The key under which a stage keeps its result."""
    return (stage, options.key_for(stage), *others)


def progressed(
    parts: Generator[float, None, Value],
    stage: Stage,
    percent: tuple[int, int] = (0, 100),
    clock: StageClock | None = None,
) -> Generator[str, None, Value]:
    """Go through the parts of some work; the photo may be stopped before each.

    parts: say which share is done. percent: of the stage, done before and after. clock: by which
    each part is measured, where nobody does so around it.
    """
    before, after = percent
    while True:
        with clock.stage(stage) if clock else nullcontext():
            try:
                share = next(parts)
            except StopIteration as end:
                return end.value
        yield Progress(stage, round(before + share * (after - before)))


def last(stages: Generator[object, None, Value]) -> Value:
    """Go through all stages; what the generator returns."""
    while True:
        try:
            next(stages)
        except StopIteration as end:
            return end.value
