"""Fetch published models: resumable, from the next source when one fails, whole or not at all.

A download grows as NAME.part beside a note of where it comes from. It goes on with an HTTP
Range request, guarded by If-Range, so that parts of different files are never joined. The
finished file is accepted only if it loads strictly with finite values.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from gpen_webui.errors import UserError
from gpen_webui.files.atomic import flush_file, replace_durably, write_atomically
from gpen_webui.files.lock import FileLock, LockHeldError
from gpen_webui.folders import COMMAND
from gpen_webui.models.acceptance import TASKS, examine, record, task_of
from gpen_webui.models.folder import InstalledModel, ModelError
from gpen_webui.models.importing import disk_error
from gpen_webui.models.installed import accepted, installed_file
from gpen_webui.models.published import PublishedModel, published_model
from gpen_webui.models.records import hash_file

log = logging.getLogger(__name__)

CHUNK = 1 << 18
STALL_SECONDS = 30.0
MAX_REDIRECTS = 5
ATTEMPTS = 5  # at one source, as long as each brings something
MAX_BYTES = 4 << 30


# What the libraries raise over servers that do not keep to the protocol, besides their own errors.
ODD_ANSWERS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ValueError,
)


class DownloadError(ModelError):
    """A model could not be fetched; what has arrived is kept for the next try."""


class DownloadCancelled(DownloadError):  # noqa: N818 - requested by the user, not a failure
    """The user stopped the download."""


class _SourceError(Exception):
    """This source does not work; the next one may."""


class _BrokenOff(_SourceError):  # noqa: N818 - may go on
    """The connection ended early."""


def download_model(
    name: str,
    models: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    sources: Sequence[str] | None = None,
    stall_seconds: float = STALL_SECONDS,
) -> InstalledModel:
    """Fetch a model of the catalog into the models folder; at once if it is there already.

    on_progress: called with bytes so far and in all (0 where the server does not say).
    cancelled: asked between chunks. sources: addresses to try in order, instead of the
    catalog's.

    Raises DownloadError where no source worked, DownloadCancelled where the user stopped it.
    """
    entry = published_model(name)
    if entry is None or not (sources or entry.sources):
        raise DownloadError(
            f"{name} cannot be downloaded; `{COMMAND} models list` shows what can be."
        )
    try:
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(models / f".{name}.lock"):
            if there := _unchanged(name, models):
                return there
            problems = []
            fetch = _Fetch(name, models, on_progress, cancelled, stall_seconds)
            for source in sources or entry.sources:
                try:
                    return _land(fetch.whole(source), entry, models)
                except DownloadCancelled:
                    raise
                except (_SourceError, *ODD_ANSWERS, UserError) as problem:
                    log.info("%s cannot be fetched from %s", name, source, exc_info=problem)
                    problems.append(f"{_host(source)}: {_words(problem)}")
    except LockHeldError as error:
        raise DownloadError(f"{name} is being downloaded already; wait for that.") from error
    except OSError as error:
        raise DownloadError(str(disk_error(error, name, models))) from error
    raise DownloadError(
        f"{name} could not be downloaded ({'; '.join(problems)}); check the network and try "
        "again: what has arrived is kept."
    )


def _unchanged(name: str, models: Path) -> InstalledModel | None:
    """The model, if it is installed and still what was accepted."""
    path = installed_file(name, models)
    if path is None:
        return None
    try:
        return accepted(path, models)
    except UserError:
        return None


@dataclass(frozen=True)
class _Fetch:
    """One model on its way into NAME.part, whichever source it comes from."""

    name: str
    models: Path
    on_progress: Callable[[int, int], None]
    cancelled: Callable[[], bool]
    stall_seconds: float

    @property
    def part(self) -> Path:
        return self.models / f".{self.name}.part"

    def whole(self, source: str) -> Path:
        """Bring one source into the part, going on where the connection breaks off."""
        arrived = -1
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._once(source)
            except (_BrokenOff, *ODD_ANSWERS):
                have = self._size()
                can_go_on = have > arrived and _read_note(self.models, self.name).get("version")
                if attempt == ATTEMPTS or not can_go_on:
                    raise
                arrived = have
        raise AssertionError("unreachable")

    def _once(self, source: str) -> Path:
        """Ask one source once for what is missing of the part; its path when it is whole."""
        known = _read_note(self.models, self.name)
        have = self._size() if known.get("source") == source else 0
        headers = {"Accept-Encoding": "identity"}
        if have and known.get("version"):
            headers |= {"Range": f"bytes={have}-", "If-Range": known["version"]}
        with _open(source, headers, self.stall_seconds) as answer:
            if answer.status_code == 416:  # the part is as long as the file, or longer
                if answer.headers.get("Content-Range") == f"bytes */{have}":
                    return self.part
                self.part.unlink(missing_ok=True)
                raise _SourceError("the server's file has changed")
            resumed = self._is_resumed(answer, have)
            have = have if resumed else 0
            length = _length(answer)
            total = have + length if length else 0
            if total > MAX_BYTES:
                raise _SourceError("offers a file far larger than any model")
            version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
            note = json.dumps({"source": source, "version": version})
            write_atomically(_note_file(self.models, self.name), note.encode())
            have = self._receive(answer, resumed, have, total)
        if total and have != total:
            raise _BrokenOff("the connection broke off")
        return self.part

    def _is_resumed(self, answer: requests.Response, have: int) -> bool:
        """Whether the answer goes on after what there is, or begins anew."""
        if answer.status_code not in (200, 206):
            raise _SourceError(f"answered {answer.status_code}")
        if "html" in answer.headers.get("Content-Type", ""):
            raise _SourceError("sent a web page instead of the file")
        resumed = answer.status_code == 206
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            self.part.unlink(missing_ok=True)
            raise _SourceError("sent another part than was asked for")
        return resumed

    def _receive(self, answer: requests.Response, resumed: bool, have: int, total: int) -> int:
        """Write what comes into the part; how long that is then."""
        with open(self.part, "ab" if resumed else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                if self.cancelled():
                    raise DownloadCancelled(f"The download of {self.name} was stopped.")
                file.write(chunk)
                have += len(chunk)
                if have > MAX_BYTES:
                    raise _SourceError("sends more than any model holds")
                self.on_progress(have, total)
            flush_file(file)
        return have

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


@contextmanager
def _open(source: str, headers: dict, stall_seconds: float) -> Iterator[requests.Response]:
    """Ask for a file, following redirects only to other public web servers."""
    local_allowed = is_local(source)
    with requests.Session() as session:
        for _ in range(MAX_REDIRECTS):
            answer = session.get(
                source, headers=headers, stream=True, timeout=stall_seconds, allow_redirects=False
            )
            if not answer.is_redirect:
                yield answer
                return
            source = redirected(source, answer.headers["Location"], local_allowed)
    raise _SourceError("redirects in circles")


def redirected(source: str, location: str, local_allowed: bool) -> str:
    """Where a redirect leads, if one may follow it there."""
    target = urljoin(source, location)
    schemes = ("https",) if urlsplit(source).scheme == "https" else ("http", "https")
    if urlsplit(target).scheme not in ("http", "https") or not urlsplit(target).hostname:
        raise _SourceError("redirects to something that is no web address")
    if urlsplit(target).scheme not in schemes:
        raise _SourceError("redirects to a connection without encryption")
    if not local_allowed and is_local(target):
        raise _SourceError("redirects into the local network")
    return target


def _length(answer: requests.Response) -> int:
    """How many bytes follow; 0 where the server does not say."""
    told = answer.headers.get("Content-Length", "0")
    if not told.isascii() or not told.isdigit():
        raise _SourceError("tells no length that is a number")
    return int(told)


def is_local(address: str) -> bool:
    """Whether a web address lies on this machine or in a private network."""
    host = urlsplit(address).hostname or ""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return any(not ipaddress.ip_address(str(text).split("%")[0]).is_global for text in found)


def _land(part: Path, entry: PublishedModel, models: Path) -> InstalledModel:
    """Check a finished download and give it its name; a bad one is thrown away."""
    name = entry.name
    try:
        sha256 = hash_file(part)
        if entry.sha256 and sha256 != entry.sha256:
            raise ModelError("not the published file")
        crop = examine(part)
        if task_of(crop) != (entry.task if entry.task in TASKS.values() else "restore"):
            raise ModelError("another kind of model")
    except UserError as error:
        part.unlink(missing_ok=True)
        raise _SourceError("sent a file that is not the model, or is damaged") from error
    finally:
        _note_file(models, name).unlink(missing_ok=True)
    earlier, target = installed_file(name, models), models / f"{name}.pth"
    replace_durably(part, target)
    model = record(target, models, crop, sha256)
    if earlier is not None and not earlier.samefile(target):
        earlier.unlink()
    return model


def _note_file(models: Path, name: str) -> Path:
    return models / f".{name}.part.json"


def _read_note(models: Path, name: str) -> dict:
    try:
        note = json.loads(_note_file(models, name).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) and isinstance(note.get("version"), str) else {}


def _host(source: str) -> str:
    return urlsplit(source).hostname or source


def _words(problem: Exception) -> str:
    if isinstance(problem, requests.Timeout):
        return "sent nothing for too long"
    if isinstance(problem, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "cannot be reached or broke off"
    if isinstance(problem, ODD_ANSWERS):
        return "answers what is no web server's answer"
    return str(problem).rstrip(".")
