"""What every request needs from the application around it, and how requests are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from flask import current_app, request

from gpen_webui.jobs.records import Job
from gpen_webui.jobs.store.jobs import can_be_stored
from gpen_webui.models.enlarging import check_enlarging_model
from gpen_webui.models.parsing import check_parsing_model
from gpen_webui.options import OptionError, RestoreOptions
from gpen_webui.settings import Settings
from gpen_webui.web.errors import BadRequestError

if TYPE_CHECKING:
    from gpen_webui.jobs.service import JobService
    from gpen_webui.web.model_manager import ModelManager
    from gpen_webui.web.websockets import WebSocketRegistry

NAMED_IN_ALBUM = (
    "Faces can be named for one photo only, as each photo has others; leave them out, or restore "
    "that photo by itself."
)
MASK_IN_ALBUM = (
    "A mask belongs to one photo; leave it out, or restore that photo by itself with /enhance."
)
NOT_OPTIONS = (
    "name",
    "key",
    "wait",
    "token",
    "photo_options",
)  # fields that a form may have beside the options


def job_service() -> JobService:
    """The jobs of this application."""
    return current_app.extensions["jobs"]


def settings() -> Settings:
    """The settings of this application."""
    return current_app.extensions["settings"]


def model_manager() -> ModelManager:
    """The models of this application."""
    return current_app.extensions["models"]


def web_sockets() -> WebSocketRegistry:
    """The open WebSockets of this application."""
    return current_app.extensions["web_sockets"]


def job_json(job: Job) -> dict:
    """A job as the API shows it."""
    return job.as_dict() | {"progress": progress_address(job.id)}


def progress_address(job_id: str) -> str:
    """Where a job's events are told."""
    return f"{request.script_root}/ws/jobs/{job_id}"


def json_body() -> dict:
    """The JSON object that was sent. Raises BadRequestError."""
    try:
        body = request.get_json(silent=True)
    except RecursionError:  # brackets within brackets within ...
        body = None
    if not isinstance(body, dict):
        raise BadRequestError("Send a JSON object, with the header Content-Type: application/json.")
    return body


@overload
def text_of(body: dict, name: str) -> str | None: ...
@overload
def text_of(body: dict, name: str, default: str) -> str: ...
def text_of(body: dict, name: str, default: str | None = None) -> str | None:
    """A text from a JSON object. Raises BadRequestError."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or not can_be_stored(value):
        raise BadRequestError(f"{name} must be text.")
    return value


def request_key(body: dict) -> str | None:
    """The client's own name for this request: what is asked twice with it is done once."""
    return request.headers.get("Idempotency-Key") or text_of(body, "key") or None


@overload
def whole_number(name: str) -> int | None: ...
@overload
def whole_number(name: str, default: int) -> int: ...
def whole_number(name: str, default: int | None = None) -> int | None:
    """A number from the address's query, 0 or more. Raises BadRequestError."""
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise BadRequestError(f"{name} is “{text}”, but must be a whole number, 0 or more.")
    return int(text)


def switch_of(body: dict, name: str, default: bool) -> bool:
    """On or off, from a JSON object. Raises BadRequestError."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise BadRequestError(f"{name} must be true or false.")
    return value


def parse_options(values: object) -> RestoreOptions:
    """Options from JSON or a form, within the server's own limit of pixels and its models."""
    if not isinstance(values, dict):
        raise OptionError("The options must be a JSON object, like {“strength”: 70}.")
    limit = settings().max_megapixels
    options = RestoreOptions.parse({"max_megapixels": limit, **values})
    if options.max_megapixels > limit:
        raise OptionError(
            f"max_megapixels is {options.max_megapixels}, but this server's limit is {limit}; "
            "start it with a higher --max-megapixels."
        )
    check_enlarging_model(options.enlarge_model, settings().models)
    check_parsing_model(options.face_mask, settings().models)
    return options


def options_in(body: dict, name: str = "options") -> RestoreOptions:
    """The options in a JSON object; the defaults where it has none. Raises OptionError."""
    values = body.get(name)
    return parse_options({} if values is None else values)


def check_for_kind(options: RestoreOptions, kind: str) -> None:
    """Raise OptionError where options that hold for one photo only are given for an album."""
    if kind == "album" and options.names_faces:
        raise OptionError(NAMED_IN_ALBUM)
    if kind == "album" and options.mask:
        raise OptionError(MASK_IN_ALBUM)


def form_options() -> RestoreOptions:
    """The options among the fields of a form, and of the address's query."""
    fields = {**request.args.to_dict(), **request.form.to_dict()}
    return parse_options({name: value for name, value in fields.items() if name not in NOT_OPTIONS})
