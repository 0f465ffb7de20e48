"""One run of the command line over many photos: plan, restore, record."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TypeVar

from gpen_webui.cli.progress import Progress
from gpen_webui.cli.run_record import RunRecord
from gpen_webui.cli.sidecars import save_comparison, save_faces
from gpen_webui.files.atomic import place_result
from gpen_webui.files.find_photos import FoundPhoto
from gpen_webui.jobs.naming import plan_results
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import (
    ItemReport,
    RestoredFile,
    StageError,
    restore_stages,
    run_workers,
)
from gpen_webui.stages.restorer import Restorer

Thing = TypeVar("Thing")
Task = tuple[FoundPhoto, PurePath]


class Album:
    """Photos restored into one folder; its methods that workers call are thread-safe.

    extras: which pictures to save beside the results: save_faces, compare.
    """

    def __init__(
        self,
        restorer: Restorer,
        options: RestoreOptions,
        folder: Path,
        progress: Progress,
        extras: set[str],
        workers: int,
    ):
        self.restorer = restorer
        self.options = options
        self.folder = folder
        self.progress = progress
        self.extras = extras
        self.workers = workers
        self.record = RunRecord(folder)
        self._stop = threading.Event()

    def restore(self, photos: list[FoundPhoto], skip_existing: bool) -> bool:
        """Restore all photos; True where the user interrupted it."""
        results = plan_results([photo.name for photo in photos], self.options.format)
        tasks = list(zip(photos, results, strict=True))
        if skip_existing:
            tasks = [task for task in tasks if not self._was_done(*task)]
        with self._stopping_on_signals():
            until_stopped = self._until_stopped(tasks)
            for report in run_workers(until_stopped, self._restore_photo, self.workers):
                if report is not None:
                    self.record.finish(report.as_dict())
                    self.progress.photo(report.as_dict())
        return self._stop.is_set()

    def close(self) -> dict[str, int]:
        """Write the report; how many photos ended in which state."""
        self.record.close()
        return self.record.counts()

    def _was_done(self, photo: FoundPhoto, result: PurePath) -> bool:
        """Whether an earlier run restored this photo, or another file has its result's place."""
        report = self.record.result_of(str(photo.name))
        if report is None:
            if self.record.is_ours(result) or not (self.folder / result).exists():
                return False
            warning = "The result was there before this run and was left as it was."
            report = ItemReport(
                str(photo.name),
                "done",
                self.options.as_dict(),
                self.restorer.model.name,
                self.restorer.model.sha256,
                result=result.as_posix(),
                warnings=[warning],
            ).as_dict()
            self.record.finish(report)
        self.progress.skipped(report)
        return True

    def _restore_photo(self, task: Task) -> ItemReport | None:
        """The report of one photo, None where the user stopped it."""
        photo, planned = task
        try:
            restored = self._restored(photo)
            if restored is None:
                return None
            self._save(restored, planned)
            return restored.report
        except StageError as error:
            return self._failed(photo, error.stage, str(error))
        except OSError as error:
            reason = error.strerror or str(error)
            message = f"{photo.name}: its result cannot be written to {self.folder} ({reason}); "
            return self._failed(photo, "save", message + "make room, or choose another -o.")

    def _restored(self, photo: FoundPhoto) -> RestoredFile | None:
        """None where the user stopped it before one of its stages."""
        stages = restore_stages(self.restorer, photo.source, str(photo.name), self.options)
        while not self._stop.is_set():
            try:
                next(stages)
            except StopIteration as end:
                return end.value
        return None

    def _save(self, restored: RestoredFile, planned: PurePath) -> None:
        result = planned.with_suffix(restored.suffix)
        replace = self.record.is_ours(result)
        self.record.begin(result)
        placed = place_result(self.folder, result, restored.data, replace=replace)
        restored.report.result = placed.as_posix()
        if "save_faces" in self.extras:
            save_faces(self.folder, restored)
        if "compare" in self.extras:
            save_comparison(self.folder, restored)

    def _failed(self, photo: FoundPhoto, stage: str, message: str) -> ItemReport:
        model = self.restorer.model
        return ItemReport.failed(str(photo.name), self.options, model, stage, message)

    def _until_stopped(self, tasks: list[Thing]) -> Iterator[Thing]:
        for task in tasks:
            if self._stop.is_set():
                return
            yield task

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        """Ctrl-C or a polite kill stops after the stages in hand; the second one, at once."""

        def stop(number: int, frame: object) -> None:
            self._stop.set()
            signal.signal(number, before[number])

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
