"""Who may talk to the server.

Any web page that a user visits can send requests to servers on the user's own machine, and a
host name of its own can be made to point there (DNS rebinding). So:

* Host: without a token, only names of this machine are answered.
* Origin: what changes something, and every WebSocket, must come from our own pages or from
  a program; browsers say where a request comes from, programs say nothing. `null` is refused.
* Token: whoever is not on this machine must know it (access.py).
* Headers: nothing of ours runs in a frame or in a foreign page, no foreign script runs here.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.wrappers import Response as AnyResponse

from gpen_webui.settings import Settings
from gpen_webui.web.access import TokenCheck
from gpen_webui.web.errors import ForbiddenError

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OWN_SITES = ("same-origin", "none")  # Sec-Fetch-Site; none: the user typed the address
PUBLIC = "/static/"  # the program's own files, which are no secret

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
    return settings.token is not None or not is_loopback(settings.host)


def init_app(app: Flask) -> None:
    """Check every request before anything else looks at it; add the headers to every answer."""
    settings: Settings = app.extensions["settings"]
    if needs_token(settings) and not settings.token:
        raise ForbiddenError(f"Listening on {settings.host} needs a token; give one with --token.")
    check_token = TokenCheck(settings) if needs_token(settings) else None

    @app.before_request
    def check() -> AnyResponse | None:
        _check_origin()
        if check_token is None:
            _check_host()
            return None
        return None if request.path.startswith(PUBLIC) else check_token()

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
