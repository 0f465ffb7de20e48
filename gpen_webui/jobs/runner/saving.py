"""Results and reports go to their places whole, or a sentence says why they cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from gpen_webui.errors import UserError
from gpen_webui.files.atomic import write_report
from gpen_webui.files.placing import (
    NameRefusedError,
    move_staged,
    place,
    place_beside,
    put_back,
    remove_placed,
    replace,
    write_staged,
)
from gpen_webui.files.sidecars import sidecars_beside
from gpen_webui.jobs.html_report import write_reports
from gpen_webui.jobs.store.claims import Claim
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles, remove_if_empty
from gpen_webui.jobs.store.jobs import Store
from gpen_webui.jobs.store.report import job_report
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.small_picture import before_and_after
from gpen_webui.pipeline import ItemReport, RestoredFile
from gpen_webui.shortage import shortage_of
from gpen_webui.states import JobState

log = logging.getLogger(__name__)

SIDECARS_AS_THEY_WERE = (
    "The XMP file beside the photo was copied as it is: people marked in it keep the places that "
    "they had before the photo was turned or cropped."
)


class CannotSaveError(UserError):
    """The results folder takes nothing: full, read-only, removed. No photo is to blame."""


@dataclass
class DeliveredFile:
    """A photo that another machine has restored; as pipeline.RestoredFile.

    data: where its result was received to, or the original where that is passed on. small: small
    pictures of before and after, for the report; None where it brought none.
    """

    data: Path | BinaryIO
    suffix: str
    report: ItemReport
    modified_ns: int | None = None
    small: tuple[bytes, bytes] | None = None


class Saver:
    """Writes into the results folders of the store's jobs. Thread-safe.

    complete_report: adds to a job's report what its caller knows besides.
    """

    def __init__(
        self,
        files: StoreFiles,
        database: Database,
        store: Store,
        complete_report: Callable[[dict], dict] = lambda report: report,
    ):
        self._complete_report = complete_report
        self._files = files
        self._database = database
        self._store = store

    def write_staged(
        self, claim: Claim, data: bytes | BinaryIO | Path, modified_ns: int | None = None
    ) -> int:
        """Write a result whole, out of sight, with this date; its size in bytes.

        data: also a complete file beside the staged ones, which is moved. Raises CannotSaveError.
        """
        folder = self._folder(claim)
        try:
            self._make(folder, claim.job_id)
            if isinstance(data, Path):
                return move_staged(claim.staged, data, modified_ns)
            return write_staged(claim.staged, data, modified_ns)
        except OSError as error:
            raise CannotSaveError(_in_words(error, folder)) from error

    def place(self, claim: Claim, name: PurePosixPath) -> str:
        """Give a staged result the name that ClaimQueue.place_for chose.

        Returns why the folder refuses that name, in words, or nothing where it does not.
        Raises CannotSaveError where the folder takes nothing.
        """
        folder = self._folder(claim)
        try:
            if name == claim.earlier and (folder / name).is_file():
                replace(claim.staged, folder / name, claim.set_aside)
            else:
                place(claim.staged, folder, name)
        except NameRefusedError as error:
            return _in_words(error, folder)
        except OSError as error:
            raise CannotSaveError(_in_words(error, folder)) from error
        return ""

    def save_sidecars(self, claim: Claim, place: PurePosixPath, report: ItemReport) -> None:
        """Write the XMP files of a photo beside its result, which lies at `place`.

        The report gets their names, relative to the results folder, and in sentences what could
        not be written or is not right any more. Raises CannotSaveError where the folder takes
        nothing.
        """
        found, refused = sidecars_beside(claim.source)
        found += self._files.kept_sidecars(claim.source)
        for sidecar in found:
            wanted = sidecar.name_beside(place)
            try:
                name = place_beside(sidecar.data, self._files.staging, self._folder(claim), wanted)
                report.sidecars.append(name.as_posix())
            except NameRefusedError as error:
                refused.append(f"{wanted.name} cannot be written ({error.strerror or error}).")
            except OSError as error:
                raise CannotSaveError(_in_words(error, self._folder(claim))) from error
        report.warnings += refused
        if report.sidecars and _lies_otherwise(claim.options, report):
            report.warnings.append(SIDECARS_AS_THEY_WERE)

    def forget(self, claim: Claim) -> None:
        """The result is on record, so what was staged and set aside is needed no more."""
        with suppress(OSError):  # the next start removes it
            claim.set_aside.unlink(missing_ok=True)
            claim.staged.unlink(missing_ok=True)

    def superseded_by(self, claim: Claim, report: ItemReport) -> list[str]:
        """The files of an item's earlier result that the new one's do not replace; none that
        somebody has changed since."""
        if claim.earlier is None:
            return []
        earlier = self._store.item(claim.job_id, claim.n)
        sidecars = (earlier.report or {}).get("sidecars", [])
        result = self._folder(claim) / claim.earlier
        is_changed = result.is_file() and result.stat().st_size != claim.earlier_size
        files = sidecars if is_changed else [str(claim.earlier), *sidecars]
        return [name for name in files if name not in (report.result, *report.sidecars)]

    def keep_thumbnails(self, claim: Claim, restored: RestoredFile | DeliveredFile) -> None:
        """Keep small pictures of a photo of an album, for the report; it does without in need."""
        result = restored.report.result
        if claim.kind != "album" or result is None:
            return
        try:
            if small := _small_pictures(restored):
                self._files.thumbnails.keep(claim.folder, result, *small)
        except Exception:
            log.warning("the report will show no pictures of a photo", exc_info=True)

    def remove_superseded(self, claim: Claim, report: ItemReport) -> None:
        """Remove what is left of an earlier result that lies elsewhere than the new one."""
        if not report.superseded:
            return  # nor the folder, which may be empty just now: others are about to fill it
        with suppress(OSError):  # it goes with the job then
            self._files.remove_results(claim.folder, report.superseded)

    def discard(self, claim: Claim, place: PurePosixPath | None) -> None:
        """Remove a result that nobody wants any more; place: where it may lie."""
        if place is not None:
            self._files.thumbnails.drop(claim.folder, str(place))
        with suppress(OSError):
            if place is not None and place != claim.earlier:
                remove_placed(claim.staged, self._folder(claim), place)
                remove_if_empty(self._folder(claim))
            elif place is not None and claim.set_aside.exists() and self._folder(claim).is_dir():
                put_back(claim.set_aside, self._folder(claim) / place)
        self.forget(claim)

    def save_report(self, job_id: str) -> None:
        """Write a job's report. Raises CannotSaveError.

        A job that was cancelled before it had a result gets no folder.
        """
        job = self._store.job(job_id)
        folder = job.folder
        if folder is None or (job.state == JobState.CANCELLED and not folder.is_dir()):
            return
        try:
            self._make(folder, job_id)
            report = self._complete_report(job_report(self._database, job_id))
            if job.kind == "album":
                write_reports(folder, report, self._files)
            else:
                write_report(folder, report, staging=self._files.staging)
        except OSError as error:
            raise CannotSaveError(_in_words(error, folder)) from error

    def _folder(self, claim: Claim) -> Path:
        return self._files.outputs / claim.folder

    def _make(self, folder: Path, job_id: str) -> None:
        """Make the results folder, unless results have vanished with it."""
        if folder.is_dir():
            return
        counts = self._store.job(job_id).counts
        if counts["done"] or counts["no_face"]:
            raise FileNotFoundError(f"{folder} was removed")
        folder.mkdir(exist_ok=True)


def _small_pictures(restored: RestoredFile | DeliveredFile) -> tuple[bytes, bytes] | None:
    """Before and after; None where another machine has made none."""
    if isinstance(restored, DeliveredFile):
        return restored.small
    return before_and_after(restored.photo, restored.restoration.pixels)


def _lies_otherwise(options: RestoreOptions, report: ItemReport) -> bool:
    """Whether a result shows another part of the photo, or another way round."""
    return bool(options.rotate != "0" or options.crop or (options.upright and report.turn))


def _in_words(error: OSError, folder: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return (
            f"The results folder {folder} was removed; put it back and resume, "
            "or just resume: what is missing will be restored again."
        )
    if shortage := shortage_of(error):
        return str(shortage)
    return (
        f"The results cannot be written to {folder} ({error.strerror or error}); "
        "make room or check the folder's permissions, then resume."
    )
