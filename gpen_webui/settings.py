"""Where things lie and how the server behaves: defaults < environment < command line."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from gpen_webui.errors import UserError
from gpen_webui.folders import DATA
from gpen_webui.logs import FORMATS, LEVELS

Value = TypeVar("Value")

ENVIRONMENT_PREFIX = "GPEN_WEBUI_"
SHORTEST_TOKEN = 12  # characters
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("exact", "fast", "auto")
NO_BROKER = "none"  # the workers ask by themselves
BASE_PATH = r"(/[\w.~-]+)*"  # under which the pages may lie; empty for the top


class SettingsError(UserError):
    """A setting has a value that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """All settings; each can be given as environment variable GPEN_WEBUI_<NAME>.

    What is empty is missing, wherever it comes from: compose files and scripts pass on
    variables that nobody has set.
    workers 0 means as many as suit the machine; max_photo_seconds and max_store_gb 0 mean
    no limit; album_roots are the folders whose photos an API client may name by path.
    public_url: where browsers find the pages if that is not where the server listens;
    base_path: the path of that; trusted_proxies: addresses and networks (web/proxy.py).
    cluster: let other machines help: where their tickets are kept, or “none” for no tickets;
    cluster_key: the key with which they join, instead of one that is made; same_bytes: an album
    stays with the kind of machine that it began with; lease_seconds: of silence, then a
    machine's photos are given to others.
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
    public_url: str | None = None
    base_path: str = ""
    trusted_proxies: tuple[str, ...] = ()
    cluster: str | None = None
    cluster_key: str | None = None
    same_bytes: bool = False
    lease_seconds: int = 20
    log_level: str = "info"
    log_format: str = "text"

    def __post_init__(self) -> None:
        """Raises SettingsError for a token that would guard nothing, for odd logs, and for
        addresses that are none."""
        if self.token is not None:
            _check_token(self.token)
        _check_choice("log_level", self.log_level, LEVELS)
        _check_choice("log_format", self.log_format, FORMATS)
        if self.public_url:
            _check_public_url(self.public_url)
        base_path = self.base_path or urlsplit(self.public_url or "").path
        object.__setattr__(self, "base_path", _checked_path(base_path))
        for address in self.trusted_proxies:
            _check_network(address)
        if self.cluster:
            _check_cluster(self.cluster)
        if self.cluster_key is not None and len(self.cluster_key) < SHORTEST_TOKEN:
            raise SettingsError(
                f"The join key has {len(self.cluster_key)} characters and can be guessed; choose "
                f"at least {SHORTEST_TOKEN}, or leave GPEN_WEBUI_CLUSTER_KEY out."
            )

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


def _check_public_url(address: str) -> None:
    try:
        parts = urlsplit(address)
        is_whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.query or parts.fragment or parts.username:
        raise SettingsError(
            f"public_url is “{address}”, but must be an address as browsers know it, like "
            "https://photos.example.org or https://example.org/gpen."
        )


def is_redis(address: str) -> bool:
    """Whether this is the address of a Redis server."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_cluster(address: str) -> None:
    if address != NO_BROKER and not is_redis(address):
        raise SettingsError(
            f"cluster is “{address}”, but must be the address of a Redis server, like "
            f"redis://localhost, or {NO_BROKER}."
        )


def _checked_path(path: str) -> str:
    """The path without a slash at its end. Raises SettingsError."""
    path = path.rstrip("/")
    if not re.fullmatch(BASE_PATH, path, re.ASCII):
        raise SettingsError(
            f"base_path is “{path}”, but must be a path of letters, digits, dots and dashes, "
            "like /gpen."
        )
    return path


def _check_network(address: str) -> None:
    try:
        ipaddress.ip_network(address)
    except ValueError:
        raise SettingsError(
            f"trusted_proxies has “{address}”, but must be the address or the network of a "
            "proxy, like 127.0.0.1 or 172.16.0.0/12."
        ) from None


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
    if name == "trusted_proxies":
        return tuple(text.replace(",", " ").split())
    if isinstance(default, tuple):
        return tuple(Path(part) for part in text.split(os.pathsep) if part)
    return text
