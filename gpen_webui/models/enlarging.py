"""The networks that enlarge and clean whole photos: those of this program, and those of others."""

from __future__ import annotations

from pathlib import Path

from gpen_webui.enlarging.recognise import Config, config_of
from gpen_webui.folders import BUNDLED
from gpen_webui.models.acceptance import ENLARGES, task_of
from gpen_webui.models.folder import InstalledModel, ModelError
from gpen_webui.models.installed import accepted, cannot_be_read, installed_file, not_installed
from gpen_webui.models.records import known_hash, remembered

CLEAN, RESTORE = "enlarge-clean", "enlarge-restore"  # those of this program


def enlarging_model(name: str, models: Path) -> InstalledModel:
    """The network of this name; `size` is the side of its tiles.

    Raises ModelError where it is not installed or enlarges no photos, and what `accepted` raises.
    """
    if name in (CLEAN, RESTORE):
        path = BUNDLED / "models" / f"{name}.safetensors"
        model = InstalledModel(name, path, _hash_of_ours(path), ENLARGES)
    elif installed := installed_file(name, models):
        model = accepted(installed, models)
    else:
        raise not_installed(name)
    task = task_of(model.size)
    if task == "parse":
        raise ModelError(f"{model.name} enlarges no photos; choose another model for that.")
    config = _config_of(model.path) if task == "enlarge" else None
    if config is None:
        raise ModelError(
            f"{model.name} restores faces and enlarges no photos; choose another model for that."
        )
    return InstalledModel(model.name, model.path, model.sha256, config.tile.side)


def check_enlarging_model(name: str, models: Path) -> None:
    """Raises ModelError or CheckpointError where photos cannot be enlarged with this model; the
    empty name stands for those of this program."""
    if name:
        enlarging_model(name, models)


def _hash_of_ours(path: Path) -> str:
    try:
        return known_hash(path)
    except OSError as error:
        raise ModelError(
            f"{path.name}, which enlarges photos, cannot be read ({error.strerror}); fetch this "
            "program's files anew."
        ) from error


def _config_of(path: Path) -> Config | None:
    try:
        return remembered(path, config_of)
    except OSError as error:
        raise ModelError(cannot_be_read(path, error)) from error
