"""The weight files of a models folder, by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpen_webui.errors import UserError
from gpen_webui.models.published import published_model

SUFFIXES = (".safetensors", ".pth", ".pt", ".onnx")
# What finds faces and scratches lies there, too, and the networks that enlarge whole photos.
NO_MODELS = {
    "centerface.onnx",
    "enlarge-clean.safetensors",
    "enlarge-restore.safetensors",
    "scratches.onnx",
}


class ModelError(UserError):
    """A model cannot be found, used or fetched."""


@dataclass(frozen=True)
class InstalledModel:
    """A weight file that can be loaded. size: side of its crops, or of its tiles, in pixels."""

    name: str
    path: Path
    sha256: str
    size: int


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a folder, by name; hidden ones are unfinished."""
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES
            and path.name[0] != "."
            and path.name not in NO_MODELS
            and path.is_file()
        )
    except OSError:
        return []


def name_of(path: Path) -> str:
    """What a weight file's model is called: as the catalog spells it, if it is one of those."""
    entry = published_model(path.stem.lower().replace("_", "-"))
    return entry.name if entry else path.stem
