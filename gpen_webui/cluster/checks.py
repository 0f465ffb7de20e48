"""What workers say, checked before the coordinator believes it or shows it to anybody."""

from __future__ import annotations

from base64 import b64decode

from gpen_webui.cluster.errors import DamagedUploadError
from gpen_webui.cluster.messages import MessageError
from gpen_webui.cluster.protocol import Finish
from gpen_webui.errors import UserError
from gpen_webui.jobs.runner.remote_claims import RemoteClaim
from gpen_webui.photo.formats import MEDIA_TYPE_OF
from gpen_webui.pipeline import STAGE_WORDS, ItemReport
from gpen_webui.stages.suggestions import chosen_elsewhere
from gpen_webui.states import RESTORED_ITEMS

LARGEST_SMALL = 200_000  # of two small pictures, as base64


def complete_report(report: ItemReport, claim: RemoteClaim, finish: Finish) -> None:
    """Check what a worker reports, and put in what is not for it to say.

    Raises DamagedUploadError.
    """
    held = claim.task.claim
    is_passed_on = finish.sha256 is None
    if report.state not in RESTORED_ITEMS or (is_passed_on and not report.unchanged):
        raise DamagedUploadError("The report is not that of a photo that was restored.")
    if finish.suffix.lower() not in MEDIA_TYPE_OF:
        raise DamagedUploadError(f"“{finish.suffix}” is no suffix of a photo.")
    if not report.seconds.keys() <= STAGE_WORDS.keys():
        raise DamagedUploadError("The report has seconds of something that is no stage.")
    try:
        options = chosen_elsewhere(held.options, report.suggestions)
    except (UserError, KeyError, TypeError, AttributeError) as error:
        raise DamagedUploadError("The report has settings that nobody could choose.") from error
    report.name, report.options = held.name, options.without_mask()
    report.result, report.sidecars, report.superseded, report.error = None, [], [], None


def one_line(text: str, longest: int) -> str:
    """Another machine's words, as fit for a log, a page or a terminal as our own."""
    return "".join(each if each.isprintable() else " " for each in text[:longest])


def small_pictures(finish: Finish) -> tuple[bytes, bytes] | None:
    """Before and after, for the album's report; None where there are none."""
    if not finish.before or not finish.after or len(finish.before + finish.after) > LARGEST_SMALL:
        return None
    try:
        return b64decode(finish.before, validate=True), b64decode(finish.after, validate=True)
    except ValueError:
        return None  # the report does without


def checked_stage(stage: str) -> str:
    """A stage's name. Raises MessageError where it is none."""
    if stage not in STAGE_WORDS:
        raise MessageError(f"“{stage}” is no stage of a photo.")
    return stage
