"""What the log says of a photo: begun, restored or not, why, how long each stage took, where to.

Every line names the worker, the job, the item and the attempt.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager

from gpen_webui.jobs.runner.task import Task
from gpen_webui.logs import about
from gpen_webui.pipeline import STAGE_WORDS, ItemReport
from gpen_webui.states import ItemState

log = logging.getLogger(__name__)


def about_task(task: Task) -> AbstractContextManager[None]:
    """Whatever is logged meanwhile is about this item."""
    claim = task.claim
    return about(worker=task.worker, job=claim.job_id, item=claim.n, attempt=claim.attempt)


def begun(task: Task) -> None:
    """The item is in a worker's hands."""
    again = " again" if task.claim.attempt > 1 else ""
    log.info("%s: begun%s", task.claim.name, again, extra=_fields("begun"))


def entered(task: Task, stage: str) -> None:
    """The next stage begins."""
    log.debug("%s: %s", task.claim.name, STAGE_WORDS[stage], extra=_fields("stage", stage=stage))


def ended(task: Task, report: ItemReport) -> None:
    """The item is restored, or shows no face, and its result is saved and recorded."""
    stages = ", ".join(f"{stage} {seconds:.3f} s" for stage, seconds in report.seconds.items())
    what = "restored" if report.state == ItemState.DONE else "no face"
    if report.unchanged:
        what += ", passed on"
    place = f"{task.claim.folder}/{report.result}"
    log.info(
        "%s: %s, saved as %s (%s)",
        report.name,
        what,
        place,
        stages,
        extra=_fields(report.state, result=place, seconds=report.seconds, faces=len(report.faces)),
    )


def failed(task: Task, message: str, error: BaseException | None) -> None:
    """The item cannot be restored; message: what the user is told."""
    log.warning(
        "%s: failed while %s: %s",
        task.claim.name,
        STAGE_WORDS[task.stage],
        message,
        exc_info=error,
        extra=_fields("failed", stage=task.stage),
    )


def stopped(task: Task) -> None:
    """Somebody has stopped the item: it was cancelled, took too long, or the program ends."""
    log.info(
        "%s: stopped while %s",
        task.claim.name,
        STAGE_WORDS[task.stage],
        extra=_fields("stopped", stage=task.stage),
    )


def put_back(task: Task, reason: str) -> None:
    """The item waits again, and its job pauses, for a reason that is not in the photo."""
    log.warning("%s: put back: %s", task.claim.name, reason, extra=_fields("put back"))


def _fields(event: str, **more: object) -> dict[str, object]:
    return {"fields": {"event": event, **more}}
