"""Options that single photos of an album shall have of their own, as requests bring them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import request

from gpen_webui.errors import UserError
from gpen_webui.options import OptionError
from gpen_webui.web.context import parse_options
from gpen_webui.web.errors import BadRequestError

BY_PHOTO = "photo_options"  # the field of a request that brings several photos


def own_options(name: str, values: object) -> dict[str, Any]:
    """Those that a photo shall have of its own, by name, checked; it follows its album in others.

    name: the photo's. Raises OptionError, naming the photo.
    """
    try:
        options = parse_options(values).as_dict()
    except UserError as error:
        whose = f"The settings of {name} cannot be used."
        raise OptionError(f"{whose} {error}") from error
    assert isinstance(values, dict)
    return {option: options[option] for option in values}


def own_options_in_form(name: str) -> dict[str, Any]:
    """The same from the field “options” of a form that brings one photo."""
    text = request.form.get("options")
    return own_options(name, _parsed("options", text)) if text else {}


def options_by_photo_in_form(names: Sequence[str]) -> list[dict[str, Any]]:
    """Those of each photo, from a form's field; names: of the photos, in their order."""
    text = request.form.get(BY_PHOTO)
    return options_by_photo(_parsed(BY_PHOTO, text) if text else {}, [{name} for name in names])


def options_by_photo(values: object, photos: Sequence[set[str]]) -> list[dict[str, Any]]:
    """Those of each photo, of a JSON object that has them by the photos' names.

    photos: what each may be called. Raises BadRequestError for a name that is no photo's, and
    OptionError, naming the photo.
    """
    if not isinstance(values, Mapping):
        raise BadRequestError(
            f"{BY_PHOTO} must be a JSON object that has options by the names of photos."
        )
    known = {name for names in photos for name in names}
    for name in values:
        if name not in known:
            raise BadRequestError(
                f"{BY_PHOTO} names “{name}”, but no such photo is in this album; use the photo's "
                "own name, with its folders."
            )
    checked = {name: own_options(name, own) for name, own in values.items()}
    found: list[dict[str, Any]] = [{} for _ in photos]
    for options, names in zip(found, photos, strict=True):
        for name in names & checked.keys():
            options |= checked[name]
    return found


def _parsed(field: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"{field} must be a JSON object, as text.") from error
