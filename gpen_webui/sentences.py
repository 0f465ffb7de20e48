"""The server's sentences in the reader's language: errors, warnings, how the engine runs.

They are made in English wherever they arise, and stored so. On their way to a page they are
recognised, blanks and all, by the texts in translations/*/LC_MESSAGES/sentences.po, which
`python -m tests.sentences` collects from the code. What is not recognised stays as it is.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

TRANSLATIONS = Path(__file__).resolve().parent / "web" / "translations"
# Where an answer of the API holds sentences.
FIELDS = frozenset(
    ("message", "reason", "problem", "remark", "engine", "warnings", "notes", "licence")
)
BLANK = re.compile(r"\{(\w+)\}")
BETWEEN = re.compile(r"(?<=[.!?]) +")  # two sentences
LITTLE_ENDIAN = b"\xde\x12\x04\x95"  # how such a catalog begins
LONGEST = 2000  # characters; what is longer is no sentence of ours
DEEPEST = 3  # phrases within blanks


@dataclass(frozen=True)
class Sentence:
    """text: English. words: of the other language, with the same {blanks}. mark: the longest piece
    between its blanks, without which a text need not be compared. length: of all that is not
    blank."""

    text: str
    words: str
    mark: str
    length: int

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Of the English text; making it takes longer than reading all texts."""
        return _pattern(self.text)


def in_language(text: str, language: str) -> str:
    """A text of one sentence or several in a language; English where it is not known."""
    if language == "en" or len(text) > LONGEST:
        return text
    return _translate(text, language, DEEPEST)


def answer_in_language(value: Any, language: str) -> Any:
    """The same JSON value, with its sentences in a language."""
    if language == "en":
        return value
    return _in_fields(value, lambda text: in_language(text, language))


def _in_fields(value: Any, translate: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {
            name: _in_texts(each, translate) if name in FIELDS else _in_fields(each, translate)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_in_fields(each, translate) for each in value]
    return value


def _in_texts(value: Any, translate: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return translate(value)
    if isinstance(value, list | tuple):
        return [translate(each) if isinstance(each, str) else each for each in value]
    return _in_fields(value, translate)


def _translate(text: str, language: str, depth: int) -> str:
    if (whole := _whole(text, language, depth)) is not None:
        return whole
    parts = BETWEEN.split(text)
    for count in range(len(parts) - 1, 0, -1):
        first = _whole(" ".join(parts[:count]), language, depth)
        if first is not None:
            return first + _translate(" ".join(parts[count:]), language, depth)
    return text


def _whole(text: str, language: str, depth: int) -> str | None:
    for sentence in _sentences(language):
        if sentence.mark in text and (match := sentence.pattern.fullmatch(text)):
            values = match.groupdict()
            if depth:
                values = {
                    name: _translate(value, language, depth - 1) for name, value in values.items()
                }
            return sentence.words.format_map(values)
    return None


@lru_cache
def _sentences(language: str) -> list[Sentence]:
    """Those with the most words of their own first: they say the most about a text."""
    texts = _read(TRANSLATIONS / language / "LC_MESSAGES" / "sentences.mo")
    found = [
        Sentence(text, words, max(_between(text), key=len), len(BLANK.sub("", text)))
        for text, words in texts.items()
        if text and words
    ]
    return sorted(found, key=lambda sentence: -sentence.length)


def _read(catalog: Path) -> dict[str, str]:
    """The texts of a compiled catalog and their translations (GNU gettext manual, “The Format of
    GNU MO Files”). Babel reads it too, but takes longer to load than to read."""
    content = catalog.read_bytes()
    order = "<" if content.startswith(LITTLE_ENDIAN) else ">"
    count, *tables = struct.unpack_from(f"{order}3I", content, 8)
    originals, translations = (
        struct.unpack_from(f"{order}{2 * count}I", content, table) for table in tables
    )
    return {
        _string(content, *originals[at : at + 2]): _string(content, *translations[at : at + 2])
        for at in range(0, 2 * count, 2)
    }


def _string(content: bytes, length: int, start: int) -> str:
    return content[start : start + length].decode()


def _pattern(text: str) -> re.Pattern[str]:
    """What matches the text with anything in its blanks; a blank's second place as its first."""
    pieces, names = _between(text), BLANK.findall(text)
    pattern = re.escape(pieces[0])
    for place, (name, piece) in enumerate(zip(names, pieces[1:], strict=True)):
        is_known = name in names[:place]
        pattern += (f"(?P={name})" if is_known else f"(?P<{name}>.+?)") + re.escape(piece)
    return re.compile(pattern, re.DOTALL)


def _between(text: str) -> list[str]:
    """The pieces before, between and behind the blanks."""
    return [piece.replace("{{", "{").replace("}}", "}") for piece in BLANK.split(text)[::2]]
