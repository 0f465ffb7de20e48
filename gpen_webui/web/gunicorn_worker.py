"""gunicorn's worker, made patient with slow clients at nobody's cost.

Connections that say nothing take no thread and give way to new ones; reads and writes that
get nowhere are given up; and the goodbye to a client never holds up the loop that accepts the
next one.
"""

from __future__ import annotations

import errno
import selectors
import signal
import socket
import struct
import time
from contextlib import suppress
from functools import partial

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

from gpen_webui.web.first_process import UNUSED_SIGNALS
from gpen_webui.web.process import leave_now

SILENCE_SECONDS = 30  # that a client may make within a request
DEAF_SECONDS = 60  # that a client may leave an answer unread
# An upload that is refused is read on, into nothing: a client that cannot send loses the answer.
REFUSED_SECONDS, REFUSED_BYTES = 10, 100_000_000
REQUEST_PATIENCE = 2  # seconds for requests under way when the server stops
NO_MORE_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
NO_FILES_PAUSE = 0.1  # seconds
VANISHED = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR)


class PatientWorker(ThreadWorker):
    """A worker that waits for no client."""

    def init_process(self) -> None:
        self.cfg.set("graceful_timeout", REQUEST_PATIENCE)
        super().init_process()

    def init_signals(self) -> None:
        """What is for the first process leaves the photos in progress alone."""
        super().init_signals()
        for number in (signal.SIGHUP, *UNUSED_SIGNALS):
            signal.signal(number, signal.SIG_IGN)

    def handle_quit(self, sig, frame) -> None:
        """Ctrl-C: as SIGTERM. gunicorn's own would do too much for a signal handler."""
        self.handle_exit(sig, frame)

    def accept(self, listener: socket.socket) -> None:
        """A new connection waits in the loop, not in a thread, until it says something.

        Where there are too many, or no more files can be opened, the one that has been idle
        for longest gives way: so those who only hold connections keep nobody out.
        """
        if self.nr_conns >= self.worker_connections - 1:
            self._close_longest_idle()
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in NO_MORE_FILES:
                self._make_room()
            elif error.errno not in VANISHED:
                raise
            return
        connection = TConn(self.cfg, client, address, listener.getsockname())
        connection.set_timeout()
        wake = partial(self.on_pending_socket_readable, connection)
        self.poller.register(client, selectors.EVENT_READ, wake)
        self.pending_conns.append(connection)
        self.nr_conns += 1

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """It has said something, unless it was closed by an event of the same moment."""
        if conn in self.pending_conns:
            super().on_pending_socket_readable(conn, client)

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """As above, for a connection that has been served before."""
        if conn in self.keepalived_conns:
            super().on_client_socket_readable(conn, client)

    def enqueue_req(self, conn: TConn) -> None:
        """Give a request to a thread; where the system allows no further one, drop it."""
        try:
            super().enqueue_req(conn)
        except RuntimeError:
            self.log.error("no thread could be started for a request")
            self.nr_conns -= 1
            conn.close()

    def notify(self) -> None:
        """Called by the loop all the time, also while the requests under way are waited for."""
        super().notify()
        if not self.alive:
            self.app.end_sockets()

    def is_parent_alive(self) -> bool:
        """When the first process was killed this one goes at once, as if it were the same."""
        if not super().is_parent_alive():
            leave_now(1)
        return True

    def handle(self, conn: TConn):
        limit_silence(conn.sock)
        keep = super().handle(conn)
        if keep is False:
            with suppress(OSError):  # a WebSocket was closed by its own thread
                # May take seconds; not in the loop's thread.
                util.close_graceful(conn.sock, REFUSED_SECONDS, REFUSED_BYTES)
            conn.close = _is_closed
        return keep

    def _make_room(self) -> None:
        if not self._close_longest_idle():
            time.sleep(NO_FILES_PAUSE)  # the listener stays readable: do not spin

    def _close_longest_idle(self) -> bool:
        """Close the connection that has waited longest for a request; False: none waits."""
        idle = [waiting[0] for waiting in (self.pending_conns, self.keepalived_conns) if waiting]
        if not idle:
            return False
        connection = min(idle, key=lambda one: one.timeout)
        for waiting in (self.pending_conns, self.keepalived_conns):
            if waiting and waiting[0] is connection:
                waiting.popleft()
        self.poller.unregister(connection.sock)
        self.nr_conns -= 1
        connection.close()
        return True


def limit_silence(sock: socket.socket) -> None:
    """Let the system end reads and writes that get nowhere."""
    for option, seconds in (
        (socket.SO_RCVTIMEO, SILENCE_SECONDS),
        (socket.SO_SNDTIMEO, DEAF_SECONDS),
    ):
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))


def _is_closed(graceful: bool = False) -> None:
    """The connection was closed where it was used."""
