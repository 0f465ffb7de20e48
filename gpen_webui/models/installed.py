"""The models that are installed here.

A model is installed when its weights lie in the models folder: those of the catalog under
their catalog name, in capitals or not, any other GPEN checkpoint under its own. What is known
of an installed file (hash, crop size) is kept in a small record beside it, so that it is read
only once; a file whose bytes are no longer those that were accepted is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from gpen_webui.errors import UserError
from gpen_webui.models import published
from gpen_webui.models.published import EMBEDDED, PublishedModel, published_model
from gpen_webui.settings import PROJECT

BUNDLED = PROJECT / "models"  # where the embedded model is, wherever the others are kept
SUFFIXES = (".safetensors", ".pth", ".pt")
PREFERRED = ("gpen-bfr-512", EMBEDDED)
RECORD = ".records.json"


class ModelError(UserError):
    """A model cannot be found, used or fetched."""


@dataclass(frozen=True)
class InstalledModel:
    """A weight file that can be loaded. size: side of its crops in pixels."""

    name: str
    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class ModelState:
    """A line of the models list: a catalog entry, an installed file, or both.

    is_default: used when no model is named. problem: why an installed file cannot be used.
    """

    name: str
    size: int | None
    purpose: str
    licence: str
    megabytes: int
    supported: bool
    downloadable: bool
    installed: Path | None
    is_default: bool
    problem: str | None = None


def find_model(name_or_file: str | None, models: Path) -> InstalledModel:
    """The model meant by a name, by a path to a weight file, or by None (the default).

    The default is gpen-bfr-512 where it is installed, else the embedded gpen-mini-256.
    Raises ModelError where there is none, or where the file is not what was accepted.
    """
    if name_or_file is None:
        name_or_file = default_name(models)
    entry = published_model(name_or_file)
    if entry and not entry.supported:
        raise ModelError(f"{entry.name} cannot be used by this program yet; choose another model.")
    path = installed_file(name_or_file, models)
    if path is None:
        named = Path(name_or_file).expanduser()
        if named.suffix.lower() in SUFFIXES and named.is_file():
            path = named
    if path is None:
        remedy = f"fetch it with `./run.sh models download {name_or_file}`"
        if entry is None or not entry.sources:
            remedy = "`./run.sh models list` shows what there is"
        raise ModelError(f"The model {name_or_file} is not installed; {remedy}.")
    known = _recall(path, models) or _remember(path, models)
    return InstalledModel(_name_of(path), path, known["sha256"], known["crop"])


def default_name(models: Path) -> str:
    """The name of the model that is used when none is named."""
    return next((name for name in PREFERRED if installed_file(name, models)), EMBEDDED)


def installed_file(name: str, models: Path) -> Path | None:
    """The weight file of a model in the models folder; that of the embedded one is here too."""
    folders = (models, BUNDLED) if name == EMBEDDED else (models,)
    for folder in folders:
        files = {path.name.lower(): path for path in _weight_files(folder)}
        for suffix in SUFFIXES:
            if path := files.get(f"{name}{suffix}".lower()):
                return path
    return None


def list_models(models: Path) -> list[ModelState]:
    """The catalog in its order, then every other weight file in the models folder."""
    default = default_name(models)
    states = [_state_of(entry, models, default) for entry in published.CATALOG]
    for path in _weight_files(models):
        if published_model(_name_of(path)) is None:
            crop, problem = _crop_of(path, models)
            states.append(
                ModelState(
                    name=path.stem,
                    size=crop,
                    purpose="Added by you",
                    licence="Ask whoever made it",
                    megabytes=round(path.stat().st_size / 1e6),
                    supported=True,
                    downloadable=False,
                    installed=path,
                    is_default=False,
                    problem=problem,
                )
            )
    return states


def accept(path: Path, models: Path) -> InstalledModel:
    """Load a weight file strictly, then record its hash: from now on it must stay the same.

    Raises CheckpointError for what is not a whole, finite GPEN checkpoint.
    """
    known = _remember(path, models)
    return InstalledModel(_name_of(path), path, known["sha256"], known["crop"])


def verify_models(models: Path) -> dict[str, str | None]:
    """Read every installed file anew: per model None where all is well, else a sentence."""
    verdicts: dict[str, str | None] = {}
    for state in list_models(models):
        if state.installed is None:
            continue
        try:
            known = _read_records(models).get(_key(state.installed, models))
            sha256 = hash_file(state.installed)
            if known and sha256 not in (known["sha256"], _published_sha256(state.installed)):
                raise _changed(state.installed)
            _check(state.installed)
            if known is None or sha256 != known["sha256"]:
                _remember(state.installed, models)
            verdicts[state.name] = None
        except UserError as error:
            verdicts[state.name] = str(error)
    return verdicts


def hash_file(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _weight_files(folder: Path) -> list[Path]:
    """The weight files of a folder, by name; hidden ones are unfinished."""
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()
        )
    except OSError:
        return []


def _name_of(path: Path) -> str:
    """What a weight file's model is called: as the catalog spells it, if it is one of those."""
    entry = published_model(path.stem.lower())
    return entry.name if entry else path.stem


