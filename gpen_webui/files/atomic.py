"""How a file gets to its place whole.

It is written under a temporary name, flushed to the disk and then renamed, so that a file
that can be seen is complete.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from itertools import count
from pathlib import Path, PurePath, PurePosixPath

from gpen_webui.files.names import numbered, safe_name

TEMPORARY = ".gpen-webui-"  # how temporary names begin; they end in .part


def new_run_folder(outputs: Path, label: str = "") -> Path:
    """Make and return outputs/YYYYMMDD_HHMMSS[_label][-n], which did not exist before.

    Raises OSError where it cannot be made.
    """
    name = time.strftime("%Y%m%d_%H%M%S")
    if label:
        name = f"{name}_{safe_name(label)}"
    outputs.mkdir(parents=True, exist_ok=True)
    for attempt in count(1):
        folder = outputs / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable")


def place_result(
    folder: Path,
    relative: PurePath,
    data: bytes,
    *,
    replace: bool = False,
    staging: Path | None = None,
) -> PurePosixPath:
    """Write `data` to folder/relative in one step; return where it lies, relative to folder.

    A file that is there already is kept, and the new one gets " (2)", unless `replace` says
    that it is an earlier try of the same result. staging: a folder on the same file system
    for the temporary file; None: beside the result. Raises OSError, with nothing left behind;
    FileNotFoundError where the folder itself is gone.
    """
    wanted = PurePosixPath(relative)
    parent = folder / wanted.parent
    _make_tree(folder, parent)
    temporary = _write_temporary(staging or parent, data)
    try:
        if replace:
            os.replace(temporary, folder / wanted)
            return wanted
        return _move_to_free_name(temporary, folder, wanted)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        flush_folder(parent)


def write_report(folder: Path, report: dict, *, staging: Path | None = None) -> Path:
    """Write report.json in one step, replacing the earlier one."""
    data = json.dumps(report, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
    name = PurePath("report.json")
    return folder / place_result(folder, name, data, replace=True, staging=staging)


def remove_temporaries(folder: Path) -> None:
    """Remove what a process that died while it wrote below this folder has left. Raises OSError."""
    for path in folder.rglob(f"{TEMPORARY}*.part"):
        path.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Make the renames in a folder survive a power cut, where the system can do that."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_tree(folder: Path, parent: Path) -> None:
    """Make the folders between `folder`, which must be there, and `parent`."""
    if parent == folder or parent.is_dir():
        return
    _make_tree(folder, parent.parent)
    parent.mkdir(exist_ok=True)
    flush_folder(parent.parent)


def _write_temporary(parent: Path, data: bytes) -> Path:
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=".part", dir=parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _move_to_free_name(temporary: Path, folder: Path, wanted: PurePosixPath) -> PurePosixPath:
    result = wanted
    for number in count(2):
        try:
            _move_without_overwriting(temporary, folder / result)
        except FileExistsError:
            result = numbered(wanted, number)
            continue
        return result
    raise AssertionError("unreachable")


def _move_without_overwriting(source: Path, target: Path) -> None:
    try:
        os.link(source, target)  # unlike a rename, this never overwrites
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: reserve the name instead
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(source, target)
    else:
        source.unlink()
