"""Everything that can be wrong with a request, each kind with its status: one table."""

from __future__ import annotations

from gpen_webui.cluster.errors import (
    ClaimRefusedError,
    DamagedUploadError,
    DrainedError,
    JoinRefusedError,
    OtherPrecisionError,
    OtherVersionError,
    ProbeFirstError,
    SetAsideError,
)
from gpen_webui.cluster.messages import MessageError
from gpen_webui.errors import UserError
from gpen_webui.files.originals import MissingOriginalError, OriginalError
from gpen_webui.jobs.records import JobConflictError, StoreError, UnknownJobError
from gpen_webui.jobs.runner.other_machines import (
    NotJoinedError,
    UnknownMachineError,
    WrongKeyError,
)
from gpen_webui.jobs.runner.remote_claims import ClaimBusyError, ClaimGoneError
from gpen_webui.jobs.runner.saving import CannotSaveError
from gpen_webui.models.installed import ModelError
from gpen_webui.photo.errors import PhotoError


class BadRequestError(UserError):
    """What was sent cannot be understood."""


class NoAccessError(UserError):
    """The token is missing or wrong."""


class TooManyGuessesError(UserError):
    """So many wrong tokens came that no further one is looked at for a while."""

    def __init__(self, message: str, retry_after: int):
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class ForbiddenError(UserError):
    """A request that may come from a foreign web page, or a path that may not be named."""


class UnknownModelError(ModelError):
    """No model of that name."""


class UnknownPresetError(UserError):
    """No preset of that id."""


class NoFileManagerError(UserError):
    """A folder cannot be shown, as the machine has no desktop."""


class MissingPictureError(UserError):
    """An item has no such picture, or no longer."""


class NotStartedError(UserError):
    """A job has no results because nobody has started it."""


class NotRestoredError(UserError):
    """Somebody waited for a photo that could not be restored."""


class WasCancelledError(UserError):
    """Somebody waited for a photo that was cancelled meanwhile."""


class PausedError(UserError):
    """Somebody waited for a photo whose job is paused."""


class TooLargeError(UserError):
    """A file or a request exceeds its limit."""


class TooBusyError(UserError):
    """Too many do the same at once."""


class NoRoomError(UserError):
    """There is no room for more photos."""


class OutputsUnreachableError(UserError):
    """The outputs folder is gone or does not answer."""


# The first that fits decides.
STATUS: tuple[tuple[type[UserError], int, str], ...] = (
    (BadRequestError, 400, "bad_request"),
    (MessageError, 400, "bad_request"),
    (NotJoinedError, 401, "not_joined"),
    (NoAccessError, 401, "no_access"),
    (ForbiddenError, 403, "forbidden"),
    (WrongKeyError, 403, "wrong_key"),
    (JoinRefusedError, 403, "refused"),
    (UnknownMachineError, 404, "not_found"),
    (UnknownJobError, 404, "not_found"),
    (UnknownModelError, 404, "not_found"),
    (UnknownPresetError, 404, "not_found"),
    (MissingPictureError, 404, "not_found"),
    (MissingOriginalError, 404, "not_found"),
    (NotStartedError, 404, "not_found"),
    (JobConflictError, 409, "conflict"),
    (NoFileManagerError, 409, "conflict"),
    (ClaimGoneError, 409, "claim_gone"),
    (OtherVersionError, 409, "version"),
    (OtherPrecisionError, 409, "precision"),
    (DrainedError, 409, "drained"),
    (SetAsideError, 409, "set_aside"),
    (ProbeFirstError, 409, "probe_first"),
    (ClaimRefusedError, 409, "refused"),
    (WasCancelledError, 409, "conflict"),
    (ModelError, 409, "model"),
    (TooLargeError, 413, "too_large"),
    (DamagedUploadError, 422, "damaged"),
    (OriginalError, 422, "unreadable_photo"),
    (PhotoError, 422, "unreadable_photo"),
    (NotRestoredError, 422, "unreadable_photo"),
    (TooManyGuessesError, 429, "too_many_guesses"),
    (StoreError, 503, "store"),
    (OutputsUnreachableError, 503, "store"),
    (PausedError, 503, "paused"),
    (TooBusyError, 503, "busy"),
    (ClaimBusyError, 503, "busy"),
    (NoRoomError, 507, "no_room"),
    (CannotSaveError, 507, "no_room"),
    (UserError, 400, "bad_request"),  # all others, an impossible option for one
)


def status_of(error: UserError) -> tuple[int, str]:
    """The HTTP status of an error, and the code by which programs know it."""
    return next((status, code) for kind, status, code in STATUS if isinstance(error, kind))
