"""What happens: the events of a job, and the state of the models, told over WebSockets."""

from __future__ import annotations

import base64
import json
import time

from flask import Blueprint, Flask, Response, g, jsonify, request
from flask_sock import Sock
from simple_websocket import Server

from gpen_webui.sentences import answer_in_language
from gpen_webui.web.context import job_service, model_manager, web_sockets, whole_number
from gpen_webui.web.errors import BadRequestError
from gpen_webui.web.language import choose_language
from gpen_webui.web.websockets import OPTIONS, WebSocketRegistry

HEARTBEAT = 3.0  # seconds between looks whether a silent client is still there
MODELS_EVERY = 0.5  # seconds
KEY_BYTES = 16  # of a handshake's random key

blueprint = Blueprint("events", __name__)
sockets = Blueprint("sockets", __name__, url_prefix="/ws")
sock = Sock()


def init_app(app: Flask) -> None:
    """Prepare the application for its sockets."""
    app.config["SOCK_SERVER_OPTIONS"] = OPTIONS
    app.extensions["web_sockets"] = WebSocketRegistry()


@blueprint.get("/api/jobs/<job_id>/events")
def list_events(job_id: str) -> Response:
    """What the WebSocket tells, as far as it has happened."""
    return jsonify(job_service().events.replay(job_id, whole_number("after", 0)))


@sockets.before_request
def admit() -> None:
    """Refuse what makes no sense while it can still be said in words: before the handshake."""
    # Events are short: no compression, and nothing of its parameters to be parsed.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
    if not _is_handshake():
        raise BadRequestError("This address is for WebSockets (version 13).")
    if job_id := (request.view_args or {}).get("job_id"):
        job_service().store.job(job_id)
        whole_number("after")
    web_sockets().admit()
    g.web_sockets = web_sockets()


def _is_handshake() -> bool:
    """Whether it is one of RFC 6455, in ASCII: wsproto reads it as that and nothing else."""
    headers = [
        value for name, value in request.headers.items() if name.lower().startswith("sec-websocket")
    ]
    return (
        all(value.isascii() for value in headers)
        and _is_key(request.headers.get("Sec-WebSocket-Key", ""))
        and request.headers.get("Sec-WebSocket-Version") == "13"
    )


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except ValueError:
        return False


@sockets.teardown_request
def leave(error: BaseException | None) -> None:
    """Let the next one in."""
    if admitted := g.pop("web_sockets", None):
        admitted.leave()


@sock.route("/jobs/<job_id>", bp=sockets)
def job_events(ws: Server, job_id: str) -> None:
    """All events of a job with a higher seq than `after`, then live, to its last."""
    language = choose_language()
    with web_sockets().serving(ws):
        for event in job_service().events.follow(job_id, whole_number("after", 0), HEARTBEAT):
            web_sockets().check(ws)
            if event is not None:
                ws.send(json.dumps(answer_in_language(event, language)))


@sock.route("/models", bp=sockets)
def model_changes(ws: Server) -> None:
    """The models and the engine, now and whenever they change."""
    language = choose_language()
    with web_sockets().serving(ws):
        told = None
        while True:
            web_sockets().check(ws)
            state = model_manager().recent_state()
            if state != told:
                ws.send(json.dumps(answer_in_language(json.loads(state), language)))
                told = state
            time.sleep(MODELS_EVERY)
