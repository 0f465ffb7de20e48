"""The pictures that `restore` saves beside the results where they are asked for."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from gpen_webui.files.names import safe_path
from gpen_webui.files.placing import place_beside
from gpen_webui.jobs.runner.saving import CannotSaveError
from gpen_webui.photo.formats import with_photo_suffix
from gpen_webui.pipeline import RestoredFile


class Sidecars:
    """Saves files into a results folder. wanted: save_faces, compare. Thread-safe."""

    def __init__(self, folder: Path, staging: Path, wanted: Set[str]):
        self._folder = folder
        self._staging = staging
        self._wanted = wanted

    def save(self, restored: RestoredFile) -> None:
        """Save what is wanted of one photo. Raises CannotSaveError."""
        if "save_faces" in self._wanted:
            self._save_faces(restored)
        if "compare" in self._wanted:
            self._save_comparison(restored)

    def _save_faces(self, restored: RestoredFile) -> None:
        """Each restored face as faces/NAME_face1_before.png and ..._after.png."""
        name = "faces" / safe_path(restored.report.name)
        stem = with_photo_suffix(name, "").name
        network = restored.restoration.network
        if network is None:  # only where nobody asked for the faces
            return
        pairs = zip(network.crops, network.restored, strict=True)
        for number, (before, after) in enumerate(pairs, start=1):
            for what, pixels in (("before", before), ("after", after)):
                target = name.with_name(f"{stem}_face{number}_{what}.png")
                self._keep(target, _encode(pixels, ".png"))

    def _save_comparison(self, restored: RestoredFile) -> None:
        """The photo before and after, side by side, as compare/NAME.jpg."""
        before, after = restored.photo.pixels, restored.restoration.pixels
        if before.shape != after.shape:  # enlarged, or --aligned: it has the model's size
            grows = after.size > before.size
            method = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
            before = cv2.resize(before, after.shape[1::-1], interpolation=method)
        target = with_photo_suffix("compare" / safe_path(restored.report.name), ".jpg")
        self._keep(target, _encode(np.hstack((before, after)), ".jpg"))

    def _keep(self, wanted: PurePosixPath, data: bytes) -> None:
        try:
            place_beside(data, self._staging, self._folder, wanted)
        except OSError as error:
            raise CannotSaveError(
                f"{wanted} cannot be written to {self._folder} ({error.strerror or error}); make "
                "room or check the folder's permissions."
            ) from error


def _encode(pixels: np.ndarray, suffix: str) -> bytes:
    """RGB (H,W,3), 0-255, as a picture file."""
    colours = cv2.cvtColor(np.rint(pixels).astype(np.uint8), cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(suffix, colours)
    if not ok:
        raise OSError(f"the picture could not be encoded as {suffix}")
    return data.tobytes()
