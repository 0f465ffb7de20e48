"""One run of the command line over many photos: what is to do, and what becomes of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Set
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from gpen_webui.child_process import END_SIGNALS
from gpen_webui.cli.progress import WAS_THERE, Progress
from gpen_webui.cli.sidecars import Sidecars
from gpen_webui.errors import UserError
from gpen_webui.files.find_photos import FoundPhoto
from gpen_webui.files.originals import Original
from gpen_webui.jobs.folder_record import FolderRecord
from gpen_webui.jobs.folder_service import FolderService
from gpen_webui.jobs.html_report import write_reports
from gpen_webui.jobs.naming import plan_results
from gpen_webui.jobs.records import Job, JobConflictError
from gpen_webui.jobs.runner.local_pool import RestoreStages, Stages
from gpen_webui.jobs.store.jobs import NewPhoto
from gpen_webui.options import DEFAULTS, RestoreOptions
from gpen_webui.pipeline import ItemReport, restore_stages
from gpen_webui.stages.base import Intermediates
from gpen_webui.stages.restorer import Restorer
from gpen_webui.states import PROCESSED_ITEMS, ItemState, JobState

LISTEN_SECONDS = 0.2  # between looks whether the user wants to stop
LIMITS = ("max_megapixels",)  # options that change no result
RESULTS_FOLDER = "."  # of the job, seen from the folder that has its store


class AlbumStoppedError(UserError):
    """The run cannot go on; the sentence says why."""


@dataclass(frozen=True)
class AlbumSettings:
    """How a run restores. extras: what to save beside the results: save_faces, compare. is_last:
    the process ends with it."""

    options: RestoreOptions
    workers: int
    max_photo_seconds: float
    skip_existing: bool
    extras: frozenset[str]
    is_last: bool


class Album:
    """Photos restored into the folder of `record`."""

    def __init__(
        self, record: FolderRecord, restorer: Restorer, settings: AlbumSettings, progress: Progress
    ):
        self._record = record
        self._restorer = restorer
        self._settings = settings
        self._progress = progress
        self._wants_to_stop = False

    def restore(self, photos: list[FoundPhoto], left_out: list[dict]) -> bool:
        """Restore all photos and write the report; True where the user interrupted it.

        left_out: what the report lists besides photos. Raises AlbumStoppedError, StoreError and
        OSError where the results cannot be kept.
        """
        to_do = self._to_do(photos)
        files = self._record.begin(left_out)
        if not to_do:
            report = self._record.complete(self._empty_report())
            write_reports(self._record.folder, report, files)
            return False
        with closing(
            FolderService(
                files,
                self._record,
                self._restorer,
                self._settings.workers,
                self._stages(files.staging),
                self._settings.max_photo_seconds,
                is_last=self._settings.is_last,
            )
        ) as service:
            job = service.store.create_job(
                "album", self._record.folder.name, self._settings.options, folder=RESULTS_FOLDER
            )
            service.store.add_originals(job.id, to_do)
            with self._stopping_on_signals():
                service.runner.submit(job.id)
                self._follow(service, job)
        return self._wants_to_stop

    def _to_do(self, photos: list[FoundPhoto]) -> list[NewPhoto]:
        """The photos that no earlier run has restored; of the others it is told."""
        to_do = []
        names = [str(photo.name) for photo in photos]
        sources = {os.path.realpath(photo.source) for photo in photos}
        planned = plan_results(names, self._settings.options.format)
        for photo, name, result in zip(photos, names, planned, strict=True):
            report = (
                self._known_report(name, result, sources) if self._settings.skip_existing else None
            )
            if report is None:
                crashes = self._record.crashes.get(name, 0)
                to_do.append(NewPhoto(photo.source, name, crashes=crashes))
            elif report["state"] == ItemState.FAILED:
                self._progress.photo(report)
            else:
                self._progress.skipped(report, not self._is_as_asked(report))
        return to_do

    def _known_report(self, name: str, result: PurePath, sources: Set[str]) -> dict | None:
        """The report of a photo that is not restored again; None where it is to do.

        sources: the originals, of which none is a result.
        """
        if self._record.is_left_out(name):
            return self._record.photos[name]
        if report := self._record.result_of(name):
            return report
        there = self._record.folder / result
        if not there.exists() or os.path.realpath(there) in sources:
            return None
        options = self._settings.options.without_mask()
        found = ItemReport(
            name, ItemState.DONE, options, result=result.as_posix(), warnings=[WAS_THERE]
        )
        self._record.photos[name] = found.as_dict()
        return self._record.photos[name]

    def _is_as_asked(self, report: dict) -> bool:
        """Whether a result was made with this run's settings and model, as far as is known."""
        if WAS_THERE in report["warnings"]:
            return True
        if report["model_sha256"] not in (None, self._restorer.model.sha256):
            return False
        asked = self._settings.options.without_mask()
        if asked["preset"] == "auto":  # what it chose for this photo it would choose again
            for chosen in report.get("suggestions", ()):
                asked |= chosen["options"] if chosen["is_automatic"] else {}
        was = DEFAULTS | report["options"]
        return all(was[name] == value for name, value in asked.items() if name not in LIMITS)

    def _follow(self, service: FolderService, job: Job) -> None:
        """Tell what becomes of the photos, until all have ended or the user has had enough."""
        is_stopping, said = False, None
        for event in service.events.follow(job.id, heartbeat=LISTEN_SECONDS):
            if self._wants_to_stop and not is_stopping:
                is_stopping = True
                with suppress(JobConflictError):  # the last photo has ended just now
                    service.runner.cancel(job.id)
            if event is None:
                said = self._say_what_is_wrong(service, said)
            elif event["type"] == "stage":
                self._progress.stage(event["name"], event["stage"], event["percent"])
            elif event["type"] == "item" and event["state"] in PROCESSED_ITEMS:
                report = service.store.item(job.id, event["item"]).report
                if report is not None:  # every item that a worker has ended has one
                    self._progress.photo(report)
            elif event["type"] == "job" and event["state"] == JobState.PAUSED:
                raise AlbumStoppedError(event["error"]["message"])

    def _say_what_is_wrong(self, service: FolderService, said: str | None) -> str | None:
        """Why nothing happens, once; raises AlbumStoppedError where nothing will."""
        status = service.pool.status()
        if status["state"] != "failed":
            return None
        if not status["workers"]:
            raise AlbumStoppedError(status["message"])
        if status["message"] != said:
            self._progress.say(status["message"])
        return status["message"]

    def _stages(self, staging: Path) -> RestoreStages:
        """`restore_stages`, after which the pictures beside the result are saved."""
        keep_faces = "save_faces" in self._settings.extras
        sidecars = Sidecars(self._record.folder, staging, self._settings.extras)

        def stages(
            restorer: Restorer,
            source: Path | Original,
            name: str,
            options: RestoreOptions,
            reuse: Intermediates | None,
        ) -> Stages:
            restored = yield from restore_stages(restorer, source, name, options, reuse, keep_faces)
            sidecars.save(restored)
            return restored

        return stages

    def _empty_report(self) -> dict:
        model = self._restorer.model
        return {
            "name": self._record.folder.name,
            "state": JobState.DONE,
            "model": model.name,
            "model_sha256": model.sha256,
            "options": self._settings.options.without_mask(),
            "photos": [],
        }

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        """Ctrl-C, a polite kill or a closed terminal stops after the stages in progress; the second
        one, at once. What is ignored (nohup) stays so."""

        def stop(number: int, frame: object) -> None:
            self._wants_to_stop = True
            signal.signal(number, signal.SIG_DFL)

        before = {}
        for name in END_SIGNALS:
            number = getattr(signal, name, None)
            if number and signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
