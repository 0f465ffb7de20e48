"""The probe photo: what a machine restores before it is trusted with others.

It never touches the store. Only a worker that has fetched a photo, restored it with the right
model and brought the result back is known to work.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.cluster.errors import DamagedUploadError
from gpen_webui.cluster.protocol import OriginalFile
from gpen_webui.engines.quality import read_face
from gpen_webui.errors import UserError
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.encode import encode_photo
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.pipeline import ItemReport

NAME = "probe.jpg"
OPTIONS = RestoreOptions()
FACE_SIDE, MARGIN = 192, 96  # pixels


@cache
def probe_photo() -> bytes:
    """A JPEG with one face."""
    face = cv2.resize(read_face(), (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA)
    margins = (MARGIN,) * 4
    pixels = np.ascontiguousarray(cv2.copyMakeBorder(face[..., ::-1], *margins, cv2.BORDER_REFLECT))
    return encode_photo(Photo(pixels=pixels, name=NAME, format="jpeg"), pixels)[0]


def probe_file() -> OriginalFile:
    """The same as a claim tells it."""
    data = probe_photo()
    return OriginalFile(hashlib.sha256(data).hexdigest(), len(data), NAME)


class Probe:
    """One try of one machine. received: where its result comes; the folder must be there."""

    def __init__(self, folder: Path):
        self.id = f"probe{secrets.token_hex(14)}"
        self._received = folder / self.id

    def receiving(self) -> Path:
        """A new path for its result while it comes."""
        return self._received.with_suffix(f".{secrets.token_hex(4)}.part")

    def received(self, sha256: str) -> Path:
        """Where its result lies once it is complete."""
        return self._received.with_suffix(f".{sha256}")

    def remove_received(self) -> None:
        """Nobody wants what came."""
        for path in self._received.parent.glob(f"{self.id}.*"):
            path.unlink(missing_ok=True)


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
