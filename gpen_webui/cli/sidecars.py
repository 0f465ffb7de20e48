"""What `restore` saves beside the results: XMP files, and pictures where they are asked for."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from gpen_webui.files.atomic import temporary_name
from gpen_webui.files.names import numbered_paths, safe_path
from gpen_webui.files.originals import Original
from gpen_webui.files.placing import is_there, place, write_staged
from gpen_webui.jobs.runner.saving import CannotSaveError
from gpen_webui.photo.formats import with_photo_suffix
from gpen_webui.pipeline import RestoredFile

XMP = (".xmp", ".XMP")
MOST_XMP = 20_000_000  # bytes


class Sidecars:
    """Saves files into a results folder. wanted: save_faces, compare. Thread-safe."""

    def __init__(self, folder: Path, staging: Path, wanted: Set[str]):
        self._folder = folder
        self._staging = staging
        self._wanted = wanted

    def save(self, restored: RestoredFile, source: Path | Original) -> None:
        """Save what is wanted of one photo, and the XMP files beside it. Raises CannotSaveError."""
        self._carry_xmp(restored, source)
        if "save_faces" in self._wanted:
            self._save_faces(restored)
        if "compare" in self._wanted:
            self._save_comparison(restored)

    def _carry_xmp(self, restored: RestoredFile, source: Path | Original) -> None:
        """IMG.xmp and IMG.jpg.xmp, where programs keep captions and ratings of IMG.jpg."""
        path = source if isinstance(source, Path) else source.path
        result = with_photo_suffix(safe_path(restored.report.name), restored.suffix)
        for suffix in XMP:
            for beside, stem in (
                (path.with_suffix(suffix), with_photo_suffix(result, "")),
                (path.with_name(path.name + suffix), result),
            ):
                if not os.path.isfile(beside):  # also where its name would be too long
                    continue
                if beside.stat().st_size > MOST_XMP or not os.access(beside, os.R_OK):
                    words = f"{beside.name} is too large or may not be read; it is left out."
                    restored.report.warnings.append(words)
                else:
                    self._keep(stem.with_name(stem.name + XMP[0]), beside.read_bytes())

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
        """Write a file, unless an earlier try has; one of another kind keeps its name."""
        staged = self._staging / temporary_name()
        try:
            write_staged(staged, data)
            for name in numbered_paths(wanted):
                path = self._folder / name
                if path.is_file() and path.read_bytes() == data:
                    return
                if not is_there(path):
                    place(staged, self._folder, name)
                    return
        except OSError as error:
            raise CannotSaveError(
                f"{wanted} cannot be written to {self._folder} ({error.strerror or error}); make "
                "room or check the folder's permissions."
            ) from error
        finally:
            staged.unlink(missing_ok=True)


def _encode(pixels: np.ndarray, suffix: str) -> bytes:
    """RGB (H,W,3), 0-255, as a picture file."""
    colours = cv2.cvtColor(np.rint(pixels).astype(np.uint8), cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(suffix, colours)
    if not ok:
        raise OSError(f"the picture could not be encoded as {suffix}")
    return data.tobytes()
