"""The server process: checks, says where it is, serves until it is stopped.

gunicorn serves where it exists: its first process listens and starts a second one, which
does everything else and is started anew should native code ever crash it. Elsewhere (on
Windows) Werkzeug's threaded server does, in one process.
"""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import secrets
import signal
import socket
import sys
import time
import webbrowser
from dataclasses import replace
from threading import Thread, Timer
from types import FrameType

from gpen_webui.errors import UserError
from gpen_webui.jobs.outputs_lock import OutputsLock
from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.logs import log_to_file
from gpen_webui.models.installed import default_name
from gpen_webui.settings import Settings
from gpen_webui.web.guard import is_loopback

log = logging.getLogger(__name__)

PORT_PATIENCE = 3.0  # seconds; a server that is just stopping may still hold the port
BACKLOG = 256
WARM_UP_AFTER = 0.5  # seconds, so that the first page need not share the processor
ANYWHERE = ("0.0.0.0", "::", "")


class ServeError(UserError):
    """The server cannot be started."""


def serve(settings: Settings) -> int:
    """Serve until the user stops it; the process's exit code. Raises UserError."""
    if not is_loopback(settings.host) and not settings.token:
        settings = replace(settings, token=secrets.token_urlsafe(16))
    check_outputs(settings)
    listener = listen(settings.host, settings.port)
    settings = replace(settings, port=listener.getsockname()[1])
    log_to_file(settings.outputs)
    announce(settings)
    if importlib.util.find_spec("gunicorn"):
        from gpen_webui.web.gunicorn_server import run
    else:
        run = run_werkzeug
    return run(settings, listener)


def check_outputs(settings: Settings) -> None:
    """Raise UserError where results cannot be written, or another server works there."""
    try:
        files = StoreFiles(settings.outputs)
        OutputsLock(files.lock).close()
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


def announce(settings: Settings) -> None:
    """Say where the page, the results and the model are."""
    address = page_address(settings)
    model = settings.model or default_name(settings.models)
    print(f"GPEN WebUI: {address}", flush=True)
    print(f"Results go to {settings.outputs}; the model is {model}.", flush=True)
    if settings.token:
        print("Keep the address to yourself: whoever has it can use this server.", flush=True)
    print("Press Ctrl-C to stop.", flush=True)


def open_page(settings: Settings) -> None:
    """Show the page in the user's browser, if wished and if there is a screen to show it on."""
    if settings.open_browser and has_screen():
        Thread(target=webbrowser.open, args=(page_address(settings),), daemon=True).start()


def has_screen() -> bool:
    """Where there is none, Python would start a text browser in the terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def page_address(settings: Settings) -> str:
    """What to open in a browser, with the token where one is needed."""
    host = socket.gethostname() if settings.host in ANYWHERE else settings.host
    host = f"[{host}]" if ":" in host else host
    token = f"?token={settings.token}" if settings.token else ""
    return f"http://{host}:{settings.port}/{token}"


def run_werkzeug(settings: Settings, listener: socket.socket) -> int:
    """Serve with Werkzeug's threaded server."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    from gpen_webui.web.application import build_app, close_app

    class QuietHandler(WSGIRequestHandler):
        timeout = 30  # seconds that a client may be silent within a request

        def log(self, type: str, message: str, *args: object) -> None:
            """No access log: addresses may hold the token."""

    app = build_app(settings)
    host, port = listener.getsockname()[:2]
    server = make_server(
        host, port, app, threaded=True, request_handler=QuietHandler, fd=listener.fileno()
    )
    server.daemon_threads = True

    def stop(number: int, frame: FrameType | None) -> None:
        Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    open_page(settings)
    warm_up_soon(app)
    server.serve_forever(poll_interval=0.2)
    close_app(app)
    leave_now(0)
    return 0


def warm_up_soon(app) -> None:
    """Load the model in the background, after the first page."""
    timer = Timer(WARM_UP_AFTER, app.extensions["jobs"].pool.warm_up)
    timer.daemon = True
    timer.start()


def leave_now(code: int) -> None:
    """End the process without waiting for threads in native calls; everything is on record."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


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
