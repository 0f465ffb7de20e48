"""Presets of the user's own: settings under a name, for every browser of this server.

They lie in the outputs folder, so that a phone and a desktop have the same ones.
"""

from __future__ import annotations

import json
import logging
import secrets
import unicodedata
from pathlib import Path
from threading import Lock
from typing import Any

from flask import Blueprint, Response, current_app, jsonify

from gpen_webui.files.atomic import write_atomically
from gpen_webui.option_kinds import OptionError
from gpen_webui.options import OPTIONS, RestoreOptions
from gpen_webui.web.context import json_body, options_in, text_of
from gpen_webui.web.errors import BadRequestError, NoRoomError, UnknownPresetError

log = logging.getLogger(__name__)

FILE = Path(".gpen-webui") / "presets.json"
DAMAGED = ".damaged"  # suffix of a file that could not be read, which is kept
MOST = 50
LONGEST_NAME = 60  # characters
# What belongs to one photo or one machine has no place in a preset.
KEPT = tuple(name for name, option in OPTIONS.items() if option.label or name == "preset")

BLANK = "\u115f\u1160\u2800\u3164\uffa0"  # called letters or symbols, and never drawn

Preset = dict[str, Any]

blueprint = Blueprint("presets", __name__, url_prefix="/api/presets")


class OwnPresets:
    """The presets in their file, in the order in which they were made. Thread-safe."""

    def __init__(self, outputs: Path):
        self._file = outputs / FILE
        self._lock = Lock()

    def all(self) -> list[Preset]:
        """Each with its id, its name and its options."""
        with self._lock:
            return self._read()

    def save(self, name: str, options: RestoreOptions) -> Preset:
        """Keep options under a name; a preset of that name is replaced. Raises BadRequestError."""
        name = _checked_name(name)
        values = {key: value for key, value in options.as_dict().items() if key in KEPT}
        with self._lock:
            presets = self._read()
            found = _of_name(presets, name)
            if found is None:
                if len(presets) >= MOST:
                    raise BadRequestError(f"There are {MOST} presets already; delete one first.")
                found = {"id": secrets.token_hex(4)}
                presets.append(found)
            found |= {"name": name, "options": values}
            self._write(presets)
            return found

    def rename(self, preset_id: str, name: str) -> Preset:
        """Give one another name. Raises UnknownPresetError, BadRequestError."""
        name = _checked_name(name)
        with self._lock:
            presets = self._read()
            found = _of_id(presets, preset_id)
            if _of_name(presets, name) not in (None, found):
                raise BadRequestError(f"There is a preset “{name}” already; choose another name.")
            found["name"] = name
            self._write(presets)
            return found

    def delete(self, preset_id: str) -> None:
        """Raises UnknownPresetError."""
        with self._lock:
            presets = self._read()
            presets.remove(_of_id(presets, preset_id))
            self._write(presets)

    def _read(self) -> list[Preset]:
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except OSError:
            log.exception("the presets cannot be read")
            return []
        try:
            return [_known(preset) for preset in json.loads(text)["presets"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            kept = self._file.with_suffix(DAMAGED)
            log.exception("the presets are damaged; their file is kept as %s", kept)
            self._file.replace(kept)
            return []

    def _write(self, presets: list[Preset]) -> None:
        text = json.dumps({"presets": presets}, ensure_ascii=False, indent=1)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, text.encode())
        except OSError as error:
            raise NoRoomError(
                f"The presets cannot be kept in {self._file.parent} ({error.strerror or error}); "
                "make room, or check the folder and its permissions."
            ) from error


@blueprint.get("")
def list_presets() -> Response:
    """The user's own presets."""
    return jsonify(presets=_presets().all())


@blueprint.post("")
def save_preset() -> tuple[Response, int]:
    """Keep settings under a name; those of the same name are replaced."""
    body = json_body()
    options = options_in(body)
    return jsonify(_presets().save(text_of(body, "name", ""), options)), 201


@blueprint.post("/<preset_id>")
def rename_preset(preset_id: str) -> Response:
    """Give one another name."""
    return jsonify(_presets().rename(preset_id, text_of(json_body(), "name", "")))


@blueprint.delete("/<preset_id>")
def delete_preset(preset_id: str) -> Response:
    """Remove one."""
    _presets().delete(preset_id)
    return jsonify(deleted=preset_id)


def _presets() -> OwnPresets:
    return current_app.extensions["presets"]


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not any(map(_is_seen, name)) or len(name) > LONGEST_NAME:
        raise BadRequestError(f"Give the preset a name of 1 to {LONGEST_NAME} characters.")
    return name


def _is_seen(character: str) -> bool:
    """Whether it leaves a mark, and is neither a space, a control, a format character nor blank."""
    return unicodedata.category(character)[0] in "LNPS" and character not in BLANK


def _of_name(presets: list[Preset], name: str) -> Preset | None:
    return next((each for each in presets if each["name"].casefold() == name.casefold()), None)


def _of_id(presets: list[Preset], preset_id: str) -> Preset:
    for each in presets:
        if each["id"] == preset_id:
            return each
    raise UnknownPresetError("This preset is no longer there; another window has deleted it.")


def _known(preset: Preset) -> Preset:
    """A preset as this version knows it: options and values that it does not know are left out."""
    options = {}
    for name, value in preset["options"].items():
        try:
            if name in KEPT:
                options[name] = OPTIONS[name].parse(name, value)
        except OptionError:
            log.warning("the preset %s has an unknown value of %s", preset["id"], name)
    return {"id": str(preset["id"]), "name": str(preset["name"]), "options": options}
