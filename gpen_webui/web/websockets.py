"""The open WebSockets: how many there may be, and how each comes to its end.

A socket holds two threads. Its handler's ends when its client has gone, reads too slowly or
not at all, or when the server stops; nobody else waits for any of that.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock

from simple_websocket import ConnectionClosed, Server

from gpen_webui.web.errors import TooBusyError

log = logging.getLogger(__name__)

MAX_WEB_SOCKETS = 128
PING_SECONDS = 15  # a client that has not answered one ping by the next is cut off
SEND_SECONDS = 10.0  # for a client that does not read
GOODBYE_SECONDS = 2.0  # for the answer to our closing
MAX_MESSAGE_BYTES = 1024  # clients have nothing to say
GOING_AWAY, FAILED = 1001, 1011

OPTIONS = {"ping_interval": PING_SECONDS, "max_message_size": MAX_MESSAGE_BYTES}


class WebSocketRegistry:
    """Counts the sockets, and ends them all when the server stops."""

    def __init__(self, most: int = MAX_WEB_SOCKETS):
        self._most = most
        self._lock = Lock()
        self._admitted = 0
        self._open: set[Server] = set()
        self.stopping = False

    @property
    def count(self) -> int:
        """How many there are."""
        return self._admitted

    def admit(self) -> None:
        """Take a place, before the handshake. Raises TooBusyError; leave() gives it back."""
        with self._lock:
            if self._admitted >= self._most:
                raise TooBusyError(
                    "Too many windows watch this server; close some, or ask for the events at "
                    "/api/jobs/ID/events."
                )
            self._admitted += 1

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            self._admitted -= 1

    @contextmanager
    def serving(self, ws: Server) -> Iterator[None]:
        """Around all that is sent on a socket; afterwards the connection is closed.

        Raises ConnectionClosed where the client has gone since the handshake.
        """
        try:
            ws.sock = SteadySocket(ws.sock)
        except OSError as error:
            raise ConnectionClosed(ws.close_reason, ws.close_message) from error
        self._open.add(ws)
        try:
            yield
            _close(ws)
        except (ConnectionClosed, OSError):
            pass  # the client has gone
        except Exception:
            log.exception("a WebSocket was cut off")
            _close(ws, FAILED)
        finally:
            self._open.discard(ws)
            ws.connected = False
            with suppress(OSError):
                ws.sock.shutdown(socket.SHUT_RDWR)

    def check(self, ws: Server) -> None:
        """Between events: raise ConnectionClosed where the socket should end."""
        ws.input_buffer.clear()
        if self.stopping:
            _close(ws, GOING_AWAY)
        if not ws.connected:
            raise ConnectionClosed(ws.close_reason, ws.close_message)

    def close_all(self) -> None:
        """The server stops: end every socket."""
        self.stopping = True
        for ws in list(self._open):
            _close(ws, GOING_AWAY, wait=False)


class SteadySocket:
    """A socket that sends each message whole, or is cut off after SEND_SECONDS.

    `socket.send` may send a part only, and two threads send here: the handler, and the
    library's own, which answers pings.
    """

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self._sending = Lock()
        sock.settimeout(SEND_SECONDS)

    def send(self, data: bytes) -> int:
        """All of the data. Raises OSError."""
        with self._sending:
            try:
                self._sock.sendall(data)
            except OSError:
                with suppress(OSError):
                    self.shutdown(socket.SHUT_RDWR)  # after half a message nothing makes sense
                raise
        return len(data)

    def recv(self, most: int) -> bytes:
        return self._sock.recv(most)

    def fileno(self) -> int:
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)  # whoever waits for data is woken

    def close(self) -> None:
        self._sock.close()


def _close(ws: Server, code: int = 1000, wait: bool = True) -> None:
    """Say goodbye, and give the client a moment to read all that was sent and to answer."""
    with suppress(ConnectionClosed, OSError):
        ws.close(code)
    if wait:
        ws.thread.join(GOODBYE_SECONDS)
