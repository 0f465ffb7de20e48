"""A runner whose photos are all restored by other machines, for the conformance tests.

The machines are threads here, which do with the coordinator's claims what workers do over HTTP,
and restore with the played restoration.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Thread
from types import SimpleNamespace

from gpen_webui.errors import UserError
from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.runner.failures import not_restored
from gpen_webui.jobs.runner.other_machines import Member
from gpen_webui.jobs.runner.remote_claims import ClaimGoneError, RemoteClaim
from gpen_webui.jobs.runner.saving import CannotSaveError
from gpen_webui.jobs.service import JobService
from gpen_webui.photo.small_picture import small_picture
from gpen_webui.pipeline import StageError
from gpen_webui.settings import Settings
from tests.cluster_kit import KEY, idle_pool

PAUSE = 0.01


class ClusterService(JobService):
    """Called like JobService; its own pool does nothing."""

    def __init__(self, settings: Settings, load: Callable, restore_stages: Callable):
        settings = replace(settings, cluster="none", cluster_key=KEY)
        with idle_pool():
            super().__init__(settings, load, restore_stages)
        self._restore_stages = restore_stages
        self._stopping = Event()
        self._restorer, workers = load()
        self._threads = [Thread(target=self._work, args=(n,), daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(5)
        super().close()

    def _work(self, number: int) -> None:
        machines = self.others
        member, _ = machines.join(KEY, f"folder {number}", f"machine {number}", "played", {})
        machines.passed(member)
        while not self._stopping.wait(PAUSE):
            machine = machines.machine(member, takes_photos=True, works_here=False)
            try:
                claim = machines.claims.claim(machine, secrets.token_hex(8))
                if claim is not None:
                    self._carry_out(member, claim, self._restorer)
            except (ClaimGoneError, StoreError):
                continue

    def _carry_out(self, member: Member, claim: RemoteClaim, restorer: SimpleNamespace) -> None:
        claims, held = self.others.claims, claim.task.claim
        claim.task.begin(restorer.model)
        stage = "open"
        try:
            stages = self._restore_stages(
                restorer, held.source, held.name, held.options, reuse=None
            )
            while True:
                stage = next(stages)
                percent = getattr(stage, "percent", None)
                if claim.id in claims.renew(member.row.id, [(claim.id, stage, percent)]):
                    return
        except StopIteration as end:
            self._deliver(claim, end.value)
        except StageError as error:
            claims.fail_photo(claim, restorer.model, error.stage, str(error))
        except UserError:
            raise
        except Exception:
            claims.fail_photo(claim, restorer.model, stage, not_restored(held.name))

    def _deliver(self, claim: RemoteClaim, restored: SimpleNamespace) -> None:
        sha256 = hashlib.sha256(restored.data).hexdigest()
        claim.received(sha256).write_bytes(restored.data)
        photo = restored.photo
        small = (
            small_picture(photo, photo.pixels),
            small_picture(photo, restored.restoration.pixels),
        )
        while not self._stopping.wait(PAUSE):
            try:
                self.others.claims.finish(claim, restored.report, sha256, restored.suffix, small)
                return
            except CannotSaveError:  # the job is paused; it is brought again later
                self.others.claims.renew(claim.machine.id, [(claim.id, "save", None)])
