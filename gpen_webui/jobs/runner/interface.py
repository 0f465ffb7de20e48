"""What carries jobs out must do; tests/test_jobs_conformance.py checks it.

A runner takes what users ask for and decides how jobs end; a pool of workers restores the
photos. Another pool, or one more, may take the local one's place: nobody else notices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gpen_webui.jobs.records import Job
from gpen_webui.jobs.runner.statistics import Statistics
from gpen_webui.options import RestoreOptions

if TYPE_CHECKING:
    import numpy as np

    from gpen_webui.stages.preview_part import PreviewRequest


class JobRunner(Protocol):
    """Takes what users ask of jobs. Every method is thread-safe and returns at once.

    All of them raise UnknownJobError for an id that does not exist, JobConflictError with
    words where the job's state does not allow it, StoreError where the store cannot be
    written. Each returns the job as it is afterwards. What happens then is told by events.

    Promised: every item of a started job ends in exactly one of done, no_face, failed and
    cancelled, through any death of the process; an item with state done or no_face has
    exactly one result file, which is complete; photo jobs are begun before albums, and
    albums take turns; a job that cannot write its results pauses itself and says why.
    """

    def submit(self, job_id: str) -> Job:
        """Start a job that was being collected. A second call changes nothing."""

    def pause(self, job_id: str) -> Job:
        """Begin no further items; those in progress are finished."""

    def resume(self, job_id: str) -> Job:
        """Go on with a paused job. Results that have vanished meanwhile are made again."""

    def cancel(self, job_id: str) -> Job:
        """Give up what is not finished. Items in progress stop before their next stage."""

    def retry(self, job_id: str) -> Job:
        """Do the failed items of a started job again, and only them."""

    def restore_rest(self, job_id: str) -> Job:
        """Restore the photos of a job that were given up; those that were finished stay."""

    def redo(self, job_id: str, n: int, options: RestoreOptions) -> Job:
        """Restore one photo of a started job again, with options of its own.

        Its result is replaced once the new one is complete, and stays where that fails or is
        cancelled. The job goes on and ends again, with its reports.
        """

    def run_again(
        self,
        job_id: str,
        options: RestoreOptions,
        key: str | None = None,
        keep_own: bool = True,
    ) -> Job:
        """A new, started job with the same originals and other options.

        key: as in Store.create_job; a second call with it returns the job that the first made.
        keep_own: photos of an album keep those of their options that differed from the album's.
        """

    def waiting(self) -> int:
        """How many items of started jobs wait. Raises StoreError."""

    def delete(self, job_id: str) -> None:
        """Cancel the job if need be, then remove our copies of its photos and its results.

        Originals that were named by path, and files in the results folder that are not
        results, stay.
        """


class WorkerPool(Protocol):
    """Restores the photos of started jobs. Thread-safe.

    statistics: of the photos that its workers have begun.
    """

    statistics: Statistics

    def warm_up(self) -> None:
        """Load the model in the background, before the first photo needs it."""

    def replace_restorer(self) -> None:
        """Load the model anew for the next photo: the settings or the files have changed."""

    def status(self) -> dict:
        """{"state", "message", "model", "workers", "busy", "stuck"} for health and models.

        state: idle (no model loaded yet), loading, ready or failed. message: what is wrong,
        in words, or how the engine runs. workers: threads at work or ready; busy: items in
        progress; stuck: native calls that outran their time limit and still run.
        """

    def preview(self, sha256: str, request: PreviewRequest) -> np.ndarray | None:
        """A part of a photo as it will look, by what was kept when it was restored last, (h,w,3)
        uint8; None where that is not at hand. sha256: of the photo's file."""

    def close(self, patience: float = 10.0) -> None:
        """Stop; unfinished items go back to waiting. Waits `patience` seconds for the workers."""
