"""Who may talk to the server.

Any web page that a user visits can send requests to servers on the user's own machine, and a
host name of its own can be made to point there (DNS rebinding). So:

* Host: without a token, only names of this machine are answered.
* Origin: what changes something, and every WebSocket, must come from our own pages or from
  a program; browsers say where a request comes from, programs say nothing. `null` is refused.
  Our own are those at the host that was asked for, and at the public address behind a proxy.
  What a phone's share sheet sends comes from the browser itself, which says so (`none`).
* Token: whoever is not on this machine must know it (access.py). Workers have tokens of their
  own (cluster.py), which are good for nothing else.
* Headers: nothing of ours runs in a frame or in a foreign page, no foreign script runs here.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.wrappers import Response as AnyResponse

from gpen_webui.cluster.protocol import PREFIX
from gpen_webui.settings import Settings
from gpen_webui.web.access import TokenCheck
from gpen_webui.web.errors import ForbiddenError

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
DEFAULT_PORTS = {"http": 80, "https": 443}
OWN_SITES = ("same-origin", "none")  # Sec-Fetch-Site; none: the user typed the address
SHARED = "/share"  # where a share sheet sends photos
PUBLIC = "/static/"  # the program's own files, which are no secret
WORKERS = f"{PREFIX}/"

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
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    is_private = is_loopback(settings.host) and (public is None or is_loopback(public))
    return settings.token is not None or not is_private


def init_app(app: Flask) -> None:
    """Check every request before anything else looks at it; add the headers to every answer."""
    settings: Settings = app.extensions["settings"]
    if needs_token(settings) and not settings.token:
        place = settings.public_url or settings.host
        raise ForbiddenError(f"Serving at {place} needs a token; give one with --token.")
    check_token = TokenCheck(settings) if needs_token(settings) else None
    public_origin = _origin_of(settings.public_url) if settings.public_url else None

    @app.before_request
    def check() -> AnyResponse | None:
        _check_origin(public_origin)
        if check_token is None:
            _check_host()
            return None
        return None if request.path.startswith((PUBLIC, WORKERS)) else check_token()

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if not request.path.startswith(PUBLIC):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def _check_host() -> None:
    if not is_loopback(host_name()):
        raise ForbiddenError(
            f"This server answers only to names of this machine, not to “{host_name()}”; open "
            "it as http://127.0.0.1, start it with --host for use from other machines, or, "
            f"behind a proxy, with --public-url {request.scheme}://{request.host}."
        )


def is_this_machine() -> bool:
    """Whether the browser runs on the machine that answers."""
    return is_loopback(request.remote_addr or "") and is_loopback(host_name())


def host_name() -> str:
    """The host that was asked for, without its port; empty where there is none."""
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return ""


def _check_origin(public_origin: tuple[str, str, int] | None) -> None:
    changes = request.method not in SAFE_METHODS
    is_socket = "websocket" in request.headers.get("Upgrade", "").lower()
    if not changes and not is_socket:
        return
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in OWN_SITES:
        raise ForbiddenError("The request comes from another web page and was refused.")
    if origin is None or _origin_of(origin) == public_origin is not None:
        return
    if request.path == SHARED and (origin, site) == ("null", "none"):
        return
    if not _is_at_our_host(origin):
        raise ForbiddenError(_words_for_foreign(origin))


def _is_at_our_host(origin: str) -> bool:
    own = (_origin_of(f"{scheme}://{request.host}") for scheme in ("http", "https"))
    return _origin_of(origin) in own


def _words_for_foreign(origin: str) -> str:
    """A proxy that changes the host makes our own pages look foreign too, so say the remedy."""
    if _origin_of(origin) is None:
        return "The request comes from another web page and was refused."
    return (
        f"The request comes from a page of {origin}, but this server was asked for as "
        f"{request.host}, and refused it; if that is its own address behind a proxy, start it "
        f"with --public-url {origin}, or let the proxy pass the name on (nginx: "
        "proxy_set_header Host $http_host)."
    )


def _origin_of(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port, as browsers compare them; None where the address has none."""
    try:
        parts = urlsplit(address)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname and port else None
