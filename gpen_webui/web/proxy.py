"""Behind a proxy: under which path the pages lie, who asks, and by which name.

`base_path` is where a browser finds the pages. The proxy may pass the path on as it is or cut
it off; both are understood. What a proxy says of the browser (X-Forwarded-For, -Proto, -Host,
-Prefix) is believed only where the request comes from an address named by `trusted_proxies`:
anybody else could write the same headers, a foreign page in the user's own browser too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

from gpen_webui.settings import BASE_PATH, Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class BehindProxy:
    """A WSGI application that sees its requests as the browser sent them to the proxy."""

    def __init__(self, app: WSGIApplication, settings: Settings):
        self._app = app
        self._base = settings.base_path
        self._is_tls = (settings.public_url or "").startswith("https:")
        self._trusted = [ipaddress.ip_network(each) for each in settings.trusted_proxies]
        self._forwarded = ProxyFix(self._enter, x_for=1, x_proto=1, x_host=1, x_prefix=1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._is_tls:
            environ["wsgi.url_scheme"] = "https"
        if not self._trusts(environ.get("REMOTE_ADDR", "")):
            return self._enter(environ, start_response)
        if not re.fullmatch(BASE_PATH, environ.get("HTTP_X_FORWARDED_PREFIX", "")):
            environ.pop("HTTP_X_FORWARDED_PREFIX", None)
        return self._forwarded(environ, start_response)

    def _enter(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        base = environ.get("SCRIPT_NAME") or self._base
        path = environ.get("PATH_INFO", "")
        environ["SCRIPT_NAME"] = base
        if base and (path == base or path.startswith(f"{base}/")):
            environ["PATH_INFO"] = path[len(base) :] or "/"
        return self._app(environ, start_response)

    def _trusts(self, address: str) -> bool:
        try:
            sender = ipaddress.ip_address(address)
        except ValueError:
            return False  # no address: a socket in the file system
        if isinstance(sender, ipaddress.IPv6Address) and sender.ipv4_mapped:
            sender = sender.ipv4_mapped  # how a socket that listens on both shows IPv4
        return any(sender in network for network in self._trusted)
