"""Dataclasses to JSON and back, with every value's type looked at on the way in."""

from __future__ import annotations

import math
import types
from collections.abc import Hashable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from gpen_webui.errors import UserError

Message = TypeVar("Message")


class MessageError(UserError):
    """A message of the cluster's protocol is not what it has to be."""


def to_json(message: Any) -> dict:
    """What `from_json` makes the same message of; lists and mappings in it are not copied, as they
    are by dataclasses.asdict, which takes several times as long."""
    return {field.name: _plain(getattr(message, field.name)) for field in fields(message)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_json(value)
    return [_plain(each) for each in value] if isinstance(value, list) else value


def from_json(kind: type[Message], value: object) -> Message:
    """The message that a JSON value holds; fields that are not known are left out.

    Raises MessageError where a field is missing or of another type.
    """
    if not isinstance(value, dict):
        raise MessageError(f"A {kind.__name__} must be a JSON object.")
    values = {}
    for field, hint in _fields_of(cast(Hashable, kind)):
        if field.name in value:
            values[field.name] = _checked(value[field.name], hint, field.name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise MessageError(f"A {kind.__name__} needs “{field.name}”.")
    return kind(**values)


@cache
def _fields_of(kind: Any) -> list[tuple[Field, Any]]:
    """A dataclass's fields, each with its type."""
    hints = get_type_hints(kind)
    return [(field, hints[field.name]) for field in fields(kind)]


def _checked(value: Any, hint: Any, name: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        [hint] = [each for each in arguments if each is not type(None)]
        return _checked(value, hint, name)
    if origin is list and isinstance(value, list):
        return [_checked(each, arguments[0], name) for each in value]
    if origin is dict and isinstance(value, dict):
        return {key: _checked(each, arguments[1], name) for key, each in value.items()}
    if isinstance(hint, type) and is_dataclass(hint):
        return from_json(hint, value)
    if hint is float and type(value) in (int, float):
        return _finite(value, name)
    if hint is dict:
        _check_numbers(value, name)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise MessageError(f"“{name}” is of the wrong type.")


def _check_numbers(value: Any, name: str) -> None:
    """Python reads NaN and Infinity, and would write them where no browser can read them."""
    if isinstance(value, float):
        _finite(value, name)
    elif isinstance(value, dict):
        for each in value.values():
            _check_numbers(each, name)
    elif isinstance(value, list):
        for each in value:
            _check_numbers(each, name)


def _finite(value: float, name: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise MessageError(f"“{name}” has a number that is none.")
    return number
