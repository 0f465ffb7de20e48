"""Why the coordinator refuses what a worker asks."""

from __future__ import annotations

from gpen_webui.errors import UserError


class JoinRefusedError(UserError):
    """A machine may not join as it is."""


class ClaimRefusedError(UserError):
    """A worker gets no photo, whatever waits; its subclasses say why."""


class OtherVersionError(ClaimRefusedError):
    """It runs another version of the program."""


class OtherPrecisionError(ClaimRefusedError):
    """It computes with another precision."""


class DrainedError(ClaimRefusedError):
    """A user has drained it."""


class SetAsideError(ClaimRefusedError):
    """It has failed too often; the probe photo lets it in again."""


class ProbeFirstError(ClaimRefusedError):
    """It has not restored the probe photo yet."""


class DamagedUploadError(UserError):
    """What was received is not what was sent, or no result."""
