"""The token: how programs and browsers show that they know it.

A program sends it as `Authorization: Bearer`. A browser brings it once in the address and
then holds a cookie, which neither is the token nor can be made from a guess of it: it depends
on a key of this server, kept in the outputs folder so that browsers stay let in.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
from pathlib import Path
from urllib.parse import quote, urlencode

from flask import redirect, request
from werkzeug.wrappers import Response

from gpen_webui.settings import Settings
from gpen_webui.web.errors import NoAccessError
from gpen_webui.web.guesses import GuessLimit

log = logging.getLogger(__name__)

KEY_FILE = Path(".gpen-webui") / "cookie-key"
KEY_BYTES = 32
COOKIE_DAYS = 90


class TokenCheck:
    """Lets requests pass that know the token."""

    def __init__(self, settings: Settings):
        assert settings.token, "an empty token would let everybody in"
        self._token = settings.token
        self._cookie = f"gpen_webui_{settings.port}"
        key = _cookie_key(settings.outputs / KEY_FILE)
        self._cookie_value = hmac.new(key, self._token.encode(), hashlib.sha256).hexdigest()
        self._guesses = GuessLimit()

    def __call__(self) -> Response | None:
        """None where the request may go on, or an answer in its place.

        Raises NoAccessError, TooManyGuessesError.
        """
        if _is_same(request.cookies.get(self._cookie, ""), self._cookie_value):
            return _without_token() if "token" in request.args else None
        if self._is_right(bearer_token()):
            return None
        if request.method == "GET" and self._is_right(request.args.get("token", "").strip()):
            return self._let_browser_in()
        raise NoAccessError(
            "This server needs its token: open the address that it printed when it was started, "
            "or send the header Authorization: Bearer TOKEN."
        )

    def _is_right(self, given: str) -> bool:
        if not given:
            return False
        return self._guesses.check(request.remote_addr, lambda: _is_same(given, self._token))

    def _let_browser_in(self) -> Response:
        response = _without_token()
        response.set_cookie(
            self._cookie,
            self._cookie_value,
            max_age=COOKIE_DAYS * 24 * 3600,
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )
        return response


def bearer_token() -> str:
    """The token that a program sends; empty where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _without_token() -> Response:
    """The same page at an address that can be shown around."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "token"]
    # One slash in front, or the rest would be taken for a host.
    path = quote(f"{request.script_root}/{request.path.lstrip('/')}")
    address = path + (f"?{urlencode(kept)}" if kept else "")
    return redirect(address, code=303)


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _cookie_key(path: Path) -> bytes:
    """The key that was made earlier, or a new one; only the user can read its file."""
    try:
        if len(key := path.read_bytes()) == KEY_BYTES:
            return key
    except OSError:
        pass  # not made yet
    key = secrets.token_bytes(KEY_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(key)
    except OSError:
        log.exception("browsers must show the token again after the next start")
    return key
