"""The server process: checks, says where it is, serves until it is stopped.

gunicorn serves where it exists: its first process listens and starts a second one, which
does everything else and is started anew should native code ever crash it. Elsewhere (on
Windows) Werkzeug's threaded server does, in one process.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import secrets
import socket
import time
from dataclasses import replace

from gpen_webui.errors import UserError
from gpen_webui.files.lock import FileLock
from gpen_webui.jobs.outputs_lock import lock_outputs
from gpen_webui.jobs.records import OutputsInUseError, StoreError
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.logs import log_to_file
from gpen_webui.settings import Settings
from gpen_webui.web.announcement import announce
from gpen_webui.web.guard import needs_token
from gpen_webui.web.open_files import raise_open_files
from gpen_webui.web.process import show_page
from gpen_webui.web.running_server import recorded_address, running_page

PORT_PATIENCE = 3.0  # seconds; a server that is just stopping may still hold the port
BACKLOG = 256


class ServeError(UserError):
    """The server cannot be started."""


def serve(settings: Settings) -> int:
    """Serve until the user stops it; the process's exit code. Raises UserError."""
    if needs_token(settings) and not settings.token:
        settings = replace(settings, token=secrets.token_urlsafe(16))
    raise_open_files()
    try:
        only_one = claim_outputs(settings)
    except OutputsInUseError:
        page = running_page(settings)
        if page is None:
            raise
        print(f"GPEN WebUI is running already: {page}", flush=True)
        show_page(page, settings)
        return 0
    with only_one:
        return _serve_alone(settings)


def _serve_alone(settings: Settings) -> int:
    listener = listen(settings.host, settings.port)
    settings = replace(settings, port=listener.getsockname()[1])
    log_to_file(settings.outputs, settings.log_level, settings.log_format)
    with recorded_address(settings):
        announce(settings)
        if importlib.util.find_spec("gunicorn"):
            from gpen_webui.web.gunicorn_server import run
        else:
            from gpen_webui.web.werkzeug_server import run
        return run(settings, listener)


def claim_outputs(settings: Settings) -> FileLock:
    """The lock that lets only one server start in an outputs folder; must be closed.

    It is held by the first process and not, as the lock of the jobs, by the one that loads them
    later: between the two another start would believe the folder free. Raises UserError where
    results cannot be written, or another server works there.
    """
    try:
        files = StoreFiles(settings.outputs)
        only_one = lock_outputs(files.server_lock)
        try:
            lock_outputs(files.lock).close()
        except BaseException:
            only_one.close()
            raise
        return only_one
    except OSError as error:
        raise StoreError(
            f"The folder {settings.outputs} cannot be written ({error.strerror or error}); check "
            "its permissions, or choose another folder with --outputs."
        ) from error


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ServeError."""
    deadline = time.monotonic() + PORT_PATIENCE
    while True:
        try:
            return _bound(host, port)
        except (OSError, OverflowError) as error:
            in_use = getattr(error, "errno", None) == errno.EADDRINUSE
            if in_use and time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            raise _cannot_listen(host, port, error) from error


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # on Windows it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _cannot_listen(host: str, port: int, error: Exception) -> ServeError:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return ServeError(
            f"Port {port} is in use by another program; stop that, or choose another port with "
            "--port."
        )
    if code in (errno.EACCES, errno.EPERM):
        return ServeError(f"Port {port} may not be used here; choose one above 1023 with --port.")
    if isinstance(error, OverflowError):
        return ServeError(f"{port} is no port; choose one from 1024 to 65535 with --port.")
    return ServeError(
        f"{host} is no address of this machine ({error}); choose another with --host, or leave it "
        "out."
    )
