"""A weight file is accepted once, after every check, and must stay the same from then on.

What reads weights takes time to load, and is loaded only for a file that is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_webui.folders import COMMAND
from gpen_webui.models.folder import InstalledModel, ModelError, name_of, weight_files
from gpen_webui.models.published import published_model
from gpen_webui.models.records import Accepted, RecordFile, hash_file, known_hash

if TYPE_CHECKING:
    from gpen_webui.gpen.weight_files import StoredTensor

# In the place of the crops' side, of networks that restore no faces; and what these do instead.
ENLARGES, PARSES = 0, -1
TASKS = {ENLARGES: "enlarge", PARSES: "parse"}


def task_of(crop: int) -> str:
    """What a network does, by what stands in the place of its crops' side: as in PublishedModel;
    `restore` of all that take faces."""
    return TASKS.get(crop, "restore")


def recall(path: Path, models: Path) -> Accepted | None:
    """What is on record of a file; None where it is new, or a newer published file.

    Raises ModelError where its bytes have changed since it was accepted, or where that cannot be
    told any more; OSError where it cannot be read.
    """
    key = _key(path, models)
    records = RecordFile(models).read(_present(models))
    known = records.accepted.get(key)
    if known is None:
        if key in records.unproved and known_hash(path) != published_sha256(path):
            raise _unproved(path, models)
        return None
    status = path.stat()
    untouched = (known.bytes, known.mtime) == (status.st_size, status.st_mtime_ns)
    if untouched and not records.is_damaged:
        return known
    sha256 = known_hash(path)
    if sha256 == known.sha256:
        known = replace(known, mtime=status.st_mtime_ns)
        RecordFile(models).write(key, known, _present(models))
        return known
    if sha256 == published_sha256(path):  # an update of this program brought it
        return None
    raise _changed(path)


def accept(path: Path, models: Path) -> InstalledModel:
    """Load a weight file strictly, then record its hash: from now on it must stay the same.

    Raises CheckpointError or EnlargingFileError for what is not a whole, finite model.
    """
    crop = examine(path)
    return record(path, models, crop, hash_file(path))


def record(path: Path, models: Path, crop: int, sha256: str) -> InstalledModel:
    """Put a file on record that was examined."""
    status = path.stat()
    known = Accepted(sha256, status.st_size, status.st_mtime_ns, crop)
    RecordFile(models).write(_key(path, models), known, _present(models))
    return InstalledModel(name_of(path), path, sha256, crop)


def verify(path: Path, models: Path) -> None:
    """Read a file anew, whatever is remembered of it. Raises ModelError, CheckpointError."""
    key, sha256 = _key(path, models), hash_file(path)
    records = RecordFile(models).read(_present(models))
    known = records.accepted.get(key)
    if sha256 != published_sha256(path):
        if known and sha256 != known.sha256:
            raise _changed(path)
        if key in records.unproved:
            raise _unproved(path, models)
    crop = examine(path)
    if known is None or sha256 != known.sha256:
        record(path, models, crop, sha256)


def examine(path: Path) -> int:
    """Load a file strictly; the side of its crops in pixels, ENLARGES or PARSES where it restores
    none.

    Raises CheckpointError, EnlargingFileError.
    """
    from gpen_webui.gpen.onnx_file import crop_size_of, read_onnx
    from gpen_webui.gpen.weight_files import read_contents

    if path.suffix.lower() == ".onnx":
        return crop_size_of(read_onnx(path), path.name)
    contents = read_contents(path)
    number = task_number(contents)
    if number == ENLARGES:
        from gpen_webui.enlarging.read import tile_network_of

        tile_network_of(path, contents)
        return number
    if number == PARSES:
        from gpen_webui.parsing.read import parser_of

        parser_of(path, contents)
        return number
    from gpen_webui.gpen.checkpoint import load_contents  # torch

    config, _ = load_contents(path, contents)
    return config.size


def task_number(contents: Mapping[str, StoredTensor]) -> int | None:
    """ENLARGES or PARSES, told by a file's tensors; None where they are another network's."""
    from gpen_webui.enlarging.recognise import published_names, recognise
    from gpen_webui.parsing import recognise as parsing

    if recognise(published_names(contents)):
        return ENLARGES
    return PARSES if parsing.recognise(contents) else None


def published_sha256(path: Path) -> str | None:
    """The hash that the catalog states for a file of this name, if it states one."""
    entry = published_model(name_of(path))
    return entry.sha256 if entry else None


def _present(models: Path) -> list[str]:
    return [path.name for path in weight_files(models)]


def _key(path: Path, models: Path) -> str:
    """Files of the models folder go by name, so that the folder can be moved."""
    return path.name if path.parent.resolve() == models.resolve() else str(path.resolve())


def _changed(path: Path) -> ModelError:
    return ModelError(
        f"{path.name} is no longer the file that was accepted; if you replaced it on purpose, "
        f"run `{COMMAND} models import {path}`, else fetch it anew."
    )


def _unproved(path: Path, models: Path) -> ModelError:
    return ModelError(
        f"{path.name} cannot be told from a replaced file, because the record of accepted models "
        f"({RecordFile(models).path}) is or was damaged; if you trust it, run `{COMMAND} models "
        f"import {path}`, else fetch it anew."
    )
