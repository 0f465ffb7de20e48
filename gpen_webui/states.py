"""The states of jobs and photos, and the stages of a photo's way.

Their values stand in the job store, in report.json, in the HTTP API and in the page's texts.
`static/js/states.js` has the same for the page; `tests/test_states.py` compares the two.
"""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """What a job, an album or a single photo, is doing."""

    COLLECTING = "collecting"  # photos may still be added; not started
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"  # also where some of its photos failed
    CANCELLED = "cancelled"


class ItemState(StrEnum):
    """What became of one photo of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    NO_FACE = "no_face"  # the result is the original
    FAILED = "failed"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    """A step of one photo's way, in order; those that are not needed are left out."""

    OPEN = "open"
    REPAIR = "repair"
    DETECT = "detect"
    ALIGN = "align"
    ENLARGE = "enlarge"
    NETWORK = "network"
    BLEND = "blend"
    ADJUST = "adjust"
    SAVE = "save"


ACTIVE_JOBS = (JobState.WAITING, JobState.RUNNING)
ENDED_JOBS = (JobState.DONE, JobState.CANCELLED)

UNFINISHED_ITEMS = (ItemState.WAITING, ItemState.RUNNING)
ENDED_ITEMS = (ItemState.DONE, ItemState.NO_FACE, ItemState.FAILED, ItemState.CANCELLED)
RESTORED_ITEMS = (ItemState.DONE, ItemState.NO_FACE)  # they have a result
PROCESSED_ITEMS = (*RESTORED_ITEMS, ItemState.FAILED)  # a worker has ended them, not the user
