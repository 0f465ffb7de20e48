"""Models over HTTP: list, fetch, import, activate."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from flask import Blueprint, Response, jsonify

from gpen_webui.engines.import_weights import import_weights
from gpen_webui.files.names import safe_name
from gpen_webui.models.download import MAX_BYTES
from gpen_webui.models.folder import SUFFIXES
from gpen_webui.web.context import json_body, model_manager, settings
from gpen_webui.web.errors import BadRequestError
from gpen_webui.web.uploads import allow_bytes, uploaded

SECRET = ("token", "cluster", "cluster_key")  # addresses may hold passwords

blueprint = Blueprint("models", __name__, url_prefix="/api/models")


@blueprint.get("")
def list_all() -> Response:
    """Every model with its state, the engine, and the settings of this server."""
    manager = model_manager()
    return jsonify(
        manager.state() | {"settings": _settings_json(), "last_speed": manager.last_speed()}
    )


@blueprint.post("/<name>/activate")
def activate(name: str) -> Response:
    """Restore the next photos with this model."""
    model_manager().activate(name)
    return jsonify(model_manager().state())


@blueprint.post("/fast-mode")
def switch_fast_mode() -> Response:
    """Compute the next photos in the fast mode, or exactly again."""
    is_on = json_body().get("is_on")
    if not isinstance(is_on, bool):
        raise BadRequestError("is_on must be true or false.")
    model_manager().switch_fast_mode(is_on)
    return jsonify(model_manager().state())


@blueprint.post("/<name>/download")
def start_download(name: str) -> tuple[Response, int]:
    """Fetch it; how far it is, is told by the list and by /ws/models."""
    model_manager().start_download(name)
    return jsonify(model_manager().state()), 202


@blueprint.delete("/<name>/download")
def cancel_download(name: str) -> Response:
    """Stop fetching it."""
    model_manager().cancel_download(name)
    return jsonify(model_manager().state())


@blueprint.post("/import")
def bring_in() -> tuple[Response, int]:
    """Add a weight file, after the same checks as a download."""
    allow_bytes(MAX_BYTES)
    upload, filename = uploaded("file")
    name = safe_name(Path(filename.replace("\\", "/")).name)
    if Path(name).suffix.lower() not in SUFFIXES:
        raise BadRequestError(f"{name} is no weight file; choose one of {', '.join(SUFFIXES)}.")
    imported = import_weights(upload, settings().models, name)
    answer = model_manager().imported(imported.model) | {"remark": imported.remark}
    return jsonify(answer), 201


def _settings_json() -> dict:
    """All settings for the page to show; paths as text."""
    values = {field.name: getattr(settings(), field.name) for field in fields(settings())}
    values["precision"] = model_manager().precision
    return {name: _plain(value) for name, value in values.items() if name not in SECRET}


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value
