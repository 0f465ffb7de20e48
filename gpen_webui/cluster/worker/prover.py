"""A worker shows that it can work: it restores the probe photo, the whole way round."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from threading import Lock

from gpen_webui.cluster.protocol import Failure
from gpen_webui.cluster.worker.carrier import Carrier
from gpen_webui.cluster.worker.child import RestoringChild
from gpen_webui.cluster.worker.client import (
    UNAUTHORIZED,
    AwayError,
    CoordinatorClient,
    RefusedError,
)
from gpen_webui.cluster.worker.heartbeat import Heartbeat
from gpen_webui.cluster.worker.orders import Load
from gpen_webui.cluster.worker.pauses import about
from gpen_webui.cluster.worker.status import WorkerStatus
from gpen_webui.errors import UserError

AGAIN_SECONDS = 60.0  # between a proof that has failed and the next


class Prover:
    """Restores the probe photo where that is asked for. Thread-safe. say: shows the user a line."""

    def __init__(
        self,
        client: CoordinatorClient,
        carrier: Carrier,
        children: Sequence[RestoringChild],
        status: WorkerStatus,
        heartbeat: Heartbeat,
        say: Callable[[str], None],
    ):
        self._client = client
        self._carrier = carrier
        self._children = children
        self._status = status
        self._heartbeat = heartbeat
        self._say = say
        self._proving = Lock()
        self._next = 0.0

    def prove(self) -> None:
        """Raises UserError where this machine cannot do it, AwayError where that must wait."""
        started = time.monotonic()
        outcome = self._carrier.carry_out(self._client.probe(), self._children[0], self._prepare)
        if outcome is None:
            raise AwayError("The coordinator took the probe photo back.")
        if isinstance(outcome, Failure):
            raise UserError(f"The probe photo could not be restored: {outcome.message}")
        self._status.proofs += 1
        self._status.needs_proof, self._status.trouble = False, ""
        self._say(f"The probe photo came back whole, in {time.monotonic() - started:.1f} s.")

    def prove_in_turn(self) -> bool:
        """The same while the worker is at work; whether it may claim now.

        What has failed is tried again after a while. Raises UserError only where the coordinator
        does not want this worker.
        """
        if not self._proving.acquire(blocking=False):  # another slot is at it
            return False
        try:
            if self._status.needs_proof and time.monotonic() >= self._next:
                self._try()
        finally:
            self._proving.release()
        return not self._status.needs_proof

    def _try(self) -> None:
        try:
            self.prove()
        except AwayError:
            pass
        except UserError as error:
            if isinstance(error, RefusedError) and error.status == UNAUTHORIZED:
                raise
            self._next = time.monotonic() + about(AGAIN_SECONDS)
            if str(error) != self._status.trouble:
                self._say(f"{error} It is tried again every minute.")
            self._status.trouble = str(error)

    def _prepare(self, load: Load) -> None:
        """Have the networks ready in all processes, and tell the coordinator what they run on."""
        for child in self._children:
            child.load(load)
        engine = self._children[0].engine
        if engine != self._status.engine:
            self._say(engine)
        self._status.engine, self._status.kind = engine, self._kind()
        self._heartbeat.beat()

    def _kind(self) -> str:
        """One for all processes; where their GPUs differ, it is a kind of its own."""
        kinds = sorted({child.kind for child in self._children})
        if len(kinds) == 1:
            return kinds[0]
        return hashlib.sha256(" ".join(kinds).encode()).hexdigest()[: len(kinds[0])]
