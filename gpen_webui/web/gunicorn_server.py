"""gunicorn, set up for one process with many threads: they share the model.

Its worker (gunicorn_worker.py) is made patient with slow clients at nobody's cost.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from threading import Thread

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.http.message import Request
from gunicorn.workers.gthread import ThreadWorker

from gpen_webui.errors import UserError
from gpen_webui.settings import Settings
from gpen_webui.web.application import build_app, close_app
from gpen_webui.web.first_process import FirstProcess
from gpen_webui.web.guard import WORKERS
from gpen_webui.web.gunicorn_worker import PatientWorker
from gpen_webui.web.open_files import connections_allowed
from gpen_webui.web.process import leave_now, open_page, warm_up_soon

# Sockets (128) and uploads (64) have limits of their own. Half a request holds a thread until
# its silence is too long: 500 of them leave enough.
THREADS = 640
CONNECTIONS = 1000
IDLE_SECONDS = 15  # that a connection may wait for its first or next request
STOP_PATIENCE = 20  # seconds until the process is killed
CANNOT_LOAD = 4  # gunicorn: do not try again


def run(settings: Settings, listener: socket.socket) -> int:
    """Serve until a signal says stop; the exit code."""
    try:
        Application(settings, listener).run()
    except SystemExit as leaving:
        return 2 if leaving.code == CANNOT_LOAD else int(leaving.code or 0)
    return 0


class Application(BaseApplication):
    """gunicorn's view of this program."""

    def __init__(self, settings: Settings, listener: socket.socket):
        self._settings = settings
        self._listener = listener
        self._app: Flask | None = None
        super().__init__()

    def run(self) -> None:
        FirstProcess(self).run()

    def load_config(self) -> None:
        values = {
            "bind": f"fd://{self._listener.fileno()}",
            "worker_class": PatientWorker,
            "workers": 1,
            "threads": THREADS,
            "worker_connections": connections_allowed(CONNECTIONS),
            "timeout": 0,  # long native calls are no reason to kill the process
            "graceful_timeout": STOP_PATIENCE,
            "keepalive": IDLE_SECONDS,
            "logger_class": FileLogger,
            "control_socket_disable": True,
            "forwarder_headers": "",  # no proxy tells us where in its tree we are: no SCRIPT_NAME
            "pre_request": end_connection_after_post,
            "post_worker_init": self._begin,
            "worker_exit": self._end_worker,
        }
        for name, value in values.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """In the second process: the application with its jobs."""
        try:
            app = build_app(self._settings)
        except UserError as error:
            print(error, file=sys.stderr, flush=True)
            leave_now(CANNOT_LOAD)
        self._app = app
        return app

    def end_sockets(self) -> None:
        """The server stops; sockets would otherwise last as long as their jobs."""
        if self._app is None:
            return
        web_sockets = self._app.extensions["web_sockets"]
        if not web_sockets.stopping:
            web_sockets.stopping = True
            Thread(target=web_sockets.close_all, daemon=True).start()

    def _begin(self, worker: ThreadWorker) -> None:
        if self._app is not None:
            warm_up_soon(self._app)
        if worker.age == 1:  # not when it is started anew after a crash
            open_page(self._settings)

    def _end_worker(self, server: Arbiter, worker: ThreadWorker) -> None:
        if os.getpid() != worker.pid or self._app is None:  # in the first process too
            return
        close_app(self._app)
        leave_now(0)


class FileLogger(Logger):
    """gunicorn's messages go to the program's own log. There is no access log."""

    def setup(self, cfg) -> None:
        super().setup(cfg)
        self.error_log.handlers = logging.getLogger("gpen_webui").handlers

    def exception(self, msg: str, *args: object, **options: object) -> None:
        """Addresses lose their query, which may hold the token."""
        shown = [arg.partition("?")[0] if isinstance(arg, str) else arg for arg in args]
        super().exception(msg, *shown, **options)


def end_connection_after_post(worker: ThreadWorker, request: Request) -> None:
    """Before a request is served: what is refused is not read to its end, and its connection must
    be closed. An answer that promised otherwise would lose the client's next request. What workers
    post is short, so they keep their connections."""
    if request.method == "POST" and WORKERS not in request.path:
        request.force_close()
