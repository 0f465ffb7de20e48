"""The kinds of options: what each takes, from a text or as JSON, and how it is told."""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, SupportsFloat

from gpen_webui.errors import UserError
from gpen_webui.face_numbers import (
    LEAST_DRAWN,
    read_box,
    read_drawn_boxes,
    read_numbers,
    read_values,
    write_box,
    write_drawn_boxes,
    write_numbers,
    write_values,
)
from gpen_webui.states import Stage

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_MASK_BYTES = 2_000_000  # in black and white; more is no mask that somebody painted
PIXELS = re.compile(r"[0-9]{1,6}")
LONGEST_NAME = 200  # of a model, in characters
NOT_IN_NAMES = set("/\\\0\n\r")
YES, NO = ("1", "true", "on", "yes"), ("0", "false", "off", "no", "")


def N_(text: str) -> str:  # noqa: N802 - the name by which the tools for translations find it
    """Mark a text of the page, which is translated where it is shown."""
    return text


class OptionError(UserError):
    """An option has an unknown name or a value out of its range."""


class Group(StrEnum):
    """Where an option stands in help texts and on the page."""

    LOOK = "how the result looks"
    WHOLE = "the whole photo"
    TOUCHES = "finishing touches"
    FILE = "faces and files"
    FACES = "single faces of one photo"


@dataclass(frozen=True)
class Option(ABC):
    """What every entry point needs to know of one option.

    help: for the command line and the documents. label: on the page; None where the page does
    not offer it. group: what it stands beside. in_presets: whether a preset of the page, which
    goes by the photo's condition, decides on it. kept_for: the stages whose kept results hold
    only for this value.
    """

    help: str
    group: Group
    label: str | None = None
    in_presets: bool = True
    kept_for: tuple[Stage, ...] = ()

    @abstractmethod
    def parse(self, name: str, value: object) -> Any:
        """The value meant by a text or a JSON value. Raises OptionError, naming the option."""

    @abstractmethod
    def values(self) -> str:
        """Which values it takes, in words."""

    def json_schema(self) -> dict[str, object]:
        """The same as a JSON schema; of what is kept as text, no more than that."""
        return {"type": "string"}


@dataclass(frozen=True)
class WholeNumber(Option):
    """A number from low to high, both included. unit: what it counts, for help texts."""

    low: int = 0
    high: int = 100
    unit: str = ""

    def parse(self, name: str, value: object) -> int:
        try:
            number = float(value) if isinstance(value, str | SupportsFloat) else math.nan
            whole = int(number)
        except (ValueError, OverflowError):
            whole, number = self.low - 1, self.low - 1
        if isinstance(value, bool) or whole != number or not self.low <= whole <= self.high:
            raise OptionError(
                f"{name} is “{value}”, but must be a whole number, {self.low} to {self.high}."
            )
        return whole

    def values(self) -> str:
        return f"{self.low} to {self.high}"

    def json_schema(self) -> dict[str, object]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True)
class Choice(Option):
    """One of several words. labels: what the page calls each. hints: and what it adds to that.
    needs: the task of a model without which the page does not offer it."""

    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    needs: str = ""

    def parse(self, name: str, value: object) -> str:
        text = str(value) if type(value) is int else value  # JSON's 2 is the choice "2"
        if text not in self.choices:
            choices = ", ".join(self.choices)
            raise OptionError(f"{name} is “{value}”, but must be one of {choices}.")
        return str(text)

    def values(self) -> str:
        return ", ".join(self.choices)

    def json_schema(self) -> dict[str, object]:
        return {"type": "string", "enum": list(self.choices)}


@dataclass(frozen=True)
class Switch(Option):
    """On or off."""

    def parse(self, name: str, value: object) -> bool:
        text = str(value).strip().lower()
        if text not in YES + NO:
            raise OptionError(f"{name} is “{value}”, but must be on or off.")
        return text in YES

    def values(self) -> str:
        return "on, off"

    def json_schema(self) -> dict[str, object]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class FaceList(Option):
    """Some of the photo's faces, by number; kept as text."""

    def parse(self, name: str, value: object) -> str:
        try:
            return write_numbers(read_numbers(value))
        except ValueError:
            raise OptionError(
                f"{name} is “{value}”, but must be numbers of faces, like 1,3."
            ) from None

    def values(self) -> str:
        return "numbers, as 1,3"


