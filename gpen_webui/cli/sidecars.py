"""Pictures that `restore` can save beside the results: each face by itself, before and after."""

from __future__ import annotations

from pathlib import Path, PurePath

import cv2
import numpy as np

from gpen_webui.files.atomic import place_result
from gpen_webui.pipeline import RestoredFile


def save_faces(folder: Path, restored: RestoredFile) -> None:
    """Write each restored face as faces/NAME_face1_before.png and ..._after.png."""
    name = PurePath("faces") / restored.report.name
    network = restored.restoration.network
    pairs = zip(network.crops, network.restored, strict=True)
    for number, (before, after) in enumerate(pairs, start=1):
        for what, pixels in (("before", before), ("after", after)):
            target = name.with_name(f"{name.stem}_face{number}_{what}.png")
            place_result(folder, target, _encode(pixels, ".png"))


def save_comparison(folder: Path, restored: RestoredFile) -> None:
    """Write the photo before and after, side by side, as compare/NAME.jpg."""
    before, after = restored.photo.pixels, restored.restoration.pixels
    if before.shape != after.shape:  # --aligned: the result has the model's size
        before = cv2.resize(before, after.shape[1::-1], interpolation=cv2.INTER_AREA)
    target = (PurePath("compare") / restored.report.name).with_suffix(".jpg")
    place_result(folder, target, _encode(np.hstack((before, after)), ".jpg"))


def _encode(pixels: np.ndarray, suffix: str) -> bytes:
    """RGB (H,W,3), 0-255, as a picture file."""
    colours = cv2.cvtColor(np.rint(pixels).astype(np.uint8), cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(suffix, colours)
    if not ok:
        raise OSError(f"the picture could not be encoded as {suffix}")
    return data.tobytes()
