"""The coordinator, as a worker reaches it: one method for each address of the protocol.

Nothing is tried again here; every request may be sent again by whoever got no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from gpen_webui.cluster.messages import MessageError, from_json, to_json
from gpen_webui.cluster.protocol import (
    CLAIM,
    HASH_HEADER,
    PREFIX,
    SHA256,
    Beat,
    BeatAnswer,
    ClaimedPhoto,
    ClaimRequest,
    Failure,
    Finish,
    FinishAnswer,
    JoinAnswer,
    JoinRequest,
)
from gpen_webui.errors import UserError

Message = TypeVar("Message")

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
UPLOAD_SECONDS = 120.0  # the disk that it goes to may be slow
CHUNK = 1 << 16
MOST_SENTENCE = 500  # characters of an error that are shown
UNAUTHORIZED = 401
NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")  # OpenSSL's words
TRY_LATER = (408, 425, 429, 500, 502, 503, 504, 507)


class AwayError(UserError):
    """The coordinator does not answer, or not now: the same is to be tried again later."""


class RefusedError(UserError):
    """The coordinator says no. status: of HTTP. code: its word for why, or empty."""

    def __init__(self, message: str, status: int = 0, code: str = ""):
        super().__init__(message)
        self.status = status
        self.code = code


class _Token(AuthBase):
    """As `auth`, as requests would else take a password for the host from ~/.netrc."""

    def __init__(self, token: str):
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class CoordinatorClient:
    """Thread-safe: every thread has connections of its own.

    address: as a user types it, `studio:7860` or `https://example.org/gpen`. Every method raises
    AwayError where the same may be tried again, RefusedError where that is of no use, and
    MessageError where the answer makes no sense.
    """

    def __init__(self, address: str):
        self.address = _whole_address(address)
        self.token = ""
        self._of_thread = threading.local()

    def join(self, request: JoinRequest) -> JoinAnswer:
        """Become a worker; the answer's token is used from now on."""
        answer = self._told("join", request, JoinAnswer)
        self.token = answer.token
        return answer

    def claim(self, request: ClaimRequest) -> ClaimedPhoto | None:
        """The next photo to restore; None where there is none."""
        answer = self._post("claim", to_json(request))
        return None if answer.status_code == 204 else self._read_claim(answer)

    def probe(self) -> ClaimedPhoto:
        """The photo by which a worker shows that it can work."""
        return self._read_claim(self._post("probe", {}))

    def beat(self, beat: Beat) -> BeatAnswer:
        """This worker lives."""
        return self._told("beat", beat, BeatAnswer)

    def finish(self, claim: str, finish: Finish) -> FinishAnswer:
        """A photo is restored."""
        return self._told(f"claims/{claim}/finish", finish, FinishAnswer)

    def fail(self, claim: str, failure: Failure) -> None:
        """A photo was not restored."""
        self._post(f"claims/{claim}/fail", to_json(failure))

    def leave(self) -> None:
        """This worker ends; what it still has waits again."""
        self._post("leave", {})

    def send_result(self, claim: str, result: Path, sha256: str) -> None:
        """The bytes of a restored photo."""
        with open(result, "rb") as file:
            self._request(
                "PUT",
                f"claims/{claim}/result",
                data=file,
                headers={HASH_HEADER: sha256, "Content-Type": "application/octet-stream"},
                timeout=(CONNECT_SECONDS, UPLOAD_SECONDS),
            )

    @contextmanager
    def open_file(self, path: str, have: int, sha256: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """A file of the coordinator from its byte `have` on: where it begins, and its chunks.

        It begins at 0 where the coordinator cannot go on in the middle, or has another file.
        """
        headers = {"Accept-Encoding": "identity"}
        if have and sha256:
            headers |= {"Range": f"bytes={have}-", "If-Range": f'"{sha256}"'}
        answer = self._request("GET", path, headers=headers, stream=True)
        begins = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        start = have if answer.status_code == 206 and begins else 0
        with answer:
            yield start, self._chunks(answer)

    def _chunks(self, answer: requests.Response) -> Iterator[bytes]:
        try:
            yield from answer.iter_content(CHUNK)
        except requests.RequestException as error:
            raise self._away(error) from error

    def _told(self, path: str, message: object, kind: type[Message]) -> Message:
        return self._read(self._post(path, to_json(message)), kind)

    def _post(self, path: str, body: dict) -> requests.Response:
        return self._request("POST", path, json=body)

    def _read(self, answer: requests.Response, kind: type[Message]) -> Message:
        return from_json(kind, self._json(answer))

    def _read_claim(self, answer: requests.Response) -> ClaimedPhoto:
        """A claim whose words may be names of files here: none leads out of the worker's folder."""
        claimed = self._read(answer, ClaimedPhoto)
        sha256 = claimed.original.sha256
        if not CLAIM.fullmatch(claimed.claim) or (sha256 and not SHA256.fullmatch(sha256)):
            raise MessageError(f"{self.address} names a photo as no coordinator does.")
        return claimed

    def _json(self, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise self._no_coordinator() from error

    def _request(self, method: str, path: str, **more: Any) -> requests.Response:
        address = f"{self.address}{PREFIX}/{path}"
        more.setdefault("timeout", (CONNECT_SECONDS, ANSWER_SECONDS))
        try:
            answer = self._session.request(
                method, address, auth=_Token(self.token), allow_redirects=False, **more
            )
        except requests.exceptions.SSLError as error:
            raise RefusedError(_words_for_tls(self.address, _cause(error))) from error
        except requests.RequestException as error:
            raise self._away(error) from error
        if answer.status_code < 300:
            return answer
        raise self._error_of(answer)

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._of_thread, "session"):
            self._of_thread.session = requests.Session()
        return self._of_thread.session

    def _error_of(self, answer: requests.Response) -> UserError:
        status = answer.status_code
        if status < 400:
            where = answer.headers.get("Location", "elsewhere")
            return RefusedError(f"{self.address} leads to {where}; give that with --join.", status)
        try:
            error = answer.json()["error"]
            code, sentence = str(error["code"]), str(error["message"])[:MOST_SENTENCE]
        except (ValueError, KeyError, TypeError):
            code, sentence = "", ""
        if status in TRY_LATER:
            said = sentence or f"{self.address} answers {status}; it is tried again."
            return AwayError(said)
        if not sentence and self.token:  # a proxy's words: the coordinator was here before
            return AwayError(f"{self.address} answers {status}; it is tried again.")
        if not sentence:
            return self._no_coordinator(status)
        return RefusedError(sentence, status, code)

    def _no_coordinator(self, status: int = 0) -> RefusedError:
        return RefusedError(
            f"{self.address} is no coordinator; start the server there with --cluster, or check "
            "the address.",
            status,
        )

    def _away(self, error: Exception) -> AwayError:
        return AwayError(
            f"{self.address} does not answer ({_cause(error)}); check that the server runs there "
            "with --host 0.0.0.0 --cluster, and the network in between."
        )


def _whole_address(address: str) -> str:
    """With its scheme, without a slash at the end. Raises RefusedError where it is none."""
    whole = address.strip().rstrip("/")
    whole = whole if "://" in whole else f"http://{whole}"
    try:
        parts = urlsplit(whole)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or parts.query or parts.fragment:
        raise RefusedError(
            f"“{address}” is no address of a coordinator; it looks like http://studio:7860."
        )
    return whole


def _words_for_tls(address: str, cause: str) -> str:
    if cause in NO_TLS:
        return (
            f"{address} does not encrypt; give it as http:// with --join, or the address of the "
            "proxy that encrypts."
        )
    return (
        f"The certificate of {address} cannot be trusted ({cause}); name your own authority's "
        "file in REQUESTS_CA_BUNDLE, or check the address."
    )


def _cause(error: BaseException) -> str:
    """What lies behind the errors of the libraries in between, in few words."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    inner: Any = error
    while (reason := getattr(inner, "reason", None)) or (inner.args and _is_error(inner.args[0])):
        inner = reason or inner.args[0]
        if not isinstance(inner, BaseException):
            return str(inner)[:100]
    cause = inner.__cause__ or inner.__context__ or inner
    return str(getattr(cause, "strerror", None) or type(inner).__name__)[:100]


def _is_error(value: object) -> bool:
    return isinstance(value, BaseException)
