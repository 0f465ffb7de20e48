"""Whether photos can be restored, for people and for programs that watch over this one."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from gpen_webui.web.context import job_service, model_manager, web_sockets

blueprint = Blueprint("health", __name__, url_prefix="/api/health")


@blueprint.get("")
def health() -> tuple[Response, int]:
    """Whether photos can be restored, or why not."""
    found = _health()
    return jsonify(found), 503 if found["status"] == "failed" else 200


@blueprint.get("/<any(alive, ready):question>")
def health_in_short(question: str) -> tuple[Response, int]:
    """alive: a restart would not help. ready: the next photo is restored at once."""
    found = _health()
    return jsonify(found), 200 if found[question] else 503


def _health() -> dict:
    status = job_service().pool.status()
    state = status.pop("state")
    model = status.pop("model") or model_manager().active
    return {
        "status": state,
        "alive": status["workers"] > 0,
        "ready": state == "ready",
        **status,
        "model": model,
        "watchers": web_sockets().count,
    }
