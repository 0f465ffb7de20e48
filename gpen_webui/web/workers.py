"""The machines that restore: what they do, and what users ask of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, jsonify

from gpen_webui.folders import COMMAND
from gpen_webui.jobs.records import JobConflictError
from gpen_webui.jobs.runner.other_machines import Member, OtherMachines
from gpen_webui.web.announcement import address_for_workers
from gpen_webui.web.context import job_service, settings

if TYPE_CHECKING:
    from gpen_webui.cluster.coordinator import Coordinator

blueprint = Blueprint("workers", __name__, url_prefix="/api/workers")

NO_CLUSTER = (
    f"This server works alone; start it with {COMMAND} serve --cluster none, or with the address "
    "of a Redis server, to let other machines help."
)


@blueprint.get("")
def list_workers() -> Response:
    """All machines, this one too, and what they do."""
    coordinator: Coordinator | None = current_app.extensions.get("coordinator")
    if coordinator is None:
        return jsonify(cluster=False, machines=[])
    from gpen_webui.cluster.overview import Overview  # only where others help

    found = Overview(coordinator, job_service()).all()
    return jsonify(cluster=True, same_bytes=settings().same_bytes, join=join_command(), **found)


@blueprint.post("/<worker>/<any(drain, undrain, test, forget):verb>")
def change_worker(worker: str, verb: str) -> Response:
    """Let a machine, by its id or name, do so."""
    machines = _machines()
    do: dict[str, Callable[[Member], None]] = {
        "drain": machines.drain,
        "undrain": lambda member: machines.drain(member, is_drained=False),
        "test": machines.try_again,
        "forget": machines.forget,
    }
    do[verb](machines.find(worker))
    return list_workers()


@blueprint.post("/new-key")
def new_key() -> Response:
    """Make another join key; with earlier ones nobody can join any more."""
    key = _machines().make_key()
    return jsonify(key=key, join=join_command(key))


def join_command(key: str = "KEY") -> str:
    """What to type on another machine."""
    return f"{COMMAND} worker --join {address_for_workers(settings())} --key {key}"


def _machines() -> OtherMachines:
    others = job_service().others
    if others is None:
        raise JobConflictError(NO_CLUSTER)
    return others
