"""Tickets from the broker: each wakes a slot, and says nothing else.

What a ticket holds is not even read. One is taken only while a slot has nothing to do and the
coordinator answers, so it stays for others where this worker could do nothing with it. It is taken
at once and for good (no acknowledgement): one that is lost costs a moment, no photo.

Celery's own worker would take tickets for its pool's threads, which do not know what the slots are
at, and has rules for tasks that run long, fail or are repeated: a ticket is none of these.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gpen_webui.cluster.worker.pauses import growing_pauses
from gpen_webui.cluster.worker.status import WorkerStatus
from gpen_webui.cluster.worker.wakeups import Wakeups
from gpen_webui.settings import is_redis

if TYPE_CHECKING:
    from gpen_webui.cluster.messaging import Connection

log = logging.getLogger(__name__)

LISTEN_SECONDS = 1.0  # before it looks whether a ticket is still of use
CONNECT_SECONDS = 5.0


class TicketListener:
    """Listens in a thread of its own until close().

    Why no tickets come, where none do, stands in the worker's status. say: shows the user a line.
    """

    def __init__(
        self,
        broker: str,
        queue: str,
        status: WorkerStatus,
        wakeups: Wakeups,
        say: Callable[[str], None],
    ):
        self._broker = broker
        self._queue = queue
        self._status = status
        self._wakeups = wakeups
        self._say = say
        self._closing = Event()
        self._thread = Thread(target=self._serve, name="tickets", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._closing.set()
        self._thread.join(2 * LISTEN_SECONDS)

    def check(self) -> str:
        """Connect once; what is wrong, one sentence, or nothing."""
        try:
            with _connection(self._broker) as connection:
                connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
                self._declare(connection)
        except Exception as error:  # as in _serve
            return _in_words(self._broker, error)
        return ""

    def _serve(self) -> None:
        pauses = growing_pauses()
        while not self._closing.is_set():
            try:
                with _connection(self._broker) as connection:
                    connection.connect()
                    pauses = growing_pauses()
                    self._listen(connection)
            except Exception as error:  # of Redis, of the network, of a library: no reason to end
                self._no_tickets(_in_words(self._broker, error))
                self._closing.wait(next(pauses))

    def _no_tickets(self, why: str) -> None:
        if not self._status.no_tickets:
            log.warning("%s", why)
            self._say(why)
        self._status.no_tickets = why

    def _listen(self, connection: Connection) -> None:
        from gpen_webui.cluster.messaging import Consumer, NothingToRestore, UnreadMessage

        with connection.channel() as channel:
            channel.Message, channel.QoS = UnreadMessage, NothingToRestore
            consumer = Consumer(
                channel,
                [self._declare(connection)],
                on_message=lambda message: self._wakeups.wake(),
                no_ack=True,
            )
            consumer.consume()
            while not self._closing.is_set():
                if not self._wakeups.wait_for_idle(LISTEN_SECONDS):
                    continue
                if not self._status.is_of_use:
                    self._closing.wait(LISTEN_SECONDS)
                    continue
                self._status.no_tickets = ""
                with suppress(socket.timeout):
                    connection.drain_events(timeout=LISTEN_SECONDS)

    def _declare(self, connection: Connection):
        from gpen_webui.cluster.messaging import Queue

        queue = Queue(self._queue)
        queue(connection.default_channel).declare()
        return queue


def _connection(broker: str) -> Connection:
    from gpen_webui.cluster.messaging import Connection

    if not is_redis(broker):  # Kombu knows others too, of which some write files
        raise ValueError("it is no Redis")
    return Connection(
        broker,
        connect_timeout=CONNECT_SECONDS,
        transport_options={
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_keepalive": True,
        },
    )


def _in_words(broker: str, error: Exception) -> str:
    host = urlsplit(broker).hostname or broker
    cause = str(error).partition(". ")[0][:200]
    return (
        f"No tickets come from Redis at {host} ({type(error).__name__}: {cause}); let this machine "
        "reach it, as docs/cluster.md says. Photos come all the same, only a few seconds later."
    )
