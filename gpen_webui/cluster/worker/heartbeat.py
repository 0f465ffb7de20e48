"""Tells the coordinator, again and again, that this worker lives and what it has in its hands."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread

from gpen_webui.cluster.protocol import Beat, BeatAnswer
from gpen_webui.cluster.worker.claims import HeldClaims
from gpen_webui.cluster.worker.client import (
    UNAUTHORIZED,
    AwayError,
    CoordinatorClient,
    RefusedError,
)
from gpen_webui.cluster.worker.status import WorkerStatus
from gpen_webui.cluster.worker.wakeups import Wakeups
from gpen_webui.errors import UserError

log = logging.getLogger(__name__)


class Heartbeat:
    """Beats in a thread of its own, from start() to close().

    say: shows the user a line. end: called where the coordinator does not know this worker any
    more.
    """

    def __init__(
        self,
        client: CoordinatorClient,
        held: HeldClaims,
        status: WorkerStatus,
        wakeups: Wakeups,
        say: Callable[[str], None],
        end: Callable[[UserError], None],
    ):
        self._client = client
        self._held = held
        self._status = status
        self._wakeups = wakeups
        self._say = say
        self._end = end
        self._closing = Event()
        self._thread: Thread | None = None

    def start(self, seconds: float) -> None:
        """Beat every so many seconds."""
        self._thread = Thread(target=self._serve, args=(seconds,), name="heartbeat", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Beat no more."""
        self._closing.set()
        if self._thread:
            self._thread.join()

    def beat(self) -> None:
        """Once, now. Raises AwayError, RefusedError."""
        status, proofs = self._status, self._status.proofs
        claims = self._held.progress()
        trouble = status.trouble or status.no_tickets
        beat = Beat(status.slots, claims, status.kind, status.engine, trouble)
        self._follow(self._client.beat(beat), proofs)

    def _serve(self, seconds: float) -> None:
        while not self._closing.wait(seconds):
            try:
                self.beat()
                self._answers_again()
            except AwayError as error:
                self._is_away(error)
            except RefusedError as error:
                if error.status == UNAUTHORIZED:
                    self._end(error)
                    return
                log.error("a beat was refused: %s", error)
            except Exception:  # a thread that ends would let every lease run out
                log.exception("a beat could not be made")

    def _follow(self, answer: BeatAnswer, proofs: int) -> None:
        """proofs: how many there were when it was asked."""
        status = self._status
        self._held.drop(answer.drop)
        if answer.drain != status.is_drained:
            status.is_drained = answer.drain
            self._say(
                "The coordinator lets this machine rest: what is in progress is finished."
                if answer.drain
                else "The coordinator wants this machine to go on."
            )
            self._wakeups.wake()
        if answer.reload and proofs == status.proofs:
            status.needs_proof = True
            self._wakeups.wake()
        for _ in range(answer.wake):
            self._wakeups.wake()

    def _is_away(self, error: AwayError) -> None:
        if not self._status.is_away:
            self._status.is_away = True
            self._say(f"{error} What is restored is kept until it answers.")

    def _answers_again(self) -> None:
        if self._status.is_away:
            self._status.is_away = False
            self._say("The coordinator answers again.")
            self._wakeups.wake()
