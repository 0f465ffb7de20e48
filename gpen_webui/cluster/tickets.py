"""Tickets: messages that wake workers, and say nothing else.

A ticket holds no photo, no name and no path: whoever takes it asks the coordinator. So it does not
matter to any photo whether one is lost, doubled or forged, or whether the broker is away: the
workers ask by themselves too, only later.

As many tickets are kept in each queue as its workers could use now: the photos that wait, or the
slots that are free, whichever is less.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gpen_webui.errors import UserError

if TYPE_CHECKING:
    from gpen_webui.cluster.messaging import Celery, Connection

log = logging.getLogger(__name__)

TICKET = "restore.wake"
LOOK_SECONDS = 2.0  # at the latest, the queues are looked after
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # after a failure
BROKER_SECONDS = 5.0  # for an answer of the broker


class MissingCeleryError(UserError):
    """The libraries for tickets are not installed."""


def celery_app(broker: str) -> Celery:
    """What tickets are sent with. Raises MissingCeleryError."""
    try:
        from gpen_webui.cluster.messaging import Celery
    except ImportError as error:
        raise MissingCeleryError(
            "Tickets need the libraries of the extra “cluster”; install that, or start with "
            "--cluster none."
        ) from error
    app = Celery("gpen_webui", broker=broker, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        broker_connection_timeout=BROKER_SECONDS,
        broker_transport_options={
            "socket_connect_timeout": BROKER_SECONDS,
            "socket_timeout": BROKER_SECONDS,
        },
        task_acks_late=False,
        task_ignore_result=True,
        task_serializer="json",
        worker_prefetch_multiplier=1,
    )
    return app


class TicketOffice:
    """Keeps the queues filled, in a thread of its own.

    wanted: how many tickets each queue should hold now. wait_for_change: waits until that may have
    changed, at most so many seconds. trouble: why no tickets can be sent, one sentence, or empty.
    """

    def __init__(
        self,
        broker: str,
        wanted: Callable[[], Mapping[str, int]],
        wait_for_change: Callable[[float], None],
    ):
        self.trouble = ""
        self._app = celery_app(broker)
        self._host = urlsplit(broker).hostname or broker
        self._wanted = wanted
        self._wait_for_change = wait_for_change
        self._closing = Event()
        self._thread = Thread(target=self._serve, name="tickets", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more, once the next change comes."""
        self._closing.set()

    def join(self) -> None:
        """Wait for that."""
        self._thread.join(BROKER_SECONDS)

    def _serve(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            try:
                with self._app.connection_for_write() as connection:
                    connection.connect()
                    pause = FIRST_PAUSE
                    self._keep_filled(connection)
            except Exception as error:  # of Redis, of the network, of a library
                if not self.trouble:
                    log.warning("no tickets can be sent", exc_info=error)
                self.trouble = (
                    f"Redis at {self._host} is away ({type(error).__name__}); the workers ask by "
                    "themselves meanwhile, so photos begin some seconds later."
                )
                self._closing.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _keep_filled(self, connection: Connection) -> None:
        while not self._closing.is_set():
            for queue, wanted in self._wanted().items():
                there = connection.default_channel.queue_declare(queue).message_count
                for _ in range(wanted - there):
                    self._send(connection, queue)
            if self.trouble:
                log.info("tickets are sent again")
                self.trouble = ""
            self._wait_for_change(LOOK_SECONDS)

    def _send(self, connection: Connection, queue: str) -> None:
        self._app.send_task(TICKET, queue=queue, connection=connection, retry=False)
