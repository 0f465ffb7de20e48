"""Results and reports go to their places whole, or a sentence says why they cannot."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePosixPath

from gpen_webui.errors import UserError
from gpen_webui.files.atomic import place_result, write_report
from gpen_webui.jobs.store.claims import Claim
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.jobs import Store
from gpen_webui.jobs.store.report import job_report, leftovers
from gpen_webui.shortage import shortage_of


class CannotSaveError(UserError):
    """The results folder takes nothing: full, read-only, removed. No photo is to blame."""


class Saver:
    """Writes into the results folders of the store's jobs. Thread-safe."""

    def __init__(self, files: StoreFiles, database: Database, store: Store):
        self._files = files
        self._database = database
        self._store = store

    def save_result(self, claim: Claim, place: PurePosixPath, data: bytes) -> None:
        """Put a result in its place, which ClaimQueue.place_for gave. Raises CannotSaveError."""
        folder = self._files.outputs / claim.folder
        try:
            self._make(folder, claim.job_id)
            place_result(folder, place, data, replace=True, staging=self._files.staging)
        except OSError as error:
            raise CannotSaveError(_in_words(error, folder)) from error

    def discard_result(self, claim: Claim, result: str) -> None:
        """Remove a result that nobody wants any more."""
        with suppress(OSError):
            self._files.remove_results(claim.folder, [result])

    def save_report(self, job_id: str) -> None:
        """Write a job's report, and remove what is no result of it. Raises CannotSaveError.

        A job that was cancelled before it had a result gets no folder.
        """
        job = self._store.job(job_id)
        folder = job.folder
        if folder is None or (job.state == "cancelled" and not folder.is_dir()):
            return
        try:
            self._files.remove_results(folder.name, leftovers(self._database, job_id))
            self._make(folder, job_id)
            report = job_report(self._database, job_id)
            write_report(folder, report, staging=self._files.staging)
        except OSError as error:
            raise CannotSaveError(_in_words(error, folder)) from error

    def _make(self, folder: Path, job_id: str) -> None:
        """Make the results folder, unless results have vanished with it."""
        if folder.is_dir():
            return
        counts = self._store.job(job_id).counts
        if counts["done"] or counts["no_face"]:
            raise FileNotFoundError(f"{folder} was removed")
        folder.mkdir(exist_ok=True)


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
