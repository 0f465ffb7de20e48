"""The results folder: its name, the names inside, and how a file gets there whole.

A result is written under a temporary name, flushed to the disk and then renamed, so that a
file that can be seen is complete. Names are planned before any work is done: they do not
depend on which photo is finished first, and a run that starts again finds its own files.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
import unicodedata
from collections.abc import Container, Iterable
from itertools import count
from pathlib import Path, PurePath, PurePosixPath

SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
TEMPORARY = ".gpen-webui-"  # how temporary names begin; they end in .part
MAX_NAME_BYTES = 240  # file systems allow 255; leaves room for " (2)"
MAX_PATH_BYTES = 1000  # of a whole tree; deeper ones are laid flat
# Not a letter of any script: separators, control characters, and marks that reverse the text.
FORBIDDEN = re.compile('[\x00-\x1f\x7f/\\\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]')
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


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


def safe_name(name: str) -> str:
    """A name for one file or folder that every file system takes, as close to `name` as can be."""
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    name = FORBIDDEN.sub("_", name).strip().rstrip(".")
    if not name.strip("."):
        name = "photo"
    if RESERVED.match(name):
        name = f"_{name}"
    if name.startswith("."):
        name = f"_{name}"
    return _shorten(name)


def safe_path(name: str) -> PurePosixPath:
    """A relative path from a client's or a folder's name: no way up, no absolute path."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    path = PurePosixPath(*(safe_name(part) for part in parts or ["photo"]))
    return path if len(str(path).encode("utf-8")) <= MAX_PATH_BYTES else PurePosixPath(path.name)


def plan_results(names: Iterable[PurePath | str], format: str) -> list[PurePosixPath]:
    """Where each photo's result will lie in the results folder; no two the same.

    Names and tree are kept; the suffix follows `format` (as in RestoreOptions). Of names that
    would meet, also if they differ in case only, the later one gets " (2)". Deterministic.
    """
    wishes = [safe_path(PurePath(name).as_posix()) for name in names]
    # A photo must not have the name of a folder that another photo needs.
    folders = {_key(parent) for wish in wishes for parent in wish.parents}
    taken = {"report.json"} | folders
    results = []
    for wanted in wishes:
        if format in SUFFIXES and wanted.suffix.lower() not in _suffixes_of(format):
            wanted = wanted.with_name(wanted.stem + SUFFIXES[format])
        result = free_name(wanted, taken)
        taken.add(_key(result))
        results.append(result)
    return results


def free_name(wanted: PurePosixPath, taken: Container[str]) -> PurePosixPath:
    """`wanted`, numbered where its case-folded path is among `taken`."""
    result = wanted
    for number in count(2):
        if _key(result) not in taken:
            break
        result = _numbered(wanted, number)
    return result


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


def _key(path: PurePath) -> str:
    return str(path).casefold()


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
            result = _numbered(wanted, number)
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


def _numbered(path: PurePosixPath, number: int) -> PurePosixPath:
    return path.with_name(f"{path.stem} ({number}){path.suffix}")


def _suffixes_of(format: str) -> tuple[str, ...]:
    return (".jpg", ".jpeg", ".jpe", ".jfif") if format == "jpeg" else (SUFFIXES[format],)


def _shorten(name: str) -> str:
    encoded = name.encode("utf-8")
    if len(encoded) <= MAX_NAME_BYTES:
        return name
    suffix = PurePath(name).suffix
    suffix = suffix if len(suffix.encode("utf-8")) <= 16 else ""
    room = MAX_NAME_BYTES - len(suffix.encode("utf-8"))
    return encoded[:room].decode("utf-8", "ignore").rstrip() + suffix
