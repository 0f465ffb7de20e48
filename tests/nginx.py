"""A real nginx in front of the server, set up in the ways in which people set it up."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

from tests.ports import free_port, listens
from tests.waiting import wait_for

NAMED = "proxy_set_header Host $http_host;"
UPGRADED = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    'proxy_set_header Connection "upgrade";'
)
# By name: what stands in the location, the path of the location, and that of the server.
SET_UPS = {
    "plain": ("", "/", "/"),
    "no upgrade": (NAMED, "/", "/"),
    "host without port": (
        f"proxy_set_header Host $host; proxy_set_header X-Forwarded-Host $http_host; {UPGRADED}",
        "/",
        "/",
    ),
    "sub-path cut off": (
        f"{NAMED} proxy_set_header X-Forwarded-Prefix /gpen; {UPGRADED}",
        "/gpen/",
        "/",
    ),
    "tls": (f"{NAMED} proxy_set_header X-Forwarded-Proto $scheme; {UPGRADED}", "/", "/"),
}


class Nginx:
    """nginx at work, with a port for each of SET_UPS; also a context manager.

    ports: by name of the set-up, all free ones.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.ports = {name: free_port() for name in SET_UPS}
        self._process: subprocess.Popen | None = None

    def url(self, name: str) -> str:
        """Where a browser finds the pages, without a slash at the end."""
        scheme = "https" if name == "tls" else "http"
        return f"{scheme}://127.0.0.1:{self.ports[name]}{SET_UPS[name][1].rstrip('/')}"

    def start(self, server: int) -> None:
        """Begin to pass on to a server's port."""
        _make_certificate(self.folder)
        configuration = self.folder / "nginx.conf"
        configuration.write_text(_configuration(self.folder, self.ports, server))
        self._process = subprocess.Popen(
            ["nginx", "-p", self.folder, "-c", configuration, "-e", self.folder / "errors"]
        )
        for port in self.ports.values():
            wait_for(partial(listens, port))

    def __enter__(self) -> Nginx:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()


def is_installed() -> bool:
    """Whether this machine has nginx, and openssl for its certificate."""
    return all(map(shutil.which, ("nginx", "openssl")))


def _configuration(folder: Path, ports: dict[str, int], server: int) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = [f"{kind}_temp_path {folder / kind};" for kind in kinds]
    servers = [
        f"server {{ listen 127.0.0.1:{ports[name]}{' ssl' if name == 'tls' else ''}; "
        f"location {path} {{ proxy_pass http://127.0.0.1:{server}{target}; {words} }} }}"
        for name, (words, path, target) in SET_UPS.items()
    ]
    return "\n".join(
        (
            f"pid {folder / 'pid'}; daemon off; worker_processes 1;",
            "events { worker_connections 256; }",
            "http { access_log off; client_max_body_size 1m;",
            f"ssl_certificate {folder / 'certificate'}; ssl_certificate_key {folder / 'key'};",
            *places,
            *servers,
            "}\n",
        )
    )


def _make_certificate(folder: Path) -> None:
    words = "req -x509 -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -days 2".split()
    places = ["-keyout", folder / "key", "-out", folder / "certificate"]
    subprocess.run(["openssl", *words, *places], check=True, capture_output=True)
