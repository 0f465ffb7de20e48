"""A worker: joins a coordinator, proves that it can work, restores photos until it is told to stop.

It has a few slots, each with one photo at a time. A slot claims photos when a ticket wakes it, and
one does so every few seconds without any. Photos are restored in processes of their own (child.py);
a thread of its own tells the coordinator every two seconds that all of this lives.

Nothing that a photo, the broker or the network does ends a worker; a coordinator that does not
want it (any more) does, and then one sentence says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

from gpen_webui.cluster.protocol import ASK_SECONDS, PROTOCOL, JoinAnswer, JoinRequest
from gpen_webui.cluster.version import program_version
from gpen_webui.cluster.worker.carrier import Carrier
from gpen_webui.cluster.worker.child import COMMAND, RestoringChild
from gpen_webui.cluster.worker.claims import HeldClaims
from gpen_webui.cluster.worker.client import AwayError, CoordinatorClient, RefusedError
from gpen_webui.cluster.worker.files import Models, Originals
from gpen_webui.cluster.worker.heartbeat import Heartbeat
from gpen_webui.cluster.worker.machine import default_slots, environments, resolved_device
from gpen_webui.cluster.worker.memory import memory_limit
from gpen_webui.cluster.worker.pauses import growing_pauses
from gpen_webui.cluster.worker.prover import Prover
from gpen_webui.cluster.worker.slots import Slots
from gpen_webui.cluster.worker.status import WorkerStatus
from gpen_webui.cluster.worker.ticket_listener import TicketListener
from gpen_webui.cluster.worker.wakeups import Wakeups
from gpen_webui.cluster.worker.work_folder import WorkFolder
from gpen_webui.errors import UserError
from gpen_webui.settings import Settings

Value = TypeVar("Value")

LEAVE_TRIES = 3
TEST_TRIES = 5  # within some seconds


class Leaving(Exception):  # noqa: N818 - not an error
    """The worker is to end before it has begun."""


@dataclass(frozen=True)
class WorkerOptions:
    """name: what the coordinator shall call it. slots: photos at a time; 0: as many as suit the
    machine. ask_seconds: between its own questions for photos. memory: bytes for each restoring
    process; None: a share of the machine's. command: how such a process is started."""

    address: str
    key: str
    name: str
    slots: int = 0
    ask_seconds: float = ASK_SECONDS
    memory: int | None = None
    command: Sequence[str] = COMMAND


class Worker:
    """One worker. say: shows the user a line. Raises UserError where the address is none."""

    def __init__(
        self,
        options: WorkerOptions,
        settings: Settings,
        folder: WorkFolder,
        say: Callable[[str], None],
    ):
        device = resolved_device(settings.device)
        processes = environments(device)
        slots = options.slots or default_slots(len(processes))
        processes = processes[:slots]
        memory = options.memory or memory_limit(len(processes))
        self._options = options
        self._say = say
        self._client = CoordinatorClient(options.address)
        self._status = WorkerStatus(slots)
        self._given_up = Event()
        self._held = HeldClaims()
        self._wakeups = Wakeups()
        self._children = [RestoringChild(each, memory, options.command) for each in processes]
        self._join_request = JoinRequest(
            key=options.key,
            name=options.name,
            machine=folder.machine(),
            version=program_version(),
            protocol=PROTOCOL,
            kind="",
            slots=slots,
            device=device,
            engine="",
            precision=settings.precision,
        )
        carrier = Carrier(
            self._client,
            self._held,
            Originals(folder.originals, self._client),
            Models(folder.models, folder.further, settings.models, self._client, say),
            folder.results,
            device=settings.device,
            precision=settings.precision,
            workers=-(-slots // len(processes)),
        )
        self._heartbeat = Heartbeat(
            self._client, self._held, self._status, self._wakeups, say, self._end
        )
        self._prover = Prover(
            self._client, carrier, self._children, self._status, self._heartbeat, say
        )
        self._slots = Slots(
            self._client,
            carrier,
            self._prover,
            self._children,
            self._status,
            self._wakeups,
            precision=settings.precision,
            ask_seconds=options.ask_seconds,
            end=self._end,
        )

    def run(self) -> int:
        """Work until stop(); how many photos were restored.

        Raises UserError where the coordinator does not want this worker (any more), or where it
        cannot restore even the probe photo.
        """
        tickets = None
        try:
            joined = self._begin()
            self._slots.start()
            if joined.broker:
                tickets = self._listener(joined)
                tickets.start()
            self._say("Ready. Ctrl-C finishes what is in progress and leaves; twice gives it back.")
            self._status.leaving.wait()
            self._wakeups.close()
            self._slots.join()
        except Leaving:
            pass
        finally:
            if tickets:
                tickets.close()
            self._leave()
        if self._status.ended_by:
            raise self._status.ended_by
        return self._status.restored

    def test(self) -> None:
        """Join, restore the probe photo, ask for another, look for tickets, leave.

        Raises UserError; AwayError where the coordinator does not answer, which is not waited for.
        """
        try:
            joined = self._begin(TEST_TRIES)
            self._until_answered(self._slots.ask_once, TEST_TRIES)
            if joined.broker:
                self._say(self._listener(joined).check() or "Tickets come from Redis.")
        except Leaving:
            pass
        finally:
            self._leave()

    @property
    def in_progress(self) -> int:
        """How many photos it has in its hands."""
        return len(self._held)

    def stop(self) -> None:
        """Finish what is in progress, then leave."""
        self._status.leaving.set()

    def give_up(self) -> None:
        """Give back what is in progress, and leave."""
        self._given_up.set()
        self.stop()
        self._held.drop_all()
        for child in self._children:
            child.close()

    def _end(self, error: UserError) -> None:
        self._status.ended_by = error
        self.give_up()

    def _begin(self, tries: int | None = None) -> JoinAnswer:
        joined = self._until_answered(lambda: self._client.join(self._join_request), tries)
        slots = self._status.slots
        what = "1 photo" if slots == 1 else f"{slots} photos"
        self._say(f"Joined {self._client.address} as {joined.name}, {what} at a time.")
        self._heartbeat.start(joined.beat_seconds)
        self._until_answered(self._prover.prove, tries)
        return joined

    def _until_answered(self, call: Callable[[], Value], tries: int | None = None) -> Value:
        """`call()`, again and again while the coordinator is away. Raises Leaving.

        tries: then AwayError is raised; None: never.
        """
        said = ""
        for number, pause in enumerate(growing_pauses(), 1):
            if self._status.leaving.is_set():
                break
            try:
                return call()
            except AwayError as error:
                if number == tries:
                    raise
                if tries is None and str(error) != said and not self._status.is_away:
                    self._say(f"{error} It is tried again until it answers.")
                said = str(error)
                self._status.leaving.wait(pause)
        raise Leaving

    def _listener(self, joined: JoinAnswer) -> TicketListener:
        assert joined.broker
        return TicketListener(joined.broker, joined.queue, self._status, self._wakeups, self._say)

    def _leave(self) -> None:
        self.stop()
        self._heartbeat.close()
        for child in self._children:
            child.close()
        if not self._client.token:
            return
        for _, pause in zip(range(LEAVE_TRIES), growing_pauses(), strict=False):
            with suppress(RefusedError):
                try:
                    self._client.leave()
                except AwayError:
                    self._given_up.wait(pause)
                    continue
            return
