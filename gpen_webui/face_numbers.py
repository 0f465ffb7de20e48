"""The texts by which a user names faces of a photo: `1,3`, `2=40,3=0`, `1=10,20,110,150;2=...`;
and draws boxes around others: `10,20,100,130;...`.

Faces have the numbers under which the report lists them, from 1 on. Programs may send the same as
JSON, a list or an object; what is kept is always the text, faces in order, each once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the photo
DrawnBox = tuple[int, int, int, int]  # left, top, width, height in pixels of the photo
Value = TypeVar("Value")

MOST = 10_000  # faces of a photo
MOST_DRAWN = 100  # boxes that somebody drew around faces
LEAST_DRAWN = 4  # pixels of such a box's sides
NUMBER = re.compile(r"[0-9]{1,5}")


def read_numbers(value: object) -> list[int]:
    """The faces that a text or a JSON list names. Raises ValueError."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, Sequence) or len(value) > MOST:
        raise ValueError
    return sorted({_number(each) for each in value})


def write_numbers(numbers: list[int]) -> str:
    """The text that `read_numbers` reads."""
    return ",".join(map(str, numbers))


def read_values(
    value: object, read: Callable[[object], Value], separator: str = ","
) -> dict[int, Value]:
    """What a text or a JSON object says of each face that it names. Raises ValueError."""
    if isinstance(value, str):
        parts = [part.partition("=") for part in value.split(separator) if part.strip()]
        if not all(equals for _, equals, _ in parts):
            raise ValueError
        pairs: list[tuple[object, object]] = [(name, text.strip()) for name, _, text in parts]
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        raise ValueError
    if len(pairs) > MOST:
        raise ValueError
    values = {_number(name): read(each) for name, each in pairs}
    if len(values) < len(pairs):
        raise ValueError  # a face named twice, and nobody can tell which of the two is meant
    return dict(sorted(values.items()))


def write_values(values: Mapping[int, object], separator: str = ",") -> str:
    """The text that `read_values` reads."""
    return separator.join(f"{number}={value}" for number, value in values.items())


def read_box(value: object) -> Box:
    """A box, of a text or a JSON list of four numbers. Raises ValueError."""
    left, top, right, bottom = _four_numbers(value)
    if not (-1e6 < left < right < 1e6 and -1e6 < top < bottom < 1e6):  # no nan either
        raise ValueError
    return left, top, right, bottom


def write_box(box: Box | DrawnBox) -> str:
    """The four numbers of a box, as they are read."""
    return ",".join(str(side) if isinstance(side, int) else f"{side:g}" for side in box)


def read_drawn_boxes(value: object) -> list[DrawnBox]:
    """The boxes of a text, `10,20,100,130;300,40,90,120`, or of a JSON list of lists or texts, in
    their order, each once. Raises ValueError, OverflowError."""
    if isinstance(value, str):
        value = [part for part in value.split(";") if part.strip()]
    if not isinstance(value, Sequence) or len(value) > MOST_DRAWN:
        raise ValueError
    return list(dict.fromkeys(_drawn_box(each) for each in value))


def write_drawn_boxes(boxes: Sequence[DrawnBox]) -> str:
    """The text that `read_drawn_boxes` reads."""
    return ";".join(map(write_box, boxes))


def _drawn_box(value: object) -> DrawnBox:
    left, top, width, height = (round(number) for number in _four_numbers(value))
    if not (abs(left) < 1e6 and abs(top) < 1e6):
        raise ValueError
    if not (LEAST_DRAWN <= width < 1e6 and LEAST_DRAWN <= height < 1e6):
        raise ValueError
    return left, top, width, height


def _four_numbers(value: object) -> Box:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or len(parts) != 4:
        raise ValueError
    try:
        first, second, third, fourth = (float(part) for part in parts)
    except TypeError as error:  # JSON's null, a list in the list
        raise ValueError from error
    return first, second, third, fourth


def _number(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not NUMBER.fullmatch(text) or not 1 <= int(text) <= MOST:
        raise ValueError
    return int(text)
