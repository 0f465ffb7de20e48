"""Jobs over HTTP: collect photos, start, look, stop. docs/http-api.md describes it."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from gpen_webui.jobs.records import KINDS
from gpen_webui.web.context import (
    job_json,
    job_service,
    json_body,
    model_manager,
    parse_options,
    request_key,
    text_of,
    watchers,
    whole_number,
)
from gpen_webui.web.errors import BadRequestError
from gpen_webui.web.uploads import disk_free, uploaded

JOBS_AT_ONCE = 50
MOST_JOBS = 500

blueprint = Blueprint("api", __name__, url_prefix="/api")

Answer = tuple[Response, int]


@blueprint.get("/jobs")
def list_jobs() -> Response:
    """The newest jobs first, and what the disk holds."""
    limit = min(whole_number("limit", JOBS_AT_ONCE), MOST_JOBS)
    store = job_service().store
    return jsonify(
        jobs=[job_json(job) for job in store.jobs(limit, request.args.get("before"))],
        bytes_used=store.bytes_used(),
        disk_free=disk_free(),
    )


@blueprint.post("/jobs")
def create_job() -> Answer:
    """A new job without photos."""
    body = json_body()
    kind = text_of(body, "kind", "album")
    if kind not in KINDS:
        raise BadRequestError(f"kind is “{kind}”, but must be one of {', '.join(KINDS)}.")
    name = text_of(body, "name", kind.capitalize())
    options = parse_options(body.get("options") or {})
    job = job_service().store.create_job(kind, name, options, request_key(body))
    return jsonify(job_json(job)), 201


@blueprint.post("/jobs/<job_id>/items")
def add_item(job_id: str) -> Answer:
    """One photo more."""
    store = job_service().store
    store.job(job_id)  # before anything is read
    path, filename = uploaded("photo")
    key = request_key(request.form.to_dict())
    item = store.add_item(job_id, request.form.get("name") or filename, path, key)
    return jsonify(_item_json(item)), 201


@blueprint.post("/jobs/<job_id>/start")
def start_job(job_id: str) -> Answer:
    """All photos are there: restore them, with the name and options that are chosen by now."""
    if request.is_json:
        body = json_body()
        chosen = body.get("options")
        options = None if chosen is None else parse_options(chosen)
        job_service().store.describe(job_id, text_of(body, "name"), options)
    return jsonify(job_json(job_service().runner.submit(job_id))), 202


@blueprint.post("/jobs/<job_id>/<any(pause, resume, cancel, retry):action>")
def change_job(job_id: str, action: str) -> Response:
    """Pause, resume, cancel, or retry what has failed."""
    return jsonify(job_json(getattr(job_service().runner, action)(job_id)))


@blueprint.post("/jobs/<job_id>/run-again")
def run_again(job_id: str) -> Answer:
    """The same photos with other options, as a new job."""
    body = json_body()
    options = parse_options(body.get("options") or {})
    return jsonify(
        job_json(job_service().runner.run_again(job_id, options, request_key(body)))
    ), 202


@blueprint.get("/jobs/<job_id>")
def show_job(job_id: str) -> Response:
    """A job with all its items."""
    store = job_service().store
    job = store.job(job_id)
    return jsonify(job_json(job) | {"items": [_item_json(item) for item in store.items(job_id)]})


@blueprint.delete("/jobs/<job_id>")
def delete_job(job_id: str) -> Response:
    """Remove our copies of the photos and their results."""
    freed = job_service().store.job(job_id).bytes
    job_service().runner.delete(job_id)
    return jsonify(freed=freed)


@blueprint.get("/jobs/<job_id>/items/<int:n>")
def show_item(job_id: str, n: int) -> Response:
    """One item with its report: faces, seconds per stage, warnings."""
    return jsonify(job_service().store.item(job_id, n).as_dict())


@blueprint.get("/jobs/<job_id>/events")
def list_events(job_id: str) -> Response:
    """What the WebSocket tells, as far as it has happened."""
    return jsonify(job_service().events.replay(job_id, whole_number("after", 0)))


@blueprint.get("/health")
def health() -> Answer:
    """Whether photos can be restored, or why not."""
    found = _health()
    return jsonify(found), 503 if found["status"] == "failed" else 200


@blueprint.get("/health/<any(alive, ready):question>")
def health_in_short(question: str) -> Answer:
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
        "watchers": watchers().count,
    }


def _item_json(item) -> dict:
    return {name: value for name, value in item.as_dict().items() if name != "report"}
