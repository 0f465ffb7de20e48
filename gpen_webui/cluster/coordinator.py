"""The coordinator: answers what workers ask, in the words of protocol.py. It knows no flask."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from gpen_webui.cluster.checks import checked_stage, complete_report, one_line, small_pictures
from gpen_webui.cluster.errors import (
    DamagedUploadError,
    DrainedError,
    JoinRefusedError,
    OtherPrecisionError,
    OtherVersionError,
    ProbeFirstError,
    SetAsideError,
)
from gpen_webui.cluster.messages import MessageError, from_json
from gpen_webui.cluster.models import CurrentModels, model_file
from gpen_webui.cluster.probe import NAME, OPTIONS, Probe, check_probe, probe_file
from gpen_webui.cluster.protocol import (
    PROTOCOL,
    SHA256,
    Beat,
    BeatAnswer,
    ClaimedPhoto,
    ClaimRequest,
    Failure,
    Finish,
    FinishAnswer,
    JoinAnswer,
    JoinRequest,
    OriginalFile,
    Reason,
)
from gpen_webui.cluster.tickets import TicketOffice
from gpen_webui.cluster.version import program_version
from gpen_webui.errors import UserError
from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.runner.other_machines import Member, OtherMachines
from gpen_webui.jobs.runner.remote_claims import ClaimGoneError, RemoteClaim
from gpen_webui.jobs.service import JobService
from gpen_webui.jobs.store.machines import Machine
from gpen_webui.jobs.store.workers import WorkerState
from gpen_webui.pipeline import ItemReport
from gpen_webui.settings import NO_BROKER, Settings
from gpen_webui.states import Stage

log = logging.getLogger(__name__)

BEATS_PER_LEASE = 10
LOOPBACK = ("localhost", "127.0.0.1", "::1")
QUEUE = "restore"  # of machines without a GPU; the others have their own
LONGEST_MESSAGE, LONGEST_ENGINE, LONGEST_KIND = 1000, 200, 80  # characters
MOST_SLOTS = 256  # of one machine


class Coordinator:
    """Thread-safe. chosen: tells the model that is to be used (see CurrentModels). tickets: None
    where there is no broker."""

    def __init__(self, settings: Settings, service: JobService, chosen: Callable[[], str | None]):
        assert service.others, "other machines may help only where the settings say so"
        self.machines: OtherMachines = service.others
        self.models = CurrentModels(chosen, settings.models)
        self._settings = settings
        self._service = service
        self._received = self.machines.claims.received
        self._probes: dict[str, Probe] = {}  # by worker
        self._seen = 0  # changes, that the tickets know of
        self.tickets: TicketOffice | None = None
        if settings.cluster and settings.cluster != NO_BROKER:
            self.tickets = TicketOffice(settings.cluster, self._tickets, self._wait_for_change)

    def close(self) -> None:
        """Wake nobody any more."""
        if self.tickets:
            self.tickets.stop()
            self.machines.notify()
            self.tickets.join()

    # Tickets

    def _tickets(self) -> dict[str, int]:
        """How many are of use now, by queue."""
        self._seen = self.machines.changes
        try:
            waiting = self._service.runner.waiting()
        except StoreError:  # whoever claims says so
            return {}
        free: Counter[str] = Counter()
        for member in self.machines.all():
            free[member.row.about.get("queue", QUEUE)] += self.free_slots(member)
        return {queue: min(waiting, slots) for queue, slots in free.items()}

    def _wait_for_change(self, patience: float) -> None:
        self.machines.wait_for_change(self._seen, patience)

    # Joining

    def join(self, request: JoinRequest, asked_host: str) -> JoinAnswer:
        """Let a machine in. asked_host: by which name it knows this one.

        Raises JoinRefusedError, ClaimRefusedError, WrongKeyError, StoreError.
        """
        if request.protocol != PROTOCOL:
            raise JoinRefusedError(_other_version(request.version))
        self._check_alike(request.version, request.precision)
        about: dict[str, Any] = {
            "version": request.version,
            "slots": max(1, min(request.slots, MOST_SLOTS)),
            "device": one_line(request.device, 40),
            "engine": one_line(request.engine, LONGEST_ENGINE),
            "precision": request.precision,
            "queue": queue_for(request.device),
        }
        member, token = self.machines.join(
            request.key,
            request.machine[:80],
            request.name,
            one_line(request.kind, LONGEST_KIND),
            about,
        )
        member.engine = about["engine"]
        lease = float(self._settings.lease_seconds)
        return JoinAnswer(
            worker=member.row.id,
            name=member.row.name,
            token=token,
            beat_seconds=lease / BEATS_PER_LEASE,
            lease_seconds=lease,
            broker=broker_for_workers(self._settings.cluster, asked_host),
            queue=about["queue"],
        )

    def member_of(self, token: str) -> Member:
        """Raises NotJoinedError."""
        return self.machines.member_of(token)

    def beat(self, member: Member, beat: Beat) -> BeatAnswer:
        """A worker lives."""
        member.slots = max(0, min(beat.slots, MOST_SLOTS))
        member.engine = one_line(beat.engine, LONGEST_ENGINE)
        member.trouble = one_line(beat.trouble, LONGEST_MESSAGE)
        drop = self.machines.claims.renew(
            member.row.id,
            [
                (each.claim, checked_stage(each.stage), each.percent)
                for each in beat.claims
                if not self._is_probe(member, each.claim)
            ],
        )
        row = member.row
        return BeatAnswer(
            drop=drop,
            drain=row.drained,
            reload=row.state != WorkerState.READY,
            wake=self._wake(member),
        )

    def leave(self, member: Member) -> None:
        """A worker stops."""
        self.machines.leave(member)

    def free_slots(self, member: Member) -> int:
        """How many photos a worker could begin now."""
        if not self.machines.is_available(member):
            return 0
        return max(0, member.slots - len(self.machines.claims.of(member.row.id)))

    def _wake(self, member: Member) -> int:
        free = self.free_slots(member)
        return min(free, self._service.runner.waiting()) if free else 0

    # Photos

    def claim(self, member: Member, request: ClaimRequest) -> ClaimedPhoto | None:
        """The next photo for a worker; None where there is none.

        Raises ClaimRefusedError; ClaimGoneError where the next one cannot be restored anywhere.
        """
        self._check(member, request)
        models = self.models()
        machine = self._machine(member)
        claim = self.machines.claims.claim(machine, request.request)
        if claim is None:
            return None
        held = claim.task.claim
        claim.task.begin(models.model)
        small = models.small
        try:
            further = self.models.further(held.options)
        except UserError as error:  # as where this machine restores it
            self.machines.claims.fail_photo(claim, models.model, Stage.OPEN, str(error))
            raise ClaimGoneError from error
        return ClaimedPhoto(
            claim=claim.id,
            job=held.job_id,
            item=held.n,
            attempt=held.attempt,
            name=held.name,
            options=held.options.as_dict(),
            crashed_before=held.crashed_before,
            model=model_file(models.model),
            small_model=model_file(small) if small else None,
            original=OriginalFile(held.sha256, held.size, PurePosixPath(held.name).name),
            max_photo_seconds=self._settings.max_photo_seconds,
            further_models=further,
        )

    def _check_alike(self, version: str, precision: str) -> None:
        """Raises OtherVersionError, OtherPrecisionError."""
        if version != program_version():
            raise OtherVersionError(_other_version(version))
        if precision != self._settings.precision:
            raise OtherPrecisionError(
                f"This coordinator computes with --precision {self._settings.precision}, this "
                f"worker with {precision[:40]}; start it with the same."
            )

    def _check(self, member: Member, request: ClaimRequest) -> None:
        row = member.row
        self._check_alike(request.version, request.precision)  # it may have joined an earlier one
        if row.drained:
            raise DrainedError("This machine is drained: it gets no photos until it is resumed.")
        if row.state == WorkerState.SET_ASIDE:
            raise SetAsideError(f"This machine was set aside: {row.reason}")
        if row.state != WorkerState.READY:
            raise ProbeFirstError("Restore the probe photo first.")
        if (kind := one_line(request.kind, LONGEST_KIND)) != row.kind:  # it has another model now
            self.machines.set_kind(kind, member)

    def _machine(self, member: Member) -> Machine:
        """The worker as one that claims: photos for which somebody waits are restored here, unless
        all hands here are full."""
        status = self._service.pool.status()
        works_here = status["state"] != "failed" and status["workers"] > 0
        is_busy_here = not works_here or status["busy"] >= status["workers"]
        return self.machines.machine(member, takes_photos=is_busy_here, works_here=works_here)

    def find(self, member: Member, claim_id: str) -> RemoteClaim | Probe:
        """A claim, or try with the probe photo, that is valid. Raises ClaimGoneError."""
        probe = self._probes.get(member.row.id)
        if probe is not None and probe.id == claim_id:
            return probe
        return self.machines.claims.find(claim_id, member.row.id)

    def cannot_receive(self, claim: RemoteClaim | Probe, reason: str) -> None:
        """There is no room for a result: its job pauses, its worker brings it later."""
        if isinstance(claim, RemoteClaim):
            self.machines.claims.cannot_receive(claim, reason)

    def finish(self, member: Member, claim_id: str, finish: Finish) -> FinishAnswer:
        """A photo is restored. Raises ClaimGoneError and others, see RemoteClaims.finish."""
        claims = self.machines.claims
        if claims.has_ended(claim_id, member.row.id):
            return FinishAnswer()
        claim = self.find(member, claim_id)
        if finish.sha256 is not None and not SHA256.fullmatch(finish.sha256):
            raise DamagedUploadError(f"“{finish.sha256[:80]}” is no SHA-256.")
        report = from_json(ItemReport, finish.report)
        if isinstance(claim, Probe):
            return self._finish_probe(member, claim, report, finish.sha256)
        complete_report(report, claim, finish)
        is_recorded = claims.finish(
            claim, report, finish.sha256, finish.suffix, small_pictures(finish)
        )
        if is_recorded:
            self.machines.restored(member)
        return FinishAnswer(send=not is_recorded)

    def fail(self, member: Member, claim_id: str, failure: Failure) -> None:
        """A photo was not restored. Raises ClaimGoneError, MessageError."""
        claims = self.machines.claims
        if claims.has_ended(claim_id, member.row.id):
            return
        claim = self.find(member, claim_id)
        message = one_line(failure.message, LONGEST_MESSAGE)
        if isinstance(claim, Probe):
            member.trouble = message
            self._end_probe(member)
            return
        if failure.reason == Reason.PHOTO:
            stage = checked_stage(failure.stage) if failure.stage else None
            claims.fail_photo(claim, self.models().model, stage, message)
            self.machines.restored(member)
        elif failure.reason == Reason.CRASHED:
            claims.crashed(claim)
            self.machines.failed(member, claim, message, is_crash=True)
        elif failure.reason == Reason.MACHINE:
            claims.release(claim, message)
            self.machines.failed(member, claim, message)
        elif failure.reason == Reason.GIVEN_UP:
            claims.release(claim, message)
        else:
            raise MessageError(f"“{failure.reason}” is no reason to fail.")

    # The probe photo

    def probe(self, member: Member) -> ClaimedPhoto:
        """Let a worker show that it works."""
        self._end_probe(member)
        probe = self._probes[member.row.id] = Probe(self._received)
        models = self.models()
        return ClaimedPhoto(
            claim=probe.id,
            job="",
            item=0,
            attempt=1,
            name=NAME,
            options=OPTIONS.as_dict(),
            crashed_before=False,
            model=model_file(models.model),
            small_model=model_file(models.small) if models.small else None,
            original=probe_file(),
            max_photo_seconds=self._settings.max_photo_seconds,
        )

    def _finish_probe(
        self, member: Member, probe: Probe, report: ItemReport, sha256: str | None
    ) -> FinishAnswer:
        result = probe.received(sha256) if sha256 else None
        if result is not None and not result.exists():
            return FinishAnswer(send=True)
        try:
            check_probe(report, result)
        except UserError as error:
            member.trouble = str(error)
            raise
        finally:
            self._end_probe(member)
        member.trouble = ""
        self.machines.passed(member)
        return FinishAnswer()

    def _is_probe(self, member: Member, claim_id: str) -> bool:
        probe = self._probes.get(member.row.id)
        return probe is not None and probe.id == claim_id

    def _end_probe(self, member: Member) -> None:
        if probe := self._probes.pop(member.row.id, None):
            probe.remove_received()


def queue_for(device: str) -> str:
    """The queue of tickets for machines that compute so."""
    kind = device.split(":")[0].lower()
    return QUEUE if kind not in ("cuda", "mps") else f"{QUEUE}-{kind}"


def broker_for_workers(address: str | None, asked_host: str) -> str | None:
    """The broker's address as workers must name it, who know this machine as `asked_host`."""
    if not address or address == NO_BROKER:
        return None
    parts = urlsplit(address)
    if parts.hostname not in LOOPBACK or not asked_host:
        return address
    before, at, _ = parts.netloc.rpartition("@")
    host = f"[{asked_host}]" if ":" in asked_host else asked_host
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"{before}{at}{host}{port}"))


def _other_version(version: str) -> str:
    return (
        f"This worker runs another version of the program ({version[:40]}) than the coordinator "
        f"({program_version()}); update both to the same."
    )
