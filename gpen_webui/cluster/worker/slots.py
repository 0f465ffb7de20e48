"""The slots of a worker: each claims a photo, carries it out, and claims the next."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from threading import Thread

from gpen_webui.cluster.protocol import ClaimedPhoto, ClaimRequest, Finish
from gpen_webui.cluster.version import program_version
from gpen_webui.cluster.worker.carrier import Carrier
from gpen_webui.cluster.worker.child import RestoringChild
from gpen_webui.cluster.worker.client import (
    UNAUTHORIZED,
    AwayError,
    CoordinatorClient,
    RefusedError,
)
from gpen_webui.cluster.worker.pauses import about
from gpen_webui.cluster.worker.prover import Prover
from gpen_webui.cluster.worker.status import WorkerStatus
from gpen_webui.cluster.worker.wakeups import Wakeups
from gpen_webui.errors import UserError

log = logging.getLogger(__name__)

PROOF_FIRST = ("probe_first", "set_aside")  # codes of refused claims
HOPELESS = ("version", "precision")
TOO_LATE = "claim_gone"  # the photo of this request was given to another meanwhile
BROKEN_SECONDS = 1.0  # before a slot goes on after what nobody has thought of


class Slots:
    """Threads, each with one photo at a time. end: called where the coordinator does not want this
    worker any more. ask_seconds: between two questions for a photo that nobody has called for."""

    def __init__(
        self,
        client: CoordinatorClient,
        carrier: Carrier,
        prover: Prover,
        children: Sequence[RestoringChild],
        status: WorkerStatus,
        wakeups: Wakeups,
        *,
        precision: str,
        ask_seconds: float,
        end: Callable[[UserError], None],
    ):
        self._client = client
        self._carrier = carrier
        self._prover = prover
        self._children = children
        self._status = status
        self._wakeups = wakeups
        self._precision = precision
        self._ask_seconds = ask_seconds
        self._end = end
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Begin to work."""
        for number in range(self._status.slots):
            child = self._children[number % len(self._children)]
            slot = Thread(target=self._serve, args=(child,), name=f"slot-{number + 1}", daemon=True)
            slot.start()
            self._threads.append(slot)
        Thread(target=self._ask_now_and_then, name="ask", daemon=True).start()

    def join(self) -> None:
        """Wait until what is in progress is delivered; the worker must be leaving."""
        for thread in self._threads:
            thread.join()

    def ask_once(self) -> None:
        """Ask for a photo; what is given waits again once the worker has left.

        Raises RefusedError where this worker is given none, AwayError.
        """
        self._claim(uuid.uuid4().hex)

    def _ask_now_and_then(self) -> None:
        self._wakeups.wake()
        while not self._status.leaving.wait(about(self._ask_seconds)):
            self._wakeups.wake()

    def _serve(self, child: RestoringChild) -> None:
        request = ""
        while self._wakeups.wait():
            while not self._status.leaving.is_set():
                request = request or uuid.uuid4().hex
                try:
                    claimed = self._claim(request)
                    request = ""  # it was answered: the next is another
                    if claimed is None:
                        break
                    self._wakeups.wake()  # there may be more
                    if isinstance(self._carrier.carry_out(claimed, child), Finish):
                        self._status.restored += 1
                except AwayError:  # the heartbeat tells when it is back
                    break
                except RefusedError as error:
                    request = ""
                    if not self._may_go_on_after(error):
                        break
                except Exception:  # a slot that ends would never come back
                    log.exception("a slot could not go on")
                    self._status.leaving.wait(BROKEN_SECONDS)

    def _claim(self, request: str) -> ClaimedPhoto | None:
        if self._status.needs_proof and not self._prover.prove_in_turn():
            return None
        if not self._status.may_claim:
            return None
        return self._client.claim(
            ClaimRequest(request, program_version(), self._status.kind, self._precision)
        )

    def _may_go_on_after(self, error: RefusedError) -> bool:
        if error.status == UNAUTHORIZED or error.code in HOPELESS:
            self._end(error)
            return False
        if error.code in PROOF_FIRST:
            self._status.needs_proof = True
            return True
        log.info("no photo: %s", error)
        return error.code == TOO_LATE
