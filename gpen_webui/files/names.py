"""Names of files: safe on every file system, unique, and planned before any work is done.

They do not depend on which photo is finished first, so a run that starts again finds its own
files.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from itertools import count
from pathlib import PurePath, PurePosixPath

MAX_NAME_BYTES = 240  # file systems allow 255; leaves room for " (2)" and a suffix
MAX_PATH_BYTES = 1000  # of a whole tree; deeper ones are laid flat
MAX_PORTABLE = 100  # characters; encrypted folders allow 143
# Not a letter of any script: control characters, what breaks lines, what reverses the text.
INVISIBLE = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
FORBIDDEN = re.compile(f'[{INVISIBLE}/\\\\:*?"<>|]')
AT_THE_EDGES = re.compile(r"^\s+|[\s.]+$")  # Windows drops them, so two names could be one
RESERVED = re.compile(r"(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³])\s*(\.|$)", re.IGNORECASE)
SUFFIX = re.compile(r"(?<=.)\.[A-Za-z0-9]{1,8}$")
NOT_PORTABLE = re.compile(r"[^A-Za-z0-9 ()_.-]+")


def safe_name(name: str) -> str:
    """A name for one file or folder that every file system takes, as close to `name` as can be."""
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    name = AT_THE_EDGES.sub("", FORBIDDEN.sub("_", name)) or "photo"
    if RESERVED.match(name) or name.startswith("."):
        name = f"_{name}"
    return _shorten(name)


def safe_path(name: str) -> PurePosixPath:
    """A relative path from a client's or a folder's name: no way up, no absolute path."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    path = PurePosixPath(*(safe_name(part) for part in parts or ["photo"]))
    return path if len(str(path).encode("utf-8")) <= MAX_PATH_BYTES else PurePosixPath(path.name)


def portable_path(path: PurePosixPath) -> PurePosixPath:
    """The same path in ASCII and short, for file systems that take no other names."""
    return PurePosixPath(*(_portable_name(part) for part in path.parts))


def printable(text: str) -> str:
    """Text without what moves the cursor, colours the terminal, breaks or reverses the line."""
    return re.sub(f"[{INVISIBLE}\ud800-\udfff]", lambda found: ascii(found[0])[1:-1], text)


class NamePlan:
    """Names given out in one folder; no two the same, also if they differ in case only.

    A file never gets the name of a folder that another file needs, nor the other way round.
    The time for each name does not grow with how many files want the same.
    """

    def __init__(self, reserved: Iterable[str] = ()):
        self._files = {name.casefold() for name in reserved}
        self._folders: set[str] = set()
        self._next: dict[str, int] = {}  # the number to go on with

    def reserve_folders(self, wanted: Iterable[PurePosixPath]) -> None:
        """Let these files' folders have their names, rather than files that are named later."""
        for path in wanted:
            self._add_folders(self._folder_for(path))

    def take(self, wanted: PurePosixPath) -> PurePosixPath:
        """`wanted`, or what comes nearest to it and is free; taken from now on."""
        path = self._free(wanted)
        self._files.add(_key(path))
        self._add_folders(path.parent)
        return path

    def _free(self, wanted: PurePosixPath) -> PurePosixPath:
        path = self._folder_for(wanted) / wanted.name
        if self._is_free(path):
            return path
        key = _key(path)
        for number in count(self._next.get(key, 2)):
            if self._is_free(numbered(path, number)):
                self._next[key] = number + 1
                break
        return numbered(path, number)

    def _folder_for(self, wanted: PurePosixPath) -> PurePosixPath:
        """The folder that `wanted` names, numbered where a file has such a name."""
        folder = PurePosixPath()
        for part in wanted.parent.parts:
            places = numbered_folders(folder / part)
            folder = next(place for place in places if _key(place) not in self._files)
        return folder

    def _is_free(self, path: PurePosixPath) -> bool:
        key = _key(path)
        return key not in self._files and key not in self._folders

    def _add_folders(self, folder: PurePosixPath) -> None:
        while folder.parts and _key(folder) not in self._folders:
            self._folders.add(_key(folder))
            folder = folder.parent


def plan_names(
    wanted: Iterable[PurePosixPath], reserved: Iterable[str] = ()
) -> list[PurePosixPath]:
    """A name for each file, in order; of names that would meet the later one gets " (2)"."""
    wanted = list(wanted)
    plan = NamePlan(reserved=reserved)
    plan.reserve_folders(wanted)
    return [plan.take(path) for path in wanted]


def free_name(wanted: PurePosixPath, taken: Container[str]) -> PurePosixPath:
    """`wanted`, numbered where its case-folded path is among `taken`."""
    return next(path for path in numbered_paths(wanted) if _key(path) not in taken)


def numbered_paths(path: PurePosixPath) -> Iterator[PurePosixPath]:
    """photo.jpg, photo (2).jpg, photo (3).jpg ..."""
    yield path
    for number in count(2):
        yield numbered(path, number)


def numbered_folders(path: PurePosixPath) -> Iterator[PurePosixPath]:
    """1.5.1998, 1.5.1998 (2) ...: folders have no suffixes."""
    yield path
    for number in count(2):
        yield path.with_name(f"{path.name} ({number})")


def numbered(path: PurePosixPath, number: int) -> PurePosixPath:
    """`photo (2).jpg` for photo.jpg and 2."""
    stem, suffix = split_suffix(path.name)
    return path.with_name(f"{stem} ({number}){suffix}")


def split_suffix(name: str) -> tuple[str, str]:
    """A name's stem and suffix; that of `St. Anna` is empty, for a suffix has no spaces."""
    found = SUFFIX.search(name)
    return (name[: found.start()], found[0]) if found else (name, "")


def _key(path: PurePath) -> str:
    return str(path).casefold()


def _portable_name(name: str) -> str:
    stem, suffix = split_suffix(name)
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = NOT_PORTABLE.sub("_", plain).strip()[:MAX_PORTABLE].strip()
    return safe_name((plain if re.search(r"\w", plain.replace("_", "")) else "photo") + suffix)


def _shorten(name: str) -> str:
    encoded = name.encode("utf-8")
    if len(encoded) <= MAX_NAME_BYTES:
        return name
    suffix = split_suffix(name)[1]
    start = encoded[: MAX_NAME_BYTES - len(suffix)].decode("utf-8", "ignore")
    return AT_THE_EDGES.sub("", start) + suffix
