"""What users are told where the runner cannot go on with a photo or a job."""

from __future__ import annotations

import logging

from gpen_webui.errors import UserError
from gpen_webui.pipeline import STAGE_WORDS
from gpen_webui.shortage import shortage_of

log = logging.getLogger(__name__)


def too_slow(name: str, stage: str, limit: float) -> str:
    """A photo outran the time limit, in seconds."""
    return (
        f"{name} took longer than {limit:g} seconds while {STAGE_WORDS[stage]}; "
        "make it smaller, or allow more with --max-photo-seconds."
    )


def not_restored(name: str) -> str:
    """Something happened that no stage has words for."""
    return f"{name} could not be restored; look into the log for the cause."


def why_not_recorded(what: str, error: BaseException) -> str:
    """Why a job pauses that could not save or record something, one sentence.

    No photo is to blame. what: begins the sentence where nothing better is known; what only a
    developer understands goes to the log.
    """
    if shortage := shortage_of(error):
        return str(shortage)
    if isinstance(error, UserError):
        return str(error)
    log.error("%s could not be recorded", what, exc_info=error)
    if isinstance(error, UnicodeError):
        return (
            f"{what} cannot be written under its name on this system ({error}); start the "
            "program with LC_ALL=C.UTF-8, then resume."
        )
    return f"{what} could not be recorded ({error!r}); look into the log, then resume."


def too_many_stuck(stuck: int) -> str:
    """Why the runner does nothing any more."""
    return (
        f"{stuck} photos have hung the restorer for good; restart the server, "
        "and leave them out if it happens again."
    )
