"""The way of one photo through a worker: fetched, restored, delivered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from gpen_webui.cluster.protocol import ClaimedPhoto, Failure, Finish, Reason
from gpen_webui.cluster.worker.child import NotLoadedError, RestoringChild, Task
from gpen_webui.cluster.worker.claims import Dropped, HeldClaim, HeldClaims
from gpen_webui.cluster.worker.client import UNAUTHORIZED, CoordinatorClient, RefusedError
from gpen_webui.cluster.worker.files import DamagedFileError, Models, Originals
from gpen_webui.cluster.worker.orders import Load, Order
from gpen_webui.models.folder import ModelError
from gpen_webui.states import Stage

log = logging.getLogger(__name__)

NOT_THERE, NOT_VALID, BROKEN_FILE = 404, 409, 422  # of HTTP
SENT_AT_MOST = 3  # times that a result did not arrive as it was sent


class Carrier:
    """Carries photos out. Thread-safe.

    results: the folder for restored photos until the coordinator has them. device, precision,
    workers: how a restoring process loads its networks.
    """

    def __init__(
        self,
        client: CoordinatorClient,
        held: HeldClaims,
        originals: Originals,
        models: Models,
        results: Path,
        *,
        device: str,
        precision: str,
        workers: int,
    ):
        self._device = device
        self._precision = precision
        self._workers = workers
        self._client = client
        self._held = held
        self._originals = originals
        self._models = models
        self._results = results

    def carry_out(
        self,
        claimed: ClaimedPhoto,
        child: RestoringChild,
        prepare: Callable[[Load], None] = lambda load: None,
    ) -> Finish | Failure | None:
        """Restore a photo and deliver it; None where nobody wanted it any more.

        Whatever goes wrong is told to the coordinator. prepare: called when the networks are here,
        before the photo is begun; it may raise NotLoadedError. Raises RefusedError where the
        coordinator refuses something for another reason than that the claim has ended.
        """
        held = HeldClaim(claimed)
        result = self._results / claimed.claim
        self._held.add(held)
        try:
            outcome = self._restore(held, child, prepare, result)
            held.deliver()
            return self._deliver(held, outcome, result)
        except Dropped:
            log.info("%s: nobody wants it any more", claimed.name)
        except RefusedError as error:
            if error.status != NOT_VALID:
                raise
            log.info("%s: thrown away: %s", claimed.name, error)
        finally:
            self._held.remove(held)
            result.unlink(missing_ok=True)
        return None

    def _restore(
        self,
        held: HeldClaim,
        child: RestoringChild,
        prepare: Callable[[Load], None],
        result: Path,
    ) -> Finish | Failure:
        claimed = held.claimed
        try:
            load = held.until_answered(lambda: self._load_for(claimed))
            prepare(load)
            with ExitStack() as used:
                photo = self._fetched(held, used)
                if isinstance(photo, Failure):
                    return photo
                order = Order(claimed.claim, str(photo), claimed.name, claimed.options, str(result))
                seconds, alone = claimed.max_photo_seconds, claimed.crashed_before
                held.task = Task(order, seconds, alone, held.is_dropped)
                outcome = child.restore(load, held.task)
        except (NotLoadedError, ModelError, DamagedFileError) as error:
            return Failure(Reason.MACHINE, str(error), Stage.OPEN)
        except RefusedError as error:
            if error.status != NOT_THERE:
                raise
            return Failure(Reason.MACHINE, str(error), Stage.OPEN)
        except OSError as error:
            message = f"The files cannot be kept on this machine ({error.strerror or error})."
            return Failure(Reason.MACHINE, message, Stage.OPEN)
        if outcome is None:
            raise Dropped
        return outcome

    def _load_for(self, claimed: ClaimedPhoto) -> Load:
        """The networks that a photo needs, fetched where they are not here."""
        small = claimed.small_model
        return Load(
            str(self._models.get(claimed.model)),
            str(self._models.get(small)) if small else None,
            str(self._models.folder_with(claimed.further_models)),
            self._device,
            self._precision,
            self._workers,
        )

    def _fetched(self, held: HeldClaim, used: ExitStack) -> Path | Failure:
        """The photo's file; a failure where the coordinator has it no more.

        Raises DamagedFileError.
        """
        claimed = held.claimed
        for tries_left in reversed(range(SENT_AT_MOST)):
            try:
                return held.until_answered(
                    lambda: used.enter_context(self._originals.use(claimed.claim, claimed.original))
                )
            except DamagedFileError:
                if not tries_left:
                    raise
            except RefusedError as error:
                if error.status in (UNAUTHORIZED, NOT_VALID):
                    raise
                return Failure(Reason.PHOTO, str(error), Stage.OPEN)
        raise AssertionError("unreachable")

    def _deliver(
        self, held: HeldClaim, outcome: Finish | Failure, result: Path
    ) -> Finish | Failure:
        if isinstance(outcome, Failure):
            return self._tell_failure(held, outcome)
        claim = held.claimed.claim
        for _ in range(SENT_AT_MOST):
            if outcome.sha256 and not self._send(held, result, outcome.sha256):
                continue
            if not held.until_answered(lambda: self._client.finish(claim, outcome)).send:
                return outcome
        message = f"The result of {held.claimed.name} did not arrive as it was sent."
        return self._tell_failure(held, Failure(Reason.MACHINE, message, Stage.SAVE))

    def _send(self, held: HeldClaim, result: Path, sha256: str) -> bool:
        """Whether the result arrived as it is."""
        claim = held.claimed.claim
        try:
            held.until_answered(lambda: self._client.send_result(claim, result, sha256))
        except RefusedError as error:
            if error.status != BROKEN_FILE:
                raise
            return False
        return True

    def _tell_failure(self, held: HeldClaim, failure: Failure) -> Failure:
        log.warning("%s: %s: %s", held.claimed.name, failure.reason, failure.message)
        held.until_answered(lambda: self._client.fail(held.claimed.claim, failure))
        return failure
