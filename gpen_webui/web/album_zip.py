"""A results folder as a zip, made while it is sent: no temporary file, its length known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from flask import Response
from zipstream import ZipStream


def stream_zip(folder: Path, names: Iterable[str]) -> Response:
    """The files of `folder` with these relative names, as far as they are there.

    They are stored as they are: photos are compressed already. Symbolic links are left out.
    """
    zipped = ZipStream(sized=True)
    for name in names:
        path = folder / PurePosixPath(name)
        if path.is_file() and not path.is_symlink():
            zipped.add_path(path, name, recurse=False)
    response = Response(iter(zipped), mimetype="application/zip")
    response.content_length = len(zipped)
    response.headers.set("Content-Disposition", "attachment", filename=f"{folder.name}.zip")
    return response
