"""Whether photos can be restored, for people and for programs that watch over this one."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from gpen_webui.web.context import job_service, model_manager, watchers

blueprint = Blueprint("health", __name__, url_prefix="/api/health")


@blueprint.get("")
def health() -> tuple[Response, int]:
    """Whether photos can be restored, or why not."""
    status = job_service().pool.status()
    state = status.pop("state")
    model = status.pop("model") or model_manager().active
    answer = {"status": state, **status, "model": model, "watchers": watchers().count}
    return jsonify(answer), 503 if state == "failed" else 200
