"""Where things lie and how the server behaves: defaults < environment < command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from gpen_webui.errors import UserError
from gpen_webui.folders import DATA
from gpen_webui.logs import FORMATS, LEVELS

Value = TypeVar("Value")

ENVIRONMENT_PREFIX = "GPEN_WEBUI_"
SHORTEST_TOKEN = 12  # characters
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("exact", "fast", "auto")


class SettingsError(UserError):
    """A setting has a value that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """All settings; each can be given as environment variable GPEN_WEBUI_<NAME>.

    What is empty is missing, wherever it comes from: compose files and scripts pass on
    variables that nobody has set.
    workers 0 means as many as suit the machine; max_photo_seconds and max_store_gb 0 mean
    no limit; album_roots are the folders whose photos an API client may name by path.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    outputs: Path = DATA / "outputs"
    models: Path = DATA / "models"
    album_roots: tuple[Path, ...] = ()
    model: str | None = None
    device: str = "auto"
    precision: str = "exact"
    workers: int = 0
    max_photo_seconds: int = 0
    max_megapixels: int = 100
    max_file_mb: int = 200
    max_request_mb: int = 2000
    max_store_gb: int = 0
    open_browser: bool = True
    token: str | None = None
    log_level: str = "info"
    log_format: str = "text"

    def __post_init__(self) -> None:
        """Raises SettingsError for a token that would guard nothing, and for odd logs."""
        if self.token is not None:
            _check_token(self.token)
        _check_choice("log_level", self.log_level, LEVELS)
        _check_choice("log_format", self.log_format, FORMATS)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, **command_line: object
    ) -> Settings:
        """Settings from the environment, overruled by every argument that is not missing.

        Raises SettingsError where a value does not fit its setting.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}  # each of its field's type
        for field in fields(cls):
            text = environment.get(ENVIRONMENT_PREFIX + field.name.upper(), "").strip()
            if text:
                values[field.name] = _parse(field.name, text)
        for name, value in command_line.items():
            value = value.strip() if isinstance(value, str) else value
            if value not in (None, "", ()):
                values[name] = value
        return replace(cls(), **values)


def or_missing(parse: Callable[[str], Value]) -> Callable[[str], Value | None]:
    """An argparse type for a setting: what is empty is missing (None)."""

    def parse_or_miss(text: str) -> Value | None:
        return parse(text) if text.strip() else None

    parse_or_miss.__name__ = getattr(parse, "__name__", "value")  # argparse names it
    return parse_or_miss


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{name} is “{value}”, but must be one of {', '.join(choices)}.")


def _check_token(token: str) -> None:
    if len(token) < SHORTEST_TOKEN:
        raise SettingsError(
            f"The token has {len(token)} characters and can be guessed; choose at least "
            f"{SHORTEST_TOKEN}, or leave --token and GPEN_WEBUI_TOKEN out."
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError(
            "The token may hold English letters, digits and signs, but no spaces, or browsers "
            "and programs could not send it; choose another one."
        )


def _parse(name: str, text: str) -> object:
    default = getattr(Settings, name)
    if isinstance(default, bool):
        return text.lower() not in ("0", "false", "no", "off")
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError:
            variable = ENVIRONMENT_PREFIX + name.upper()
            raise SettingsError(f"{variable} is “{text}”, but must be a whole number.") from None
    if isinstance(default, Path):
        return Path(text)
    if isinstance(default, tuple):
        return tuple(Path(part) for part in text.split(os.pathsep) if part)
    return text
