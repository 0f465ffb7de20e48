"""From a photo file to the bytes of a restored file; who asked for it saves them.

Workers call `restore_stages` or `restore_file` from their threads, on one shared `Restorer`.
Each worker carries one photo through all its stages:

    open -> frame -> repair -> detect -> align -> enlarge -> network -> blend -> adjust -> save

so that memory is bounded by the workers, not by the album, and while one worker decodes
or encodes, another's faces are in the network. No result depends on who else is at work.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import cv2

from gpen_webui.errors import UserError
from gpen_webui.files.originals import Original, hold_open
from gpen_webui.models.folder import InstalledModel
from gpen_webui.networks import OpeningNetworks, kept_turns, open_networks
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.encode import encode_photo, is_lossy, losses
from gpen_webui.photo.formats import suffix_for
from gpen_webui.photo.framing import framed, framing_notes
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.photo.turning import turned
from gpen_webui.settings import Settings
from gpen_webui.shortage import shortage_of
from gpen_webui.stages.base import Intermediates
from gpen_webui.stages.restorer import Restoration, Restorer, last
from gpen_webui.stages.small_faces import SmallFaces
from gpen_webui.states import ItemState, Stage

if TYPE_CHECKING:
    from gpen_webui.engines.photos_at_once import PhotosAtOnce

STAGE_WORDS: dict[str, str] = {
    Stage.OPEN: "opening the photo",
    Stage.REPAIR: "repairing the print",
    Stage.DETECT: "looking for faces",
    Stage.ALIGN: "aligning the faces",
    Stage.ENLARGE: "enlarging and cleaning the photo",
    Stage.NETWORK: "restoring the faces",
    Stage.BLEND: "blending the faces in",
    Stage.ADJUST: "adjusting the photo",
    Stage.SAVE: "saving the result",
}

ONE_AT_A_TIME = " Photos are restored one at a time, as there are less than 3 GB of memory."
PHOTO_NICENESS = 5
COMPRESSED = "The result is compressed with losses: pixels outside the faces differ a little too."

Input = TypeVar("Input")
Outcome = TypeVar("Outcome")


class StageError(UserError):
    """A photo could not be restored; `stage` says where, the sentence why."""

    def __init__(self, stage: str, message: str):
        super().__init__(message)
        self.stage = stage


@dataclass
class ItemReport:
    """What came of one photo, as it stands in report.json.

    state: done, no_face, failed or cancelled. model, model_sha256: None where the photo was
    never begun. result: the saved file, relative to the results folder, with slashes; None
    until it is saved. sidecars: the XMP files beside it, likewise. superseded: files of a version
    with other options that lay elsewhere and is gone. seconds: per stage. warnings,
    notes: sentences, of what is wrong and of what was done. scale: how many times larger the result
    is than the photo; useful_scale: how many times it may be to show all that the model makes of
    its largest face. unchanged: it is the photo's file as it was. turn: by how many degrees the
    photo must be turned clockwise for all its faces to be upright; with the option upright the
    result is. suggestions: what `preset` has chosen and why; `options` has it too. error: None or
    {"stage", "message"}. restored_by: {"machine", "kind"} where several
    machines work together; machines of one kind give the same bytes.
    """

    name: str
    state: str
    options: dict
    model: str | None = None
    model_sha256: str | None = None
    result: str | None = None
    sidecars: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    faces: list[dict] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    scale: int = 1
    useful_scale: int = 1
    unchanged: bool = False
    turn: int = 0
    suggestions: list[dict] = field(default_factory=list)
    error: dict[str, str | None] | None = None
    restored_by: dict[str, str] | None = None

    @classmethod
    def failed(
        cls,
        name: str,
        options: RestoreOptions,
        model: InstalledModel | None,
        stage: str | None,
        message: str,
    ) -> ItemReport:
        """The report of a photo that could not be restored or saved."""
        return cls(
            name,
            ItemState.FAILED,
            options.without_mask(),
            model.name if model else None,
            model.sha256 if model else None,
            error={"stage": stage, "message": message},
        )

    def as_dict(self) -> dict:
        """For JSON."""
        report = asdict(self)
        if self.restored_by is None:
            del report["restored_by"]
        return report


@dataclass
class RestoredFile:
    """A restored photo, not saved yet: its bytes, the suffix that they need, its report.

    data: an open file where the original is passed on as it is: it may be as long as it
    likes. photo, restoration: the pictures that came up on the way. modified_ns: the date that
    the file gets, in nanoseconds since 1970; None for that on which it is saved.
    """

    data: bytes | BinaryIO
    suffix: str
    report: ItemReport
    photo: Photo
    restoration: Restoration
    modified_ns: int | None = None


def open_restorer(settings: Settings, workers: int) -> Restorer:
    """Load the model named by the settings (None: the default one, and another for small faces
    where that is installed) behind one shared restorer.

    workers: how many threads will call it at once. Raises UserError where the model or the
    device cannot be used.
    """
    return restorer_of(open_networks(settings, workers))


def restorer_of(networks: OpeningNetworks, further: Path | None = None) -> Restorer:
    """One shared restorer of networks that are being opened; waits for them.

    further: the folder of those that only some photos need; None: the settings' models folder.
    Raises UserError where one cannot be used.
    """
    from gpen_webui.engines.cores import cpu_cores, has_little_memory

    settings = networks.settings
    # Each worker also resizes and blends; together they get the cores once, not each.
    cv2.setNumThreads(max(1, cpu_cores() // networks.workers))
    engine, small_engine = networks.engine(), networks.small_engine()
    if not settings.workers and has_little_memory():
        engine.description += ONE_AT_A_TIME
    small = networks.small
    restorer = Restorer(
        engine,
        networks.detector,
        networks.model,
        SmallFaces(small_engine, small) if small_engine and small else None,
        networks.open_tile_engine,
        further or settings.models,
        networks.open_face_parser,
    )
    restorer.at_once = _measuring(networks.model, settings, networks.workers)
    return restorer


def _measuring(model: InstalledModel, settings: Settings, workers: int) -> PhotosAtOnce | None:
    """Finds out how many photos to have in work at once, where that is not known yet."""
    from gpen_webui.engines.cores import cpu_cores
    from gpen_webui.engines.photos_at_once import PhotosAtOnce, are_enough

    if settings.workers:
        return None
    kept = kept_turns(model, settings)
    turns = kept.read()
    if workers != max(turns) or len(turns) == 1 or are_enough(turns):
        return None
    return PhotosAtOnce(
        turns, kept.add, changed=lambda number: cv2.setNumThreads(max(1, cpu_cores() // number))
    )


def restore_stages(
    restorer: Restorer,
    source: Path | Original,
    name: str,
    options: RestoreOptions,
    reuse: Intermediates | None = None,
    keep_faces: bool = False,
) -> Generator[str, None, RestoredFile]:
    """Restore one photo file: yields each stage before it begins, returns the restored file.

    Nothing happens between two stages unless the next one is asked for, so whoever iterates
    can tell them and stop the photo by closing the generator. name: how messages and the
    report call the photo. reuse: what earlier runs of the same photo and model have kept.
    keep_faces: return every face by itself too, however many there are.

    A photo that no stage has worked on is passed on byte for byte where the format stays the same.
    Raises StageError for whatever went wrong with the photo, ShortageError where the machine
    has run out of something.
    """
    stage: str = Stage.OPEN
    try:
        yield stage
        with (
            restorer.at_once.photo() if restorer.at_once else nullcontext(),
            hold_open(source, name) as path,  # what is decoded is what is passed on
        ):
            started = time.perf_counter()
            photo = open_photo(path, name=name, max_megapixels=options.max_megapixels)
            photo = framed(photo, options.rotate, options.crop)
            framing = framing_notes(photo, options.rotate, options.crop)
            opened = time.perf_counter()
            stages = restorer.restore_stages(photo, options, reuse=reuse, keep_faces=keep_faces)
            restoration = None
            while restoration is None:
                try:
                    stage = next(stages)
                except StopIteration as end:
                    restoration = end.value
                else:
                    yield stage
            yield (stage := Stage.SAVE)
            encoding = time.perf_counter()
            warnings = [words for words in restoration.warnings if words not in photo.losses]
            if restoration.is_turned:
                photo = turned(photo, restoration.turn)
            data, suffix, lost, notes = _result_of(path, photo, restoration, options)
            modified_ns = path.stat().st_mtime_ns if options.copy_date else None
            encoded = time.perf_counter()
    except Exception as error:
        if shortage := shortage_of(error):
            raise shortage from error
        raise StageError(stage, _explain(error, stage, name)) from error

    seconds: dict[str, float] = {
        Stage.OPEN: opened - started,
        **restoration.timings,
        Stage.SAVE: encoded - encoding,
    }
    report = ItemReport(
        name=name,
        state=restoration.state,
        options=restoration.options.without_mask(),
        model=restorer.model.name,
        model_sha256=restorer.model.sha256,
        faces=[face.as_dict() for face in restoration.faces],
        seconds={stage: round(value, 4) for stage, value in seconds.items()},
        warnings=warnings + lost,
        notes=[*framing, *restoration.notes, *notes],
        scale=restoration.scale,
        useful_scale=restoration.useful_scale,
        unchanged=_is_passed_on(restoration, options),
        turn=-restoration.turn % 4 * 90,
        suggestions=[each.as_dict() for each in restoration.suggestions],
    )
    return RestoredFile(data, suffix, report, photo, restoration, modified_ns)


def restore_file(
    restorer: Restorer, source: Path | Original, name: str, options: RestoreOptions
) -> RestoredFile:
    """`restore_stages` from the first to the last."""
    return last(restore_stages(restorer, source, name, options))


def _result_of(
    path: Path, photo: Photo, restoration: Restoration, options: RestoreOptions
) -> tuple[bytes | BinaryIO, str, list[str], list[str]]:
    """The result's content, the suffix that it needs, what its format cannot hold, and notes."""
    if _is_passed_on(restoration, options):
        return path.open("rb"), suffix_for(photo.name, photo.file_format), [], []
    if restoration.has_colours:
        photo = replace(photo, grey=False, icc=None, png_colour=None)
    data, suffix = encode_photo(photo, restoration.pixels, options.format, options.quality)
    notes = [COMPRESSED] if is_lossy(photo, options.format) else []
    return data, suffix, [*photo.losses, *losses(photo, options.format)], notes


