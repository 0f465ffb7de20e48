"""Whole albums, from file to file, by workers, against the serial reference form."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.bench.busy import WatchedEngine
from gpen_webui.bench.reference_engine import ReferenceEngine
from gpen_webui.bench.summary import Summary, alternate
from gpen_webui.engines.cores import cpu_cores
from gpen_webui.engines.quality import psnr
from gpen_webui.engines.torch_engine import gpu_device
from gpen_webui.faces.detect import FaceDetector
from gpen_webui.files.atomic import write_atomically
from gpen_webui.models.installed import find_model
from gpen_webui.models.records import hash_file
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import ItemReport, open_restorer, restore_file, run_workers
from gpen_webui.settings import Settings
from gpen_webui.stages.restorer import Restorer

WORKERS = (1, 2, 4, 8)
REFERENCE = "reference form, one after the other"


@dataclass(frozen=True)
class AlbumRun:
    """One pass over the album. seconds: of the clock, without opening the engine.

    stages: seconds per stage, added up over photos. busy: share of the seconds in which the
    network was at work. pixels: the restored photos; hashes: of the written files, both by name.
    """

    seconds: float
    faces: int
    busy: float
    stages: dict[str, float]
    hashes: dict[str, str]
    pixels: dict[str, np.ndarray] = field(repr=False)


@dataclass(frozen=True)
class AlbumSide:
    """All passes with one number of workers.

    seconds: per photo. total: of the album. speed_up: over the serial reference form, of
    medians. psnr: dB of the worst photo against it, infinite where all are equal.
    not_in_network: share of the time in which the network had nothing to do. stages: share
    of each in the work.
    """

    workers: int
    seconds: Summary
    total: Summary
    speed_up: float
    psnr: float
    not_in_network: float
    stages: dict[str, float]


@dataclass(frozen=True)
class AlbumResult:
    """same_bytes: whether every number of workers wrote the same files, in every pass."""

    photos: int
    faces: int
    reference: AlbumSide
    sides: list[AlbumSide]
    same_bytes: bool

    def fastest(self) -> AlbumSide:
        return max(self.sides, key=lambda side: side.speed_up)


def measure_albums(
    settings: Settings,
    photos: Sequence[Path],
    folder: Path,
    rounds: int,
    on_step: Callable[[str], None] = lambda what: None,
) -> AlbumResult:
    """Restore the album with 1, 2, 4 and 8 workers and with the reference form, alternating.

    settings: whose model, device and precision are used. folder: for results, emptied again.
    """
    sides = {REFERENCE: partial(_restore_with_reference, settings, photos, folder)}
    for workers in WORKERS:
        sides[_name(workers)] = partial(_restore_with, settings, photos, folder, workers)
    measured = alternate(sides, rounds, on_step)
    reference = measured[REFERENCE]
    summary = partial(_summary, reference=reference)
    ours = [run for workers in WORKERS for run in measured[_name(workers)]]
    return AlbumResult(
        len(photos),
        reference[0].faces,
        summary(1, reference),
        [summary(workers, measured[_name(workers)]) for workers in WORKERS],
        same_bytes=all(run.hashes == ours[0].hashes for run in ours),
    )


def _name(workers: int) -> str:
    return f"{workers} {'worker' if workers == 1 else 'workers'}"


def _restore_with_reference(settings: Settings, photos: Sequence[Path], folder: Path) -> AlbumRun:
    model = find_model(settings.model, settings.models)
    cv2.setNumThreads(cpu_cores())
    engine = ReferenceEngine(model, gpu_device(settings.device) or "cpu")
    return restore_album(Restorer(engine, FaceDetector(), model), photos, folder, 1)


def _restore_with(
    settings: Settings, photos: Sequence[Path], folder: Path, workers: int
) -> AlbumRun:
    restorer = open_restorer(replace(settings, workers=workers), workers)
    return restore_album(restorer, photos, folder, workers)


def restore_album(
    restorer: Restorer, photos: Sequence[Path], folder: Path, workers: int
) -> AlbumRun:
    """Restore `photos` into `folder`, `workers` at a time, and close the restorer."""
    folder.mkdir(parents=True)
    with closing(restorer):
        engine = restorer.face_network.engine
        engine.run(np.zeros((1, 3, engine.size, engine.size), np.float32))
        restorer.face_network.engine = watched = WatchedEngine(engine)
        started = time.perf_counter()
        restored = list(run_workers(photos, partial(_restore, restorer, folder), workers))
        seconds = time.perf_counter() - started
        busy = watched.busy_seconds()
    stages: Counter[str] = Counter()
    for report, _ in restored:
        stages.update(report.seconds)
    hashes = {report.name: hash_file(folder / report.name) for report, _ in restored}
    shutil.rmtree(folder)
    return AlbumRun(
        seconds,
        faces=sum(len(report.faces) for report, _ in restored),
        busy=busy / seconds,
        stages=dict(stages),
        hashes=hashes,
        pixels={report.name: pixels for report, pixels in restored},
    )


def _restore(restorer: Restorer, folder: Path, source: Path) -> tuple[ItemReport, np.ndarray]:
    restored = restore_file(restorer, source, source.name, RestoreOptions())
    write_atomically(folder / source.name, restored.data)
    restored.report.result = source.name
    return restored.report, restored.restoration.pixels


def _summary(workers: int, runs: list[AlbumRun], reference: list[AlbumRun]) -> AlbumSide:
    total = Summary.of(run.seconds for run in runs)
    work = sum((Counter(run.stages) for run in runs), Counter())
    expected = reference[0].pixels
    return AlbumSide(
        workers,
        Summary.of(run.seconds / len(run.pixels) for run in runs),
        total,
        speed_up=Summary.of(run.seconds for run in reference).median / total.median,
        psnr=min(
            psnr(pixels / 127.5 - 1, expected[name] / 127.5 - 1)
            for run in runs
            for name, pixels in run.pixels.items()
        ),
        not_in_network=1 - Summary.of(run.busy for run in runs).median,
        stages={stage: seconds / work.total() for stage, seconds in work.items()},
    )
