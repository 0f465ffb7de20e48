"""All machines and what they do, for a page or a program: plain values."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gpen_webui.cluster.coordinator import Coordinator
from gpen_webui.jobs.records import UnknownJobError
from gpen_webui.jobs.runner.other_machines import Member
from gpen_webui.jobs.runner.task import Task
from gpen_webui.jobs.service import JobService
from gpen_webui.jobs.store.machines import HERE
from gpen_webui.jobs.store.workers import WorkerState


@dataclass(frozen=True)
class Overview:
    """What `all` says is made anew each time."""

    coordinator: Coordinator
    service: JobService

    def all(self) -> dict:
        """{waiting, broker, machines}; this machine is the first."""
        machines, tickets = self.coordinator.machines, self.coordinator.tickets
        return {
            "waiting": self.service.runner.waiting(),
            "broker": {
                "used": tickets is not None,
                "problem": (tickets.trouble if tickets else "") or None,
            },
            "machines": [self._here(), *map(self._member, machines.all())],
        }

    def _here(self) -> dict:
        here, status = self.coordinator.machines.here, self.service.pool.status()
        is_ready = status["state"] == "ready"
        state = "working" if status["busy"] and is_ready else status["state"]
        return {
            "id": HERE,
            "name": here.name,
            "is_here": True,
            "state": state,
            "reason": None if is_ready else status["message"] or None,
            "problem": None,
            "kind": here.kind,
            "device": None,
            "engine": status["message"] if is_ready else None,
            "slots": status["workers"],
            "busy": status["busy"],
            "heard_seconds": 0.0,
            **self._work(HERE),
        }

    def _member(self, member: Member) -> dict:
        row = member.row
        work = self._work(row.id)
        heard = None if member.heard is None else round(time.monotonic() - member.heard, 1)
        return {
            "id": row.id,
            "name": row.name,
            "is_here": False,
            "state": self._state(member, is_at_work=bool(work["in_progress"])),
            "reason": row.reason,
            "problem": member.trouble or None,
            "kind": row.kind,
            "device": row.about.get("device"),
            "engine": member.engine or row.about.get("engine"),
            "slots": member.slots,
            "busy": len(work["in_progress"]),
            "heard_seconds": heard,
            **work,
        }

    def _state(self, member: Member, is_at_work: bool) -> str:
        row = member.row
        if not self.coordinator.machines.is_here(member):
            return "away"
        if row.state == WorkerState.SET_ASIDE:
            return "set_aside"
        if row.drained:
            return "draining" if is_at_work else "drained"
        if row.state == WorkerState.NEW:
            return "new"
        return "working" if is_at_work else "ready"

    def _work(self, machine: str) -> dict:
        """What a machine has done and does."""
        machines = self.coordinator.machines
        tasks = sorted(machines.in_progress(machine), key=lambda task: task.since)
        shown = [found for task in tasks if (found := self._task(task))]
        return {**machines.figures_of(machine), "in_progress": shown}

    def _task(self, task: Task) -> dict | None:
        claim = task.claim
        try:
            album = self.service.store.job(claim.job_id).name
        except UnknownJobError:  # deleted meanwhile
            return None
        return {
            "job": claim.job_id,
            "album": album,
            "item": claim.n,
            "name": claim.name,
            "stage": task.stage,
            "seconds": round(time.monotonic() - task.since, 1),
        }