def _is_passed_on(restoration: Restoration, options: RestoreOptions) -> bool:
    """Whether the result is the photo's file, byte for byte."""
    return not restoration.is_new and options.format == "same"


def run_workers(
    inputs: Iterable[Input], work: Callable[[Input], Outcome], workers: int
) -> Iterator[Outcome]:
    """Yield `work(input)` of every input as it is finished, `workers` of them at a time.

    Inputs are taken from the iterable only as workers become free. An exception of `work`
    ends the iteration once those in progress have ended.
    """
    remaining = iter(inputs)
    with ThreadPoolExecutor(workers, "restore", initializer=put_network_first) as pool:
        running: set[Future[Outcome]] = set()
        while True:
            for each in remaining:
                running.add(pool.submit(work, each))
                if len(running) == workers:
                    break
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()


def put_network_first() -> None:
    """Give this thread, which prepares photos, the cores after the network's threads.

    They wait for each other several hundred times per face: one that is held up holds up all.
    Measured with GPEN-BFR-512, two photos at a time: 3 % less time per photo. Only Linux knows
    priorities of threads.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(19, own + PHOTO_NICENESS))


def _explain(error: Exception, stage: str, name: str) -> str:
    """One sentence for the user; the cause of the StageError is for the log."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{name} needs more memory than is free; make it smaller or use fewer workers."
    return (
        f"{name}: something unexpected went wrong while {STAGE_WORDS[stage]}; "
        "try again, and if it happens again look into the log for the cause."
    )
