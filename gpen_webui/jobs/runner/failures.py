"""Items that failed in the runner's hands: their reports, and words for them."""

from __future__ import annotations

import logging

from gpen_webui.jobs.runner.task import Task
from gpen_webui.pipeline import STAGE_WORDS, ItemReport, StageError

log = logging.getLogger(__name__)


def failure(task: Task, message: str) -> dict:
    """The report of an item that failed in its present stage."""
    assert task.model is not None, "nothing fails before the model is there"
    return ItemReport(
        name=task.claim.name,
        state="failed",
        options=task.claim.options.as_dict(),
        model=task.model.name,
        model_sha256=task.model.sha256,
        error={"stage": task.stage, "message": message},
    ).as_dict()


def explain(task: Task, error: Exception) -> str:
    """One sentence for the user; what only a developer understands goes to the log."""
    if isinstance(error, StageError):
        return str(error)
    log.error("%s could not be saved", ascii(task.claim.name), exc_info=error)
    return f"{task.claim.name} could not be saved; look into the log for the cause."


def too_slow(task: Task, limit: float) -> str:
    """What a photo that outran the time limit is told."""
    return (
        f"{task.claim.name} took longer than {limit:g} seconds while {STAGE_WORDS[task.stage]}; "
        "make it smaller, or allow more with --max-photo-seconds."
    )


def too_many_stuck(stuck: int) -> str:
    """Why the runner does nothing any more."""
    return (
        f"{stuck} photos have hung the restorer for good; restart the server, "
        "and leave them out if it happens again."
    )
