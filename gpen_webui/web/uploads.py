"""Uploads stream to the disk, where the job store wants them, and are counted on the way.

Werkzeug would keep small files in memory and large ones in /tmp, all of them open at once.
Here each is written to the store's folder for incoming files under a generated name, and
closed when it is complete, so an album of any size needs no memory and one open file.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO

from flask import Flask, Request, g, request
from werkzeug.datastructures import FileStorage

from gpen_webui.files.sidecars import has_full_name
from gpen_webui.repairing.mask import mask_of_file
from gpen_webui.settings import Settings
from gpen_webui.web.context import job_service, settings
from gpen_webui.web.errors import (
    BadRequestError,
    NoRoomError,
    OutputsUnreachableError,
    TooBusyError,
    TooLargeError,
)

MB = 1_000_000
MAX_JSON_BYTES = 10 * MB
MAX_PARTS = 50_000
DISK_RESERVE = 200 * MB  # kept free, so that results and the store can still be written
CHECK_EVERY = 16 * MB
MAX_AT_ONCE = 64  # requests that bring files; each holds a thread however slow it is


class IncomingFile:
    """A file that is being received: the few methods that Werkzeug's parser calls."""

    def __init__(self, path: Path, name: str, limit: int):
        self.path = path
        self._name = name
        self._limit = limit
        self._size = 0
        self._file: IO[bytes] = open(path, "wb")  # noqa: SIM115 - closed by seek() or close()

    def write(self, data: bytes) -> int:
        """Take the next part. Raises TooLargeError, NoRoomError."""
        before, self._size = self._size, self._size + len(data)
        if self._size > self._limit:
            raise TooLargeError(
                f"{self._name} is larger than {self._limit // MB} MB, which is the limit for "
                "one file; make it smaller or start the server with a higher --max-file-mb."
            )
        if before // CHECK_EVERY != self._size // CHECK_EVERY:
            check_room(0)
        try:
            return self._file.write(data)
        except OSError as error:
            raise cannot_keep(error) from error

    def seek(self, position: int) -> int:
        """The parser rewinds a file when it is complete."""
        self.close()
        return position

    def close(self) -> None:
        """Nothing more will come."""
        try:
            self._file.close()
        except OSError as error:
            raise cannot_keep(error) from error


class UploadRequest(Request):
    """A request whose files go where the job store wants them."""

    def _get_file_stream(  # type: ignore[override]  # the parser calls no other methods
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IncomingFile:
        limit = g.get("max_file_bytes") or settings().max_file_mb * MB
        try:
            path = job_service().store.incoming()
            g.incoming.append(path)
            return IncomingFile(path, filename or "The file", limit)
        except OSError as error:
            raise cannot_keep(error) from error


def init_app(app: Flask) -> None:
    """Limit what requests may bring, and clear up what they leave."""
    limits: Settings = app.extensions["settings"]
    app.request_class = UploadRequest
    app.config["MAX_CONTENT_LENGTH"] = limits.max_request_mb * MB
    app.config["MAX_FORM_PARTS"] = MAX_PARTS
    slots = BoundedSemaphore(MAX_AT_ONCE)

    @app.before_request
    def admit() -> None:
        g.incoming = []
        if request.mimetype != "multipart/form-data":
            request.max_content_length = MAX_JSON_BYTES
            return
        if not slots.acquire(blocking=False):
            raise TooBusyError("Too many uploads are under way; try again in a moment.")
        g.upload_slot = slots
        check_room(request.content_length or 0)

    @app.teardown_request
    def clear_up(error: BaseException | None) -> None:
        if slot := g.pop("upload_slot", None):
            slot.release()
        for path in g.pop("incoming", ()):
            path.unlink(missing_ok=True)  # those that were kept have been moved


def check_room(more: int) -> None:
    """Raise NoRoomError where `more` bytes exceed the store's limit or fill the disk."""
    limit = settings().max_store_gb * 1000 * MB
    if limit and job_service().store.bytes_used() + more > limit:
        raise NoRoomError(
            f"The photos kept here reach the limit of {settings().max_store_gb} GB; delete "
            "albums that you no longer need, or start the server with a higher --max-store-gb."
        )
    free = disk_free()
    if free - more < DISK_RESERVE:
        raise NoRoomError(
            f"The disk with {settings().outputs} has only {free // MB} MB free; delete albums "
            "that you no longer need, or make room."
        )


def disk_free() -> int:
    """Bytes free where results go. Raises OutputsUnreachableError."""
    try:
        return shutil.disk_usage(settings().outputs).free
    except OSError as error:
        raise OutputsUnreachableError(
            f"The folder {settings().outputs} cannot be reached ({error.strerror}); put it back, "
            "or start the server with another --outputs."
        ) from error


def allow_bytes(limit: int) -> None:
    """Let this request, and each of its files, have as many bytes, whatever the settings say."""
    request.max_content_length = g.max_file_bytes = limit


def uploaded(field: str) -> tuple[Path, str]:
    """The only file of a form field: where it lies, and the client's name for it."""
    files = all_uploaded(field)
    if len(files) > 1:
        raise BadRequestError(f"Send one file as “{field}”, not {len(files)}.")
    return files[0]


def uploaded_mask() -> str | None:
    """The file of the form field “mask”, as the option's text; None where none was sent."""
    sent = request.files.get("mask")
    located = _located(sent) if sent else None
    if located is None:
        return None
    path, name = located
    return mask_of_file(path, name)


def all_uploaded(field: str) -> list[tuple[Path, str]]:
    """The files of a form field in their order. Raises BadRequestError where there are none."""
    files = [file for sent in request.files.getlist(field) if (file := _located(sent))]
    if not files:
        raise BadRequestError(f"Send a photo as the field “{field}” of a multipart form.")
    return files


def uploaded_sidecars(photo: str) -> list[tuple[Path, bool]]:
    """The XMP files that came with a photo of this name, and whether they have its whole name.

    Raises BadRequestError for a file that is not one of them.
    """
    photo = photo.replace("\\", "/").rpartition("/")[2]
    found = []
    for path, name in filter(None, map(_located, request.files.getlist("xmp"))):
        full = has_full_name(name, photo)
        if full is None:
            raise BadRequestError(f"{name} is no XMP file of {photo}; call it {photo}.xmp.")
        found.append((path, full))
    return found


def _located(sent: FileStorage) -> tuple[Path, str] | None:
    """Where a file of a form lies, and its name; None for a field that brought none."""
    stream: object = sent.stream
    if not isinstance(stream, IncomingFile) or not sent.filename:
        return None
    return stream.path, sent.filename


def cannot_keep(error: OSError) -> NoRoomError:
    """Why the disk does not take what was sent, in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoomError("The disk is full; delete albums that you no longer need, or make room.")
    return NoRoomError(
        f"The upload cannot be kept in {settings().outputs} ({error.strerror}); "
        "check the folder and its permissions."
    )
