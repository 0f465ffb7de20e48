"""The reports in a results folder: report.json for programs, report.html for people.

A report.html needs nothing but itself: its pictures are in it. So it is also where the pictures
of photos are kept that were restored earlier; the next report takes them from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from gpen_webui.files.atomic import write_report, writing_atomically
from gpen_webui.files.names import numbered_paths
from gpen_webui.files.placing import is_there
from gpen_webui.jobs.report_page import FIRST_LINE, pair, quoted, report_page
from gpen_webui.jobs.store.files import StoreFiles

HTML_REPORT = PurePosixPath("report.html")
OURS = FIRST_LINE.encode()
DATA = rb'<img alt="" src="data:image/(?:webp|jpeg);base64,[A-Za-z0-9+/=]+">'
PAIR = re.compile(rb'<p class="pair" data-result="([^"<>]*)">' + DATA + DATA + rb"</p>\n")
LONGEST_LINE = 1 << 20  # bytes; a pair of pictures takes about 10,000


def write_reports(folder: Path, report: dict, files: StoreFiles) -> None:
    """Write report.json and report.html into a results folder, each in one step.

    report: as report.json has it. files: of the store that knows the small pictures of results.
    Raises OSError; each file is then as it was before.
    """
    write_report(folder, report, staging=files.staging)
    name = folder.relative_to(files.outputs).as_posix()
    place = _place_in(folder)
    with (
        writing_atomically(place, staging=files.staging) as file,
        _earlier_pictures(place) as earlier,  # closed before its file is replaced
    ):

        def pictures_of(result: str) -> str:
            found = files.thumbnails.of(name, result)
            if found is None:
                return earlier.of(result)
            return pair(result, *found)

        for line in report_page(report, pictures_of):
            file.write(line.encode("utf-8", "backslashreplace"))
    files.thumbnails.forget(name)


def html_report_in(folder: Path) -> str | None:
    """The name of the report for people in a results folder; None where it has none of ours."""
    place = _place_in(folder)
    return place.name if is_there(place) else None


def is_html_report(path: Path) -> bool:
    """Whether a file is a report of ours, and not one of the user's by that name."""
    try:
        if path.is_symlink() or not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(OURS)) == OURS
    except OSError:
        return False


def _place_in(folder: Path) -> Path:
    """The report that is there, or else a name that nothing has."""
    return next(
        path
        for path in (folder / name for name in numbered_paths(HTML_REPORT))
        if is_html_report(path) or not is_there(path)
    )


class _EarlierPictures:
    """The pictures in a report that was written earlier, found once and read when needed."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._places: dict[bytes, int] = {}
        at = 0
        while line := file.readline(LONGEST_LINE):
            if found := PAIR.fullmatch(line):
                self._places[found[1]] = at
            at += len(line)

    def of(self, result: str) -> str:
        """The pictures of a result, as they stand there; nothing where there are none."""
        at = self._places.get(quoted(result).encode())
        if at is None:
            return ""
        self._file.seek(at)
        return self._file.readline(LONGEST_LINE).decode()


class _NoPictures:
    def of(self, result: str) -> str:
        return ""


@contextmanager
def _earlier_pictures(path: Path) -> Iterator[_EarlierPictures | _NoPictures]:
    if not is_html_report(path):
        yield _NoPictures()
        return
    with path.open("rb") as file:
        yield _EarlierPictures(file)
