"""Who may talk to the server.

Any web page that a user visits can send requests to servers on the user's own machine, and a
host name of its own can be made to point there (DNS rebinding). So:

* Host: without a token, only names of this machine are answered.
* Origin: what changes something, and every WebSocket, must come from our own pages or from
  a program; browsers say where a request comes from, programs say nothing. `null` is refused.
* Token: whoever is not on this machine must know it. It arrives once in the address, or as
  `Authorization: Bearer`; browsers then hold a cookie, which is not the token itself.
* Headers: nothing of ours runs in a frame or in a foreign page, no foreign script runs here.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from urllib.parse import quote, urlencode, urlsplit

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from gpen_webui.settings import Settings
from gpen_webui.web.errors import ForbiddenError, NoAccessError

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OWN_SITES = ("same-origin", "none")  # Sec-Fetch-Site; none: the user typed the address
PUBLIC = "/static/"  # the program's own files, which are no secret
COOKIE_DAYS = 90

HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


def is_loopback(host: str) -> bool:
    """Whether an address or name to listen on can be reached from this machine only."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def needs_token(settings: Settings) -> bool:
    """Whether whoever comes must show a token."""
    return bool(settings.token) or not is_loopback(settings.host)


def init_app(app: Flask) -> None:
    """Check every request before anything else looks at it; add the headers to every answer."""
    settings: Settings = app.extensions["settings"]
    if needs_token(settings) and not settings.token:
        raise ForbiddenError(f"Listening on {settings.host} needs a token; give one with --token.")
    cookie = f"gpen_webui_{settings.port}"

    @app.before_request
    def check() -> AnyResponse | None:
        _check_origin()
        if settings.token is None:
            _check_host()
            return None
        return _check_token(settings.token, cookie)

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if not request.path.startswith(PUBLIC):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def _check_host() -> None:
    if not is_loopback(_host_name()):
        raise ForbiddenError(
            f"This server answers only to names of this machine, not to “{_host_name()}”; open "
            "it as http://127.0.0.1, or start it with --host for use from other machines."
        )


def _host_name() -> str:
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return ""


def _check_origin() -> None:
    changes = request.method not in SAFE_METHODS
    is_socket = "websocket" in request.headers.get("Upgrade", "").lower()
    if not changes and not is_socket:
        return
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    if origin is not None and not _is_our_origin(origin):
        raise ForbiddenError("The request comes from another web page and was refused.")
    if site is not None and site not in OWN_SITES:
        raise ForbiddenError("The request comes from another web page and was refused.")


def _is_our_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == request.host.lower()


def _check_token(token: str, cookie: str) -> AnyResponse | None:
    if request.path.startswith(PUBLIC):
        return None
    if _is_same(request.cookies.get(cookie, ""), _cookie_value(token)):
        return _without_token() if "token" in request.args else None
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _is_same(bearer.strip(), token):
        return None
    if request.method == "GET" and _is_same(request.args.get("token", ""), token):
        response = _without_token()
        response.set_cookie(
            cookie,
            _cookie_value(token),
            max_age=COOKIE_DAYS * 24 * 3600,
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )
        return response
    raise NoAccessError(
        "This server needs its token: open the address that it printed when it was started, or "
        "send the header Authorization: Bearer TOKEN."
    )


def _without_token() -> AnyResponse:
    """The same page at an address that can be shown around."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "token"]
    # One slash in front, or the rest would be taken for a host.
    address = quote("/" + request.path.lstrip("/")) + (f"?{urlencode(kept)}" if kept else "")
    return redirect(address, code=303)


def _cookie_value(token: str) -> str:
    """Shown instead of the token, which then never leaves the first request."""
    return hmac.new(token.encode(), b"GPEN WebUI cookie", hashlib.sha256).hexdigest()


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
