"""The HTTP API as an OpenAPI 3.1 document, made of the routes and of what is said here.

A route gives address, method and summary (the first line of its docstring); OPERATIONS adds
what goes in and what comes out; the options come from their descriptors. A route without an
entry here is an error, so nothing is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from flask import Blueprint, Flask, Response, current_app, jsonify
from werkzeug.routing import Rule

from gpen_webui.photo.formats import MEDIA_TYPES, UNKNOWN_TYPE
from gpen_webui.web.openapi_schemas import (
    SCHEMAS,
    Schema,
    array_of,
    multipart,
    named,
    object_of,
    option_schemas,
)

API_PREFIXES = ("/api/", "/ws/", "/enhance", "/batch-enhance", "/share", "/metrics")
METHODS = ("GET", "POST", "DELETE")
CHOICES = re.compile(r"<any\(([^)]*)\):\w+>")
ARGUMENT = re.compile(r"<(?:(\w+):)?(\w+)>")
BINARY: Schema = {"type": "string", "format": "binary"}
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999}
SWITCH: Schema = {"type": "string", "enum": ["0", "1"]}
PICTURES = ("image/jpeg", "image/png")
FILES = (*MEDIA_TYPES, UNKNOWN_TYPE)

blueprint = Blueprint("openapi", __name__)


@dataclass(frozen=True)
class Operation:
    """What a route takes and gives.

    query: parameters by name. body: schemas by media type. is_body_needed: whether it is an
    error to send none. answers: by status, schemas by media type.
    """

    answers: dict[int, dict[str, Schema]]
    query: dict[str, Schema] = field(default_factory=dict)
    body: dict[str, Schema] | None = None
    is_body_needed: bool = True


def json_of(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}


JOB, ITEM, MODELS = named("Job"), named("Item"), named("ModelState")
VERSION = named("Version")
# In a form, JSON as text.
OWN_OPTIONS: Schema = {
    "type": "string",
    "contentMediaType": "application/json",
    "contentSchema": named("Options"),
    "description": "Options that the photo has of its own; in all others it follows the album.",
}
BY_PHOTO: Schema = {
    "type": "object",
    "additionalProperties": named("Options"),
    "description": "Options that single photos have of their own, by the photos' names.",
}
STARTED = object_of({"job": TEXT, "item": COUNT, "progress": TEXT})
ALBUM_STARTED = object_of(
    {
        "status": {"const": "processing"},
        "total_images": COUNT,
        "job": TEXT,
        "progress": TEXT,
        "left_out": array_of(named("LeftOut")),
    },
    optional=("left_out",),
)
NEW_JOB = object_of(
    {
        "kind": {"enum": ["album", "photo"]},
        "name": TEXT,
        "options": named("Options"),
        "key": TEXT,
    },
    optional=("kind", "name", "options", "key"),
)
PATHS = object_of(
    {
        "paths": array_of(TEXT, at_least=1),
        "args": named("Options"),
        "photo_options": BY_PHOTO,
        "name": TEXT,
        "key": TEXT,
    },
    optional=("args", "photo_options", "name", "key"),
)
CHANGES = object_of({"name": TEXT, "options": named("Options")}, optional=("name", "options"))
REDO = object_of({"options": named("Options")}, optional=("options",))
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
PREVIEW = object_of(
    {
        "options": named("Options"),
        "box": {**array_of(SHARE, at_least=4), "maxItems": 4},
        "width": {"type": "integer", "minimum": 1, "maximum": 4096},
    },
    optional=("options",),
)
AGAIN = object_of(
    {"options": named("Options"), "key": TEXT, "keep_own": {"type": "boolean", "default": True}},
    optional=("options", "key", "keep_own"),
)

OPERATIONS: dict[str, Operation] = {
    "enhance.enhance": Operation(
        {202: json_of(STARTED), 200: dict.fromkeys(FILES, BINARY)},
        query={"wait": SWITCH},
        body=multipart(
            {"photo": BINARY},
            {
                **option_schemas(),
                "mask": BINARY,
                "name": TEXT,
                "key": TEXT,
                "xmp": array_of(BINARY),
            },
        ),
    ),
    "enhance.batch_enhance": Operation(
        {202: json_of(ALBUM_STARTED)},
        body={
            **multipart(
                {"photos": array_of(BINARY, at_least=1)},
                {
                    **option_schemas(),
                    "photo_options": {
                        "type": "string",
                        "contentMediaType": "application/json",
                        "contentSchema": BY_PHOTO,
                    },
                    "name": TEXT,
                    "key": TEXT,
                },
            ),
            **json_of(PATHS),
        },
    ),
    "jobs.list_jobs": Operation(
        {200: json_of(object_of({"jobs": array_of(JOB), "bytes_used": COUNT, "disk_free": COUNT}))},
        query={"limit": COUNT, "before": TEXT},
    ),
    "jobs.create_job": Operation({201: json_of(JOB)}, body=json_of(NEW_JOB)),
    "jobs.show_job": Operation({200: json_of(named("JobWithItems"))}),
    "jobs.list_versions": Operation({200: json_of(object_of({"versions": array_of(VERSION)}))}),
    "jobs.delete_job": Operation({200: json_of(object_of({"freed": COUNT}))}),
    "jobs.start_job": Operation({202: json_of(JOB)}, body=json_of(CHANGES), is_body_needed=False),
    "jobs.change_job": Operation({200: json_of(JOB)}),
    "jobs.restore_rest": Operation({200: json_of(JOB)}),
    "jobs.run_again": Operation({202: json_of(JOB)}, body=json_of(AGAIN)),
    "jobs.open_folder": Operation({200: json_of(object_of({"opened": TEXT}))}),
    "presets.list_presets": Operation(
        {200: json_of(object_of({"presets": array_of(named("Preset"))}))}
    ),
    "presets.save_preset": Operation(
        {201: json_of(named("Preset"))},
        body=json_of(object_of({"name": TEXT, "options": named("Options")})),
    ),
    "presets.rename_preset": Operation(
        {200: json_of(named("Preset"))}, body=json_of(object_of({"name": TEXT}))
    ),
    "presets.delete_preset": Operation({200: json_of(object_of({"deleted": TEXT}))}),
    "share.receive": Operation({303: {}}, body=multipart({"photos": array_of(BINARY)})),
    "jobs.download": Operation({200: {"application/zip": BINARY}}),
    "jobs.show_result": Operation(
        {200: {"text/html": {"schema": TEXT}, **dict.fromkeys(FILES, BINARY)}}
    ),
    "items.add_item": Operation(
        {201: json_of(ITEM)},
        body=multipart(
            {"photo": BINARY},
            {"name": TEXT, "key": TEXT, "xmp": array_of(BINARY), "options": OWN_OPTIONS},
        ),
    ),
    "items.remove_item": Operation({200: json_of(JOB)}),
    "items.choose_options": Operation({200: json_of(ITEM)}, body=json_of(REDO)),
    "items.redo": Operation({202: json_of(ITEM)}, body=json_of(REDO)),
    "items.show_item": Operation({200: json_of(named("ItemWithReport"))}),
    "items.before": Operation(
        {200: dict.fromkeys(PICTURES, BINARY), 304: {}},
        query={"max": COUNT, "turned": SWITCH, "whole": SWITCH},
    ),
    "items.after": Operation(
        {200: dict.fromkeys(FILES, BINARY), 304: {}}, query={"max": COUNT, "download": SWITCH}
    ),
    "items.condition": Operation(
        {
            200: json_of(
                object_of(
                    {
                        "faded": {"type": "boolean"},
                        "damaged": {"type": "number"},
                        "width": COUNT,
                        "height": COUNT,
                        "whole": object_of({"width": COUNT, "height": COUNT}),
                        "suggestions": array_of(named("Suggestion")),
                    }
                )
            )
        }
    ),
    "items.damage": Operation({200: {"image/png": BINARY}}),
    "previews.preview": Operation({200: {"image/jpeg": BINARY}, 204: {}}, body=json_of(PREVIEW)),
    "items.small": Operation(
        {200: {"image/jpeg": BINARY}, 304: {}}, query={"of": {"enum": ["before", "after"]}}
    ),
    "events.list_events": Operation(
        {200: json_of(array_of(named("Event")))}, query={"after": COUNT}
    ),
    "sockets.job_events": Operation({101: {}}, query={"after": COUNT}),
    "sockets.model_changes": Operation({101: {}}),
    "models.list_all": Operation({200: json_of(named("ModelsAndSettings"))}),
    "models.activate": Operation({200: json_of(MODELS)}),
    "models.switch_fast_mode": Operation(
        {200: json_of(MODELS)}, body=json_of(object_of({"is_on": {"type": "boolean"}}))
    ),
    "models.start_download": Operation({202: json_of(MODELS)}),
    "models.cancel_download": Operation({200: json_of(MODELS)}),
    "models.bring_in": Operation({201: json_of(named("Model"))}, body=multipart({"file": BINARY})),
    "workers.list_workers": Operation({200: json_of(named("Machines"))}),
    "workers.change_worker": Operation({200: json_of(named("Machines"))}),
    "workers.new_key": Operation({200: json_of(object_of({"key": TEXT, "join": TEXT}))}),
    "health.health": Operation({200: json_of(named("Health")), 503: json_of(named("Health"))}),
    "health.health_in_short": Operation(
        {200: json_of(named("Health")), 503: json_of(named("Health"))}
    ),
    "metrics.metrics": Operation({200: {"text/plain": TEXT}}),
    "openapi.show": Operation({200: json_of({"type": "object"})}),
}


@blueprint.get("/api/openapi.json")
def show() -> Response:
    """This API as an OpenAPI document."""
    return jsonify(describe(current_app))


def describe(app: Flask) -> dict:
    """The document. Raises KeyError for a route that OPERATIONS does not know."""
    paths: dict[str, dict] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if not rule.rule.startswith(API_PREFIXES):
            continue
        for path, word in _paths_of(rule):
            name = word or rule.endpoint.partition(".")[2]
            for method in sorted(set(rule.methods or ()) & set(METHODS)):
                paths.setdefault(path, {})[method.lower()] = _operation(app, rule, name)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "GPEN WebUI",
            "version": "1",
            "description": "docs/http-api.md says it in words.",
        },
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths_of(rule: Rule) -> Iterator[tuple[str, str]]:
    """The rule's address; where it has a choice of words, once for each, with the word."""
    found = CHOICES.search(rule.rule)
    words = re.split(r",\s*", found.group(1)) if found else [""]
    for word in words:
        path = CHOICES.sub(word, rule.rule)
        yield ARGUMENT.sub(lambda argument: f"{{{argument.group(2)}}}", path), word