@dataclass(frozen=True)
class FaceValues(Option):
    """A value for some of the photo's faces, by number; kept as text.

    of: what each value must be. example: one, for help texts.
    """

    of: Option = field(kw_only=True)
    example: str = field(kw_only=True)

    def parse(self, name: str, value: object) -> str:
        try:
            return write_values(read_values(value, lambda each: self.of.parse(name, each)))
        except ValueError:
            raise OptionError(
                f"{name} is “{value}”, but must give faces by number, like {self.example}."
            ) from None

    def values(self) -> str:
        return f"as {self.example}; {self.of.values()}"


@dataclass(frozen=True)
class FaceBoxes(Option):
    """Where some of the photo's faces are, by number; kept as text."""

    def parse(self, name: str, value: object) -> str:
        try:
            boxes = read_values(value, read_box, ";")
        except (ValueError, OverflowError):
            raise OptionError(
                f"{name} is “{value}”, but must give left, top, right and bottom of faces by "
                "number, like 1=10,20,110,150;2=200,30,280,140."
            ) from None
        return write_values({n: write_box(box) for n, box in boxes.items()}, ";")

    def values(self) -> str:
        return "as 1=10,20,110,150;2=200,30,280,140"


@dataclass(frozen=True)
class ModelName(Option):
    """The name of an installed model; empty where none is named. none: what the page calls that."""

    none: str = ""

    def parse(self, name: str, value: object) -> str:
        if not isinstance(value, str) or len(value) > LONGEST_NAME or set(value) & NOT_IN_NAMES:
            raise OptionError(
                f"{name} is “{value}”, but must be the name of a model in the models folder."
            )
        return value.strip()

    def values(self) -> str:
        return "a model's name"

    def json_schema(self) -> dict[str, object]:
        return {"type": "string", "maxLength": LONGEST_NAME}


@dataclass(frozen=True)
class CropBox(Option):
    """A part of the photo; kept as text, which is empty for the whole of it."""

    def parse(self, name: str, value: object) -> str:
        parts = value.split(",") if isinstance(value, str) else value
        if value == "" or parts == []:
            return ""
        try:
            if not isinstance(parts, Sequence) or isinstance(parts, bytes):
                raise ValueError
            left, top, width, height = (_pixels(part) for part in parts)
            if not width or not height:
                raise ValueError
        except ValueError:
            raise OptionError(
                f"{name} is “{value}”, but must be left, top, width and height in whole pixels, "
                "like 120,80,600,400."
            ) from None
        return f"{left},{top},{width},{height}"

    def values(self) -> str:
        return "left, top, width, height in pixels"


@dataclass(frozen=True)
class DrawnBoxes(Option):
    """Boxes that the user drew around faces which were missed; kept as text, in their order."""

    def parse(self, name: str, value: object) -> str:
        try:
            return write_drawn_boxes(read_drawn_boxes(value))
        except (ValueError, OverflowError):
            raise OptionError(
                f"{name} is “{value}”, but must give left, top, width and height of boxes in "
                f"pixels of the photo, like 10,20,100,130, at least {LEAST_DRAWN} wide and high."
            ) from None

    def values(self) -> str:
        return "left, top, width, height in pixels, as 10,20,100,130"


def read_crop(text: str) -> tuple[int, int, int, int]:
    """Left, top, width and height of the text that CropBox keeps, in pixels."""
    left, top, width, height = map(int, text.split(","))
    return left, top, width, height


def _pixels(value: object) -> int:
    """A whole number of pixels, of a text or of JSON. Raises ValueError."""
    text = str(value).strip()
    if isinstance(value, bool) or not PIXELS.fullmatch(text):
        raise ValueError
    return int(text)


@dataclass(frozen=True)
class Mask(Option):
    """A picture in black and white, of one photo's size: a PNG as base64 text; empty for none."""

    def parse(self, name: str, value: object) -> str:
        if not value:
            return ""
        try:
            data = base64.b64decode(str(value), validate=True)
            png_size(data)
        except (binascii.Error, ValueError) as error:
            raise OptionError(f"{name} must be a PNG as base64 text.") from error
        if len(data) > MOST_MASK_BYTES:
            raise OptionError(
                f"{name} has {len(data) // 1000} kB, but at most {MOST_MASK_BYTES // 1000} kB; "
                "save it in black and white alone, with less detail."
            )
        return str(value)

    def values(self) -> str:
        return "a picture as large as the photo, white where it is damaged"

    def json_schema(self) -> dict[str, object]:
        return {"type": "string", "contentEncoding": "base64"}


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height by a PNG's first chunk. Raises ValueError where it is none."""
    if len(data) < 33 or not data.startswith(PNG_SIGNATURE) or data[12:16] != b"IHDR":
        raise ValueError("this is no PNG")
    width, height = struct.unpack(">II", data[16:24])
    return width, height