def _state_of(entry: PublishedModel, models: Path, default: str) -> ModelState:
    path = installed_file(entry.name, models)
    return ModelState(
        name=entry.name,
        size=entry.size,
        purpose=entry.purpose,
        licence=entry.licence,
        megabytes=entry.megabytes,
        supported=entry.supported,
        downloadable=entry.supported and bool(entry.sources),
        installed=path,
        is_default=entry.name == default,
        problem=_crop_of(path, models)[1] if path and entry.supported else None,
    )


def _crop_of(path: Path, models: Path) -> tuple[int | None, str | None]:
    """Crop size and trouble of an installed file, as far as they are known without loading it."""
    try:
        known = _recall(path, models)
    except ModelError as error:
        return None, str(error)
    if known:
        return known["crop"], None
    return _crop_from_header(path), None


def _crop_from_header(path: Path) -> int | None:
    """The crop size told by a `.safetensors` header; None for other files."""
    if path.suffix.lower() != ".safetensors":
        return None
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            names = json.loads(file.read(min(length, 10_000_000)))
        return 2 ** (2 + max(int(name[3 : name.index(".")]) for name in names if "ecd" in name))
    except (OSError, ValueError, struct.error):
        return None


def _recall(path: Path, models: Path) -> dict | None:
    """What is on record of a file; None where it is new, or a newer published file.

    Raises ModelError where its bytes have changed since.
    """
    known = _read_records(models).get(_key(path, models))
    if known is None:
        return None
    status = path.stat()
    if (known["bytes"], known["mtime"]) == (status.st_size, status.st_mtime_ns):
        return known
    sha256 = hash_file(path)
    if sha256 == known["sha256"]:
        return _write_record(path, models, {**known, "mtime": status.st_mtime_ns})
    if sha256 == _published_sha256(path):  # an update of this program brought it
        return None
    raise _changed(path)


def _remember(path: Path, models: Path) -> dict:
    """Check a file and put it on record."""
    status = path.stat()
    crop = _check(path)
    known = {
        "sha256": hash_file(path),
        "bytes": status.st_size,
        "mtime": status.st_mtime_ns,
        "crop": crop,
    }
    return _write_record(path, models, known)


def _check(path: Path) -> int:
    from gpen_webui.gpen.checkpoint import load_checkpoint  # torch: only when a file is new

    config, _ = load_checkpoint(path)
    return config.size


def _published_sha256(path: Path) -> str | None:
    """The hash that the catalog states for a file of this name, if it states one."""
    entry = published_model(_name_of(path))
    return entry.sha256 if entry else None


def _changed(path: Path) -> ModelError:
    return ModelError(
        f"{path.name} is no longer the file that was accepted; if you replaced it on purpose, "
        f"run `./run.sh models import {path}`, else fetch it anew."
    )


def _key(path: Path, models: Path) -> str:
    """Files of the models folder go by name, so that the folder can be moved."""
    return path.name if path.parent.resolve() == models.resolve() else str(path.resolve())


def _read_records(models: Path) -> dict[str, dict]:
    try:
        return json.loads((models / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write_record(path: Path, models: Path, known: dict) -> dict:
    records = {**_read_records(models), _key(path, models): known}
    temporary = models / f"{RECORD}.{os.getpid()}.part"
    try:
        temporary.write_text(json.dumps(records, indent=1), encoding="utf-8")
        os.replace(temporary, models / RECORD)
    except OSError:
        temporary.unlink(missing_ok=True)  # a read-only folder: check again at the next start
    return known
