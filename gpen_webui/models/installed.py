"""The models that are installed here.

A model is installed when its weights lie in the models folder: those of the catalog under
their catalog name, in capitals or not, any other GPEN checkpoint under its own. What is known
of an installed file (hash, crop size) is kept in a small record beside it, so that it is read
only once; a file whose bytes are no longer those that were accepted is refused.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from gpen_webui.errors import UserError
from gpen_webui.folders import BUNDLED, COMMAND
from gpen_webui.models import published
from gpen_webui.models.acceptance import accept, recall, task_number, task_of, verify
from gpen_webui.models.folder import SUFFIXES, InstalledModel, ModelError, name_of, weight_files
from gpen_webui.models.published import ASK_MAKER, EMBEDDED, PublishedModel, published_model
from gpen_webui.models.records import remembered

log = logging.getLogger(__name__)

EMBEDDED_IN = BUNDLED / "models"  # where the embedded model is, wherever the others are kept
SMALL_FACES = {"gpen-bfr-512": "gpen-bfr-256"}
PREFERRED = ("gpen-bfr-512", EMBEDDED)


@dataclass(frozen=True)
class ModelState:
    """A line of the models list: a catalog entry, an installed file, or both.

    size: side of its crops in pixels; None where it has none or is not known yet. is_default: used
    when no model is named. problem: why an installed file cannot be used. task, scale: as in
    PublishedModel.
    """

    name: str
    size: int | None
    purpose: str
    licence: str
    megabytes: int
    downloadable: bool
    installed: Path | None
    is_default: bool
    problem: str | None = None
    task: str = "restore"
    scale: int | None = None


def find_model(name_or_file: str | None, models: Path) -> InstalledModel:
    """The model meant by a name, by a path to a weight file, or by None (the default).

    The default is gpen-bfr-512 where it is installed, else the embedded gpen-mini-256.
    Raises ModelError where there is none, where it takes no faces, or where the file is not what
    was accepted.
    """
    if name_or_file is None:
        name_or_file = default_name(models)
    path = installed_file(name_or_file, models)
    if path is None:
        named = Path(name_or_file).expanduser()
        if named.suffix.lower() in SUFFIXES and named.is_file():
            path = named
    if path is None:
        raise not_installed(name_or_file)
    model = accepted(path, models)
    task = task_of(model.size)
    if task == "enlarge":
        raise ModelError(
            f"{model.name} enlarges whole photos and restores no faces; name it with "
            "--enlarge-model, and here another one."
        )
    if task == "parse":
        raise ModelError(
            f"{model.name} tells the parts of faces and restores none; use it with --face-mask "
            "parse, and name another model here."
        )
    return model


def not_installed(name: str) -> ModelError:
    """What to tell of a model that is not there."""
    entry = published_model(name)
    remedy = f"fetch it with `{COMMAND} models download {name}`"
    if entry is None or not entry.sources:
        remedy = f"`{COMMAND} models list` shows what there is"
    return ModelError(f"The model {name} is not installed; {remedy}.")


def accepted(path: Path, models: Path) -> InstalledModel:
    """The model of a weight file, which is examined where it is new.

    Raises ModelError where it is not what was accepted, and what `accept` raises.
    """
    try:
        known = recall(path, models)
        if known is None:
            return accept(path, models)
    except OSError as error:
        raise ModelError(cannot_be_read(path, error)) from error
    return InstalledModel(name_of(path), path, known.sha256, known.crop)


def small_face_model(model: InstalledModel, models: Path) -> InstalledModel | None:
    """The model for small faces that goes with a model, where it is installed and good.

    Faces of up to 256 px gain nothing from gpen-bfr-512's larger crops, and cost the smaller model
    a sixteenth of the work.
    """
    small = SMALL_FACES.get(model.name)
    if small is None or installed_file(small, models) is None:
        return None
    try:
        found = find_model(small, models)
    except UserError as error:
        log.warning("Small faces are restored with %s: %s", model.name, error)
        return None
    return found if found.size < model.size else None


def default_name(models: Path) -> str:
    """The name of the model that is used when none is named."""
    return next((name for name in PREFERRED if installed_file(name, models)), EMBEDDED)


def installed_file(name: str, models: Path) -> Path | None:
    """The weight file of a model in the models folder; that of the embedded one is here too."""
    folders = (models, EMBEDDED_IN) if name == EMBEDDED else (models,)
    for folder in folders:
        files = {path.name.lower().replace("_", "-"): path for path in weight_files(folder)}
        for suffix in SUFFIXES:
            if path := files.get(f"{name}{suffix}".lower().replace("_", "-")):
                return path
    return None


def list_models(models: Path) -> list[ModelState]:
    """The catalog in its order, then every other weight file in the models folder."""
    default = default_name(models)
    states = [_state_of(entry, models, default) for entry in published.CATALOG]
    states += (
        _state_of_own(path, models)
        for path in weight_files(models)
        if published_model(name_of(path)) is None
    )
    return states


def usable_models(task: str, models: Path) -> list[str]:
    """The names of those for a task that are installed and in order, as in `list_models`."""
    try:
        states = list_models(models)
    except UserError:
        return []
    return [s.name for s in states if s.task == task and s.installed and not s.problem]


def verify_models(models: Path) -> dict[str, str | None]:
    """Read every installed file anew: per model None where all is well, else a sentence."""
    problems: dict[str, str | None] = {}
    for state in list_models(models):
        if state.installed is None:
            continue
        try:
            verify(state.installed, models)
            problems[state.name] = None
        except UserError as error:
            problems[state.name] = str(error)
        except OSError as error:
            problems[state.name] = cannot_be_read(state.installed, error)
    return problems


def _state_of_own(path: Path, models: Path) -> ModelState:
    """A weight file that is not of the catalog."""
    kind = _kind_of(path, models)
    return ModelState(
        name=path.stem,
        size=kind.crop,
        purpose="Added by you",
        licence=ASK_MAKER,
        megabytes=_megabytes(path),
        downloadable=False,
        installed=path,
        is_default=False,
        problem=kind.problem,
        task=kind.task,
        scale=kind.scale,
    )


def _state_of(entry: PublishedModel, models: Path, default: str) -> ModelState:
    path = installed_file(entry.name, models)
    return ModelState(
        name=entry.name,
        size=entry.size,
        purpose=entry.purpose,
        licence=entry.licence,
        megabytes=entry.megabytes,
        downloadable=bool(entry.sources),
        installed=path,
        is_default=entry.name == default,
        problem=_kind_of(path, models).problem if path else None,
        task=entry.task,
        scale=entry.scale,
    )


@dataclass(frozen=True)
class _Kind:
    """task: as in PublishedModel. crop: side in pixels; None where it is not known yet, or the file
    restores no faces. scale: how many times it enlarges photos; None where it does not. problem: a
    sentence."""

    task: str = "restore"
    crop: int | None = None
    scale: int | None = None
    problem: str | None = None


def _kind_of(path: Path, models: Path) -> _Kind:
    """What an installed file is, as far as that is known without loading it."""
    from gpen_webui.enlarging.recognise import config_of  # slow to load, for lists alone

    try:
        known = recall(path, models)
        crop = known.crop if known else remembered(path, _crop_of_new)
        task = "restore" if crop is None else task_of(crop)
        if task == "restore":
            return _Kind(crop=crop)
        config = remembered(path, config_of) if task == "enlarge" else None
        return _Kind(task, scale=config.scale if config else None)
    except UserError as error:
        return _Kind(problem=str(error))
    except OSError as error:
        return _Kind(problem=cannot_be_read(path, error))


def _crop_of_new(path: Path) -> int | None:
    """The crop size of a file that was not loaded yet; ENLARGES or PARSES where it restores none,
    None where it is another network's."""
    from gpen_webui.gpen.onnx_file import crop_size_of, read_onnx
    from gpen_webui.gpen.weight_files import crop_size, read_contents

    if path.suffix.lower() == ".onnx":
        return crop_size_of(read_onnx(path), path.name)
    contents = read_contents(path)
    number = task_number(contents)
    return crop_size(contents) if number is None else number


def _megabytes(path: Path) -> int:
    try:
        return round(path.stat().st_size / 1e6)
    except OSError:
        return 0


def cannot_be_read(path: Path, error: OSError) -> str:
    """What to tell of a weight file that the system does not give."""
    return f"{path.name} cannot be read ({error.strerror}); check the file and its permissions."
