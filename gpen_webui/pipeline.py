"""From a photo file to a restored file: the part that every door shares.

The command line and the job runner both call `restore_file` from their worker threads, on
one shared `Restorer`. Each worker carries one photo through all its stages:

    open -> detect -> align -> network -> blend -> adjust -> save

so that memory is bounded by the workers, not by the album, and while one worker decodes
or saves, another's faces are in the network. No result depends on who else is at work.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import TypeVar

import cv2

from gpen_webui.errors import UserError
from gpen_webui.faces.detect import FaceDetector
from gpen_webui.heap import share_one_heap
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.encode import encode_photo
from gpen_webui.photo.formats import suffix_for
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.settings import Settings
from gpen_webui.stages.restorer import NetworkResult, Restoration, Restorer

log = logging.getLogger(__name__)

STAGE_WORDS = {
    "open": "opening the photo",
    "detect": "looking for faces",
    "align": "aligning the faces",
    "network": "restoring the faces",
    "blend": "blending the faces in",
    "adjust": "adjusting the photo",
    "save": "saving the result",
}

PHOTO_NICENESS = 5

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


class Interrupted(Exception):  # noqa: N818 - not an error
    """Raised by an `on_stage` callback to stop a photo before its next stage."""


class StageError(UserError):
    """A photo could not be restored; `stage` says where, the sentence why."""

    def __init__(self, stage: str, message: str):
        super().__init__(message)
        self.stage = stage


@dataclass
class ItemReport:
    """What came of one photo, as it stands in report.json.

    state: done, no_face, failed or cancelled. result: the written file, relative to the
    results folder. seconds: per stage. error: None or {"stage", "message"}.
    """

    name: str
    state: str
    options: dict
    model: str
    model_sha256: str
    result: str | None = None
    faces: list[dict] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    error: dict[str, str] | None = None

    def as_dict(self) -> dict:
        return asdict(self)


@dataclass
class RestoredFile:
    """One photo's report, with the pictures that came up on the way."""

    report: ItemReport
    photo: Photo
    restoration: Restoration


def choose_workers(settings: Settings) -> int:
    """How many photos to have in work at once: as the settings say, or as suits the machine."""
    from gpen_webui.engines.open import auto_workers

    return settings.workers or auto_workers(settings.device)


def open_restorer(settings: Settings, workers: int) -> Restorer:
    """Load the model named by the settings (None: the default one) behind one shared restorer.

    workers: how many threads will call it at once. Raises UserError where the model or the
    device cannot be used.
    """
    from gpen_webui.engines.cores import cpu_cores
    from gpen_webui.engines.open import open_engine
    from gpen_webui.models.installed import find_model

    share_one_heap()
    # Each worker also resizes and blends; together they get the cores once, not each.
    cv2.setNumThreads(max(1, cpu_cores() // workers))

    model = find_model(settings.model, settings.models)
    engine = open_engine(
        model,
        device=settings.device,
        precision=settings.precision,
        workers=workers,
        cache=settings.models / ".cache",
    )
    return Restorer(engine, FaceDetector(), model)


def restore_file(
    restorer: Restorer,
    source: Path,
    name: str,
    options: RestoreOptions,
    write: Callable[[bytes, str], PurePath],
    on_stage: Callable[[str], None] = lambda stage: None,
    reuse: NetworkResult | None = None,
) -> RestoredFile:
    """Restore one photo file and hand the encoded result to `write(data, suffix)`.

    name: how messages and the report call the photo. write: stores the bytes and returns
    where, relative to the results folder. on_stage: told each stage as it begins; an
    `Interrupted` that it raises passes through. reuse: the network's result of an earlier
    run of the same photo.

    A photo without a face is passed on byte for byte where the format stays the same.
    Raises StageError for whatever went wrong with the photo; OSError when `write` failed.
    """
    stage = "open"

    def enter(next_stage: str) -> None:
        nonlocal stage
        stage = next_stage
        on_stage(next_stage)

    try:
        enter("open")
        started = time.perf_counter()
        photo = open_photo(source, name=name, max_megapixels=options.max_megapixels)
        opened = time.perf_counter()
        restoration = restorer.restore(photo, options, on_stage=enter, reuse=reuse)
        enter("save")
        encoding = time.perf_counter()
        if restoration.state == "no_face" and options.format == "same":
            data, suffix = source.read_bytes(), suffix_for(name, photo.format)
        else:
            data, suffix = encode_photo(photo, restoration.pixels, options.format, options.quality)
    except Interrupted:
        raise
    except Exception as error:
        raise StageError(stage, _explain(error, stage, name)) from error

    result = write(data, suffix)
    saved = time.perf_counter()
    seconds = {"open": opened - started, **restoration.timings, "save": saved - encoding}
    report = ItemReport(
        name=name,
        state=restoration.state,
        options=options.as_dict(),
        model=restorer.model.name,
        model_sha256=restorer.model.sha256,
        result=result.as_posix(),
        faces=[face.as_dict() for face in restoration.faces],
        seconds={stage: round(value, 4) for stage, value in seconds.items()},
        warnings=list(restoration.warnings),
    )
    return RestoredFile(report, photo, restoration)


def run_workers(
    tasks: Iterable[Task], work: Callable[[Task], Outcome], workers: int
) -> Iterator[Outcome]:
    """Yield `work(task)` of every task as it is finished, `workers` of them at a time.

    Tasks are taken from the iterable only as workers become free. An exception of `work`
    ends the iteration once the tasks in hand have ended.
    """
    remaining = iter(tasks)
    with ThreadPoolExecutor(workers, "restore", initializer=put_network_first) as pool:
        running: set[Future[Outcome]] = set()
        while True:
            for task in remaining:
                running.add(pool.submit(work, task))
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
    """One sentence for the user; what only a developer understands goes to the log."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{name} needs more memory than is free; make it smaller or use fewer workers."
    log.error("%s: %s failed", ascii(name), stage, exc_info=error)
    return (
        f"{name}: something unexpected went wrong while {STAGE_WORDS[stage]}; "
        "try again, and if it happens again look into the log for the cause."
    )
