"""The network that tells the parts of faces, of which the masks are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gpen_webui.models.acceptance import task_of
from gpen_webui.models.folder import InstalledModel, ModelError
from gpen_webui.models.installed import accepted, installed_file, not_installed, usable_models
from gpen_webui.models.published import PARSENET


def parsing_model(models: Path) -> InstalledModel:
    """The published one, or the first in the list of models that the user has added.

    Raises ModelError where there is none, and what `accepted` raises.
    """
    for name in _names(models):
        if path := installed_file(name, models):
            model = accepted(path, models)
            if task_of(model.size) == "parse":
                return model
            raise ModelError(f"{path.name} is not ParseNet; remove it and fetch {PARSENET} anew.")
    raise not_installed(PARSENET)


def _names(models: Path) -> Iterator[str]:
    """Only where the published one is missing, all files are looked at."""
    yield PARSENET
    yield from usable_models("parse", models)


def check_parsing_model(face_mask: str, models: Path) -> None:
    """Raises ModelError or CheckpointError where faces cannot be masked as the option says."""
    if face_mask == "parse":
        parsing_model(models)
