"""Werkzeug's threaded server, for systems without gunicorn (Windows): one process."""

from __future__ import annotations

import signal
import socket
from threading import Thread
from types import FrameType

from werkzeug.serving import WSGIRequestHandler, make_server

from gpen_webui.settings import Settings
from gpen_webui.web.application import build_app, close_app
from gpen_webui.web.process import leave_now, open_page, warm_up_soon


class QuietHandler(WSGIRequestHandler):
    """A handler without an access log: addresses may hold the token."""

    timeout = 30  # seconds that a client may be silent within a request

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


def run(settings: Settings, listener: socket.socket) -> int:
    """Serve until a signal says stop; the exit code."""
    app = build_app(settings)
    host, port = listener.getsockname()[:2]
    server = make_server(
        host, port, app, threaded=True, request_handler=QuietHandler, fd=listener.fileno()
    )

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