def _operation(app: Flask, rule: Rule, name: str) -> dict:
    known = OPERATIONS[rule.endpoint]
    words = app.view_functions[rule.endpoint].__doc__ or ""
    described: dict = {
        "operationId": name,
        "summary": words.partition("\n")[0],
        "parameters": [
            *_path_parameters(rule.rule),
            *(_parameter("query", name, schema) for name, schema in known.query.items()),
        ],
        "responses": {
            **{str(status): _answer(content) for status, content in known.answers.items()},
            "default": _answer(json_of(named("Error")), "Not done; the message says why."),
        },
    }
    if known.body is not None:
        content = {kind: {"schema": schema} for kind, schema in known.body.items()}
        described["requestBody"] = {"required": known.is_body_needed, "content": content}
    return described


def _path_parameters(rule: str) -> list[dict]:
    return [
        _parameter("path", name, COUNT if kind == "int" else TEXT)
        for kind, name in ARGUMENT.findall(CHOICES.sub("", rule))
    ]


def _parameter(place: str, name: str, schema: Schema) -> dict:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _answer(content: dict[str, Schema], words: str = "Done.") -> dict:
    answer: dict = {"description": words}
    if content:
        answer["content"] = {kind: {"schema": schema} for kind, schema in content.items()}
    return answer
