"""What the HTTP API's JSON objects look like, as JSON schemas; docs/http-api.md explains them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpen_webui.jobs.records import KINDS
from gpen_webui.options import DEFAULTS, OPTIONS
from gpen_webui.states import RESTORED_ITEMS, ItemState, JobState, Stage

Schema = dict[str, Any]


def named(name: str) -> Schema:
    """A schema of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(
    properties: Mapping[str, Schema], optional: tuple[str, ...] = (), more: bool = True
) -> Schema:
    """A JSON object. more: whether it may have other properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": more,
    }


def array_of(items: Schema, at_least: int = 0) -> Schema:
    """A JSON array."""
    return {"type": "array", "items": items, "minItems": at_least}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def multipart(files: Mapping[str, Schema], fields: Mapping[str, Schema] | None = None) -> Schema:
    """A form: files that it must have, and fields that it may have; by media type."""
    fields = fields or {}
    form = object_of({**files, **fields}, optional=tuple(fields), more=False)
    return {"multipart/form-data": form}


def option_schemas() -> dict[str, Schema]:
    """The restore options by name, made of their descriptors; the one place that reads these."""
    return {
        name: {**option.json_schema(), "default": DEFAULTS[name], "description": option.help}
        for name, option in OPTIONS.items()
    }


STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object"}
COUNTS = object_of(dict.fromkeys(("total", *ItemState), INTEGER), more=False)
FAILURE = object_of({"stage": or_null(STRING), "message": STRING})
ENGINE = object_of(
    {
        "state": STRING,
        "message": or_null(STRING),
        "model": or_null(STRING),
        "workers": INTEGER,
        "busy": INTEGER,
        "stuck": INTEGER,
    }
)

_JOB = {
    "id": STRING,
    "kind": {"enum": list(KINDS)},
    "name": STRING,
    "state": {"enum": list(JobState)},
    "reason": or_null(STRING),
    "options": ANYTHING,
    "folder": or_null(STRING),
    "created": NUMBER,
    "started": or_null(NUMBER),
    "finished": or_null(NUMBER),
    "seq": INTEGER,
    "eta_seconds": or_null(INTEGER),
    "parent": or_null(STRING),
    "counts": COUNTS,
    "bytes": INTEGER,
    "covers": array_of(INTEGER),
    "progress": STRING,
}
_ITEM = {
    "n": INTEGER,
    "key": or_null(STRING),
    "name": STRING,
    "state": {"enum": list(ItemState)},
    "stage": or_null({"enum": list(Stage)}),
    "attempt": INTEGER,
    "size": INTEGER,
    "sha256": STRING,
    "faces": or_null(INTEGER),
    "seconds": or_null(NUMBER),
    "result": or_null(STRING),
    "error": or_null(FAILURE),
    "warnings": array_of(STRING),
    "options": or_null(ANYTHING),
}
_VERSION = {
    "job": STRING,
    "state": {"enum": list(RESTORED_ITEMS)},
    "options": ANYTHING,
    "model": or_null(STRING),
    "turn": INTEGER,
    "created": NUMBER,
}
_EVENT = {
    "seq": INTEGER,
    "job": STRING,
    "type": {"enum": ["job", "item", "stage"]},
    "item": or_null(INTEGER),
    "name": or_null(STRING),
    "state": or_null(STRING),
    "stage": or_null(STRING),
    "faces": or_null(INTEGER),
    "seconds": or_null(NUMBER),
    "error": or_null(ANYTHING),
    "result": or_null(STRING),
    "percent": or_null(INTEGER),
    "counts": COUNTS,
    "eta_seconds": or_null(INTEGER),
}
_MODEL = {
    "name": STRING,
    "task": STRING,
    "size": or_null(INTEGER),
    "scale": or_null(INTEGER),
    "purpose": STRING,
    "licence": STRING,
    "megabytes": or_null(NUMBER),
    "downloadable": BOOLEAN,
    "installed": BOOLEAN,
    "active": BOOLEAN,
    "is_default": BOOLEAN,
    "problem": or_null(STRING),
    "path": or_null(STRING),
    "download": or_null(
        object_of({"done": INTEGER, "total": INTEGER, "state": STRING, "error": or_null(STRING)})
    ),
}
_FAST_MODE = object_of(
    {
        "is_on": BOOLEAN,
        "is_chosen": BOOLEAN,
        "decibels": or_null(NUMBER),
        "gain": or_null(NUMBER),
    }
)
_MODELS = {
    "models": array_of(named("Model")),
    "engine": ENGINE,
    "fast_mode": or_null(_FAST_MODE),
}
_HEALTH = {
    "status": {"enum": ["idle", "loading", "ready", "failed"]},
    "alive": BOOLEAN,
    "ready": BOOLEAN,
    "message": or_null(STRING),
    "model": STRING,
    "workers": INTEGER,
    "busy": INTEGER,
    "stuck": INTEGER,
    "watchers": INTEGER,
}

_MACHINE = {
    "id": STRING,
    "name": STRING,
    "is_here": BOOLEAN,
    "state": STRING,
    "reason": or_null(STRING),
    "problem": or_null(STRING),
    "kind": STRING,
    "device": or_null(STRING),
    "engine": or_null(STRING),
    "slots": INTEGER,
    "busy": INTEGER,
    "heard_seconds": or_null(NUMBER),
    "restored": INTEGER,
    "failed": INTEGER,
    "per_minute": NUMBER,
    "share": NUMBER,
    "in_progress": array_of(
        object_of(
            {
                "job": STRING,
                "album": STRING,
                "item": INTEGER,
                "name": STRING,
                "stage": STRING,
                "seconds": NUMBER,
            }
        )
    ),
}

SCHEMAS: dict[str, Schema] = {
    "Options": object_of(option_schemas(), optional=tuple(OPTIONS), more=False),
    "Job": object_of(_JOB),
    "JobWithItems": object_of(
        {**_JOB, "items": array_of(named("Item")), "machines": array_of(named("MachineShare"))}
    ),
    "MachineShare": object_of({"name": STRING, "kind": STRING, "photos": INTEGER}),
    "Machine": object_of(_MACHINE),
    "Machines": object_of(
        {
            "cluster": BOOLEAN,
            "machines": array_of(named("Machine")),
            "waiting": INTEGER,
            "same_bytes": BOOLEAN,
            "join": STRING,
            "broker": object_of({"used": BOOLEAN, "problem": or_null(STRING)}),
        },
        optional=("waiting", "same_bytes", "join", "broker"),
    ),
    "Item": object_of(_ITEM),
    "ItemWithReport": object_of({**_ITEM, "report": or_null(ANYTHING)}),
    "Preset": object_of({"id": STRING, "name": STRING, "options": ANYTHING}, more=False),
    "Suggestion": object_of(
        {"options": ANYTHING, "reason": STRING, "is_automatic": BOOLEAN}, more=False
    ),
    "Version": object_of(_VERSION, more=False),
    "Event": object_of(_EVENT, more=False),
    "LeftOut": object_of({"path": STRING, "why": STRING, "detail": STRING}),
    "Model": object_of(_MODEL, more=False),
    "ModelState": object_of(_MODELS),
    "ModelsAndSettings": object_of(
        {**_MODELS, "settings": ANYTHING, "last_speed": or_null(NUMBER)}
    ),
    "Health": object_of(_HEALTH),
    "Error": object_of({"error": object_of({"code": STRING, "message": STRING})}),
}
