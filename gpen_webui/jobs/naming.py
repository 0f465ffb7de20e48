"""What the results of a job's photos are called."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePath, PurePosixPath

from gpen_webui.files.atomic import REPORT
from gpen_webui.files.names import plan_names, safe_path
from gpen_webui.photo.formats import result_name


def plan_results(names: Iterable[PurePath | str], format: str) -> list[PurePosixPath]:
    """Where each photo's result will lie in the results folder; no two the same.

    Names and tree are kept; the suffix follows `format` (as in RestoreOptions). Of names that
    would meet, also if they differ in case only, the later one gets " (2)". A folder never
    has the name of a photo or of the report. Deterministic.
    """
    wanted = [safe_path(PurePath(name).as_posix()) for name in names]
    return plan_names([result_name(path, format) for path in wanted], reserved=[REPORT])


def is_legal(name: str) -> bool:
    """Whether every disk can hold a file of this name, as far as that can be known."""
    return str(safe_path(name)) == unicodedata.normalize("NFC", name)


def renamed_words(place: PurePosixPath) -> str:
    """What the report of a photo says whose name the disk cannot hold."""
    return f"Not every disk can hold the photo's own name, so its result is called {place.name}."
