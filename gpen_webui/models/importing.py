"""Weight files of the user's own, brought into the models folder."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpen_webui.errors import UserError
from gpen_webui.files.atomic import flush_file, replace_durably
from gpen_webui.files.lock import FileLock, LockHeldError, LocksNotSupportedError
from gpen_webui.models.acceptance import accept, examine, record
from gpen_webui.models.folder import SUFFIXES, InstalledModel, ModelError
from gpen_webui.models.records import hash_file

UNFINISHED, LOCK = ".import-", ".import.lock"
PATIENCE = 60.0  # seconds that an import waits for another one
PIECE = 1 << 20


def import_model(file: Path, models: Path, name: str | None = None) -> InstalledModel:
    """Copy a weight file into the models folder, after the same checks as a download.

    name: what to call it there, if not as it is called. A file that already lies there is checked
    and put on record anew. Raises ModelError, CheckpointError.
    """
    name = name or file.name
    if Path(name).suffix.lower() not in SUFFIXES:
        raise ModelError(f"{name} must end in {', '.join(SUFFIXES)}; rename it.")
    target = models / name
    try:
        if target.exists() and file.exists() and target.samefile(file):
            return accept(target, models)
    except OSError as error:
        raise disk_error(error, name, models) from error
    return bring_in(models, name, lambda path: _copy(file, path))


def bring_in(models: Path, name: str, write: Callable[[Path], object]) -> InstalledModel:
    """Add a weight file that `write(path)` makes, after all checks.

    Raises ModelError where there is one of that name, or the folder cannot be written, and
    CheckpointError.
    """
    target = models / name
    try:
        if target.exists():
            raise ModelError(f"{target} exists already; rename the file or remove the old one.")
        with _importing(models) as folder:
            unfinished = folder / name
            write(unfinished)
            crop, sha256 = examine(unfinished), hash_file(unfinished)
            replace_durably(unfinished, target)
        return record(target, models, crop, sha256)
    except OSError as error:
        raise disk_error(error, name, models) from error


def remove_leftovers(models: Path) -> None:
    """Remove what imports that died have left; nothing while another process imports."""
    with suppress(OSError, LockHeldError, UserError), FileLock(models / LOCK):
        _remove_unfinished(models)


def disk_error(error: OSError, name: str, models: Path) -> ModelError:
    """What to tell of a models folder that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ModelError(f"The disk is full; make room in {models} and bring {name} again.")
    return ModelError(f"{models} cannot be written ({error.strerror}); check the folder.")


@contextmanager
def _importing(models: Path) -> Iterator[Path]:
    """A folder for unfinished files beside the finished ones, for one import at a time."""
    models.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(models / LOCK, PATIENCE)
    except LockHeldError as error:
        raise ModelError("Another model is being imported; try again when that is done.") from error
    except LocksNotSupportedError:
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=models) as folder:
            yield Path(folder)
        return
    with lock:
        _remove_unfinished(models)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=models) as folder:
            yield Path(folder)


def _remove_unfinished(models: Path) -> None:
    for left in models.glob(f"{UNFINISHED}*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
    for left in models.glob(".*.import"):  # of earlier versions
        left.unlink(missing_ok=True)


def _copy(file: Path, target: Path) -> None:
    try:
        source = open(file, "rb")  # noqa: SIM115 - to tell its errors from the copy's
    except OSError as error:
        raise ModelError(f"{file} cannot be opened ({error.strerror}); check the path.") from error
    with source, open(target, "wb") as copy:
        shutil.copyfileobj(source, copy, PIECE)
        flush_file(copy)
