"""What workers ask the coordinator, over HTTP: see cluster/protocol.py.

Results stream to the disk and are hashed on the way. They have slots of their own, so that
workers never keep browsers from uploading photos, nor the other way round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import BoundedSemaphore
from typing import TypeVar

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from werkzeug.wsgi import wrap_file

from gpen_webui.cluster.coordinator import Coordinator
from gpen_webui.cluster.errors import DamagedUploadError
from gpen_webui.cluster.messages import from_json, to_json
from gpen_webui.cluster.probe import Probe, probe_photo
from gpen_webui.cluster.protocol import (
    HASH_HEADER,
    PREFIX,
    SHA256,
    Beat,
    ClaimRequest,
    Failure,
    Finish,
    JoinRequest,
)
from gpen_webui.files.atomic import flush_file
from gpen_webui.files.originals import hold_open
from gpen_webui.jobs.runner.other_machines import Member, WrongKeyError
from gpen_webui.jobs.runner.remote_claims import ClaimGoneError, RemoteClaim
from gpen_webui.web.access import bearer_token
from gpen_webui.web.context import json_body
from gpen_webui.web.errors import (
    BadRequestError,
    MissingPictureError,
    NoRoomError,
    TooBusyError,
    TooLargeError,
)
from gpen_webui.web.guard import host_name
from gpen_webui.web.guesses import GuessLimit
from gpen_webui.web.uploads import MB, cannot_keep, check_room

RESULTS_AT_ONCE = 32
SLOT_PATIENCE = 5.0  # seconds that a result may wait for a slot
LARGEST_RESULT = 16_000 * MB
BLOCK = 1 << 20
CHECK_EVERY = 16 * MB

Message = TypeVar("Message")

blueprint = Blueprint("cluster", __name__, url_prefix=PREFIX)
result_slots = BoundedSemaphore(RESULTS_AT_ONCE)


def init_app(app: Flask, chosen: Callable[[], str | None]) -> None:
    """Let other machines help. chosen: tells the model that is to be used."""
    app.register_blueprint(blueprint)
    coordinator = Coordinator(app.extensions["settings"], app.extensions["jobs"], chosen)
    app.extensions["coordinator"] = coordinator
    app.extensions["join_guesses"] = GuessLimit()


def coordinator() -> Coordinator:
    """That of this application."""
    return current_app.extensions["coordinator"]


@blueprint.before_request
def check_token() -> None:
    """Only machines that have joined may ask anything but to join. Raises NotJoinedError."""
    if request.endpoint != "cluster.join":
        g.member = coordinator().member_of(bearer_token())


@blueprint.post("/join")
def join() -> tuple[Response, int]:
    """A machine wants to help."""
    asked = _message(JoinRequest)
    guesses: GuessLimit = current_app.extensions["join_guesses"]
    is_right = guesses.check(
        request.remote_addr, lambda: coordinator().machines.is_join_key(asked.key)
    )
    if not is_right:
        raise WrongKeyError
    return jsonify(to_json(coordinator().join(asked, host_name()))), 201


@blueprint.post("/claim")
def claim() -> Response:
    """The next photo for a worker."""
    found = coordinator().claim(_member(), _message(ClaimRequest))
    return Response(status=204) if found is None else jsonify(to_json(found))


@blueprint.post("/probe")
def probe() -> Response:
    """The probe photo, for a worker that is to show that it works."""
    return jsonify(to_json(coordinator().probe(_member())))


@blueprint.post("/beat")
def beat() -> Response:
    """A worker lives; what it must know."""
    return jsonify(to_json(coordinator().beat(_member(), _message(Beat))))


@blueprint.post("/leave")
def leave() -> Response:
    """A worker stops."""
    coordinator().leave(_member())
    return jsonify({})


@blueprint.get("/claims/<claim_id>/original")
def original(claim_id: str) -> Response:
    """The photo to be restored."""
    found = coordinator().find(_member(), claim_id)
    if isinstance(found, Probe):
        response = Response(probe_photo(), mimetype="application/octet-stream")
        response.make_conditional(request)
        return response
    held = found.task.claim
    with hold_open(held.source, held.name) as path:
        return _file(path, held.sha256)


@blueprint.get("/models/<sha256>")
def model(sha256: str) -> Response:
    """A file of weights that photos are restored with."""
    path = coordinator().models.file(sha256)
    if path is None:
        raise MissingPictureError("This model is not used here (any more).")
    return _file(path, sha256)


@blueprint.put("/claims/<claim_id>/result")
def result(claim_id: str) -> Response:
    """A restored photo."""
    found = coordinator().find(_member(), claim_id)
    sha256, size = request.headers.get(HASH_HEADER, "").lower(), request.content_length
    if not SHA256.fullmatch(sha256) or size is None:
        raise BadRequestError(f"A result needs its {HASH_HEADER} and its Content-Length.")
    if not found.received(sha256).exists():
        _receive_in_slot(found, sha256, size)
        _check_still_wanted(found, claim_id)
    return jsonify({})


@blueprint.post("/claims/<claim_id>/finish")
def finish(claim_id: str) -> Response:
    """A photo is restored."""
    return jsonify(to_json(coordinator().finish(_member(), claim_id, _message(Finish))))


@blueprint.post("/claims/<claim_id>/fail")
def fail(claim_id: str) -> Response:
    """A photo was not restored."""
    coordinator().fail(_member(), claim_id, _message(Failure))
    return jsonify({})


def _member() -> Member:
    return g.member


def _message(kind: type[Message]) -> Message:
    return from_json(kind, json_body())


def _file(path: Path, sha256: str) -> Response:
    """A file, or the part of it that was asked for."""
    try:
        file = path.open("rb")
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise MissingPictureError(f"{path.name} is not there (any more).") from error
    response = Response(
        wrap_file(request.environ, file),
        mimetype="application/octet-stream",
        direct_passthrough=True,
    )
    response.content_length = size
    if sha256:
        response.set_etag(sha256)
    response.make_conditional(request, accept_ranges=True, complete_length=size)
    return response


def _check_still_wanted(claim: RemoteClaim | Probe, claim_id: str) -> None:
    """A result that began to come after its claim had ended is removed by nobody else.

    Raises ClaimGoneError.
    """
    try:
        coordinator().find(_member(), claim_id)
    except ClaimGoneError:
        claim.remove_received()
        raise


def _receive_in_slot(claim: RemoteClaim | Probe, sha256: str, size: int) -> None:
    if not result_slots.acquire(timeout=SLOT_PATIENCE):
        raise TooBusyError("Too many results are under way; try again in a moment.")
    path = claim.receiving()
    try:
        check_room(size)
        if _receive(path, size) != sha256:
            raise DamagedUploadError("The result was damaged on its way; send it again.")
        path.replace(claim.received(sha256))
    except FileNotFoundError as error:  # removed with its claim
        raise ClaimGoneError from error
    except NoRoomError as error:
        coordinator().cannot_receive(claim, str(error))
        raise
    finally:
        path.unlink(missing_ok=True)
        result_slots.release()


def _receive(path: Path, size: int) -> str:
    """Write the request's body to a new file, whole and flushed; its SHA-256.

    Raises NoRoomError, TooLargeError.
    """
    if size > LARGEST_RESULT:
        raise TooLargeError(f"A result may have {LARGEST_RESULT // MB} MB, this one is larger.")
    request.max_content_length = LARGEST_RESULT
    digest, received = hashlib.sha256(), 0
    try:
        with path.open("wb") as file:
            while block := request.stream.read(BLOCK):
                digest.update(block)
                file.write(block)
                before, received = received, received + len(block)
                if before // CHECK_EVERY != received // CHECK_EVERY:
                    check_room(0)
            flush_file(file)
    except OSError as error:
        raise cannot_keep(error) from error
    return digest.hexdigest()
