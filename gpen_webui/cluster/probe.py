"""The probe photo: what a machine restores before it is trusted with others.

It never touches the store. Only a worker that has fetched a photo, restored it with the right
model and brought the result back is known to work.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import cache
from pathlib import Path

from gpen_webui.cluster.errors import DamagedUploadError
from gpen_webui.cluster.face_photo import photo_of_face
from gpen_webui.cluster.protocol import OriginalFile
from gpen_webui.errors import UserError
from gpen_webui.jobs.runner.received import ReceivedResult
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.encode import encode_photo
from gpen_webui.photo.photo import open_photo
from gpen_webui.pipeline import ItemReport

NAME = "probe.jpg"
OPTIONS = RestoreOptions()
FACE_SIDE, MARGIN = 192, 96  # pixels


@cache
def probe_photo() -> bytes:
    """A JPEG with one face."""
    photo = photo_of_face(FACE_SIDE, MARGIN, NAME, "jpeg")
    return encode_photo(photo, photo.pixels)[0]


def probe_file() -> OriginalFile:
    """The same as a claim tells it."""
    data = probe_photo()
    return OriginalFile(hashlib.sha256(data).hexdigest(), len(data), NAME)


class Probe(ReceivedResult):
    """One try of one machine. folder: where its result comes; it must be there."""

    def __init__(self, folder: Path):
        super().__init__(folder, f"probe{secrets.token_hex(14)}")


def check_probe(report: ItemReport, result: Path | None) -> None:
    """Raise DamagedUploadError where the probe photo was not restored."""
    if result is None or not any(face.get("restored") for face in report.faces):
        raise DamagedUploadError("The face in the probe photo was not restored.")
    try:
        restored = open_photo(result, name=NAME).pixels
    except UserError as error:
        raise DamagedUploadError(f"The probe photo came back broken: {error}") from error
    side = FACE_SIDE + 2 * MARGIN
    if restored.shape != (side, side, 3):
        raise DamagedUploadError("The probe photo came back as another picture.")
