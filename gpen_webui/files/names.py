"""Names of results: safe on every file system, unique, and planned before any work is done.

They do not depend on which photo is finished first, so a run that starts again finds its own
files.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable
from itertools import count
from pathlib import PurePath, PurePosixPath

SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
MAX_NAME_BYTES = 240  # file systems allow 255; leaves room for " (2)"
MAX_PATH_BYTES = 1000  # of a whole tree; deeper ones are laid flat
# Not a letter of any script: separators, control characters, and marks that reverse the text.
FORBIDDEN = re.compile('[\x00-\x1f\x7f/\\\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]')
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


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
    wanted_paths = [safe_path(PurePath(name).as_posix()) for name in names]
    # A photo must not have the name of a folder that another photo needs.
    folders = {_key(parent) for wanted in wanted_paths for parent in wanted.parents}
    taken = {"report.json"} | folders
    results = []
    for wanted in wanted_paths:
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
        result = numbered(wanted, number)
    return result


def _key(path: PurePath) -> str:
    return str(path).casefold()


def numbered(path: PurePosixPath, number: int) -> PurePosixPath:
    """`photo (2).jpg` for photo.jpg and 2."""
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
