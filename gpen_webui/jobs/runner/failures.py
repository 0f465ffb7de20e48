"""What users are told where the runner gives a photo up."""

from __future__ import annotations

from gpen_webui.pipeline import STAGE_WORDS


def too_slow(name: str, stage: str, limit: float) -> str:
    """A photo outran the time limit, in seconds."""
    return (
        f"{name} took longer than {limit:g} seconds while {STAGE_WORDS[stage]}; "
        "make it smaller, or allow more with --max-photo-seconds."
    )


def not_saved(name: str) -> str:
    """Something unexpected happened outside the pipeline."""
    return f"{name} could not be saved; look into the log for the cause."


def too_many_stuck(stuck: int) -> str:
    """Why the runner does nothing any more."""
    return (
        f"{stuck} photos have hung the restorer for good; restart the server, "
        "and leave them out if it happens again."
    )
