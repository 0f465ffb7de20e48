"""File names that programs trip over, as bytes: not all of them are text."""

from __future__ import annotations

NAMES = [
    "line\nbreak.jpg",
    "carriage\rreturn.jpg",
    "tab\tulator.jpg",
    'quote".jpg',
    "quote'.jpg",
    "back\\slash.jpg",
    "dots..jpg",
    "a.jpg..jpg",
    "%2f..%2f..%2fetc%2fpasswd.jpg",
    "<script>alert(1)<script>.jpg",
    "$(touch owned).jpg",
    "`touch owned`.jpg",
    "; touch owned;.jpg",
    "-rf.jpg",
    "--help.jpg",
    " leading and trailing .jpg",
    "dots....jpg",
    "CON.jpg",
    "aux.jpg",
    "report.json.jpg",
    "question?star*.jpg",
    "\x1b[2J\x1b[31mcolour\x1b]0;title\x07.jpg",
    "\x7f\x08\x08delete.jpg",
    "right\u202egpj.to\u202c-left.jpg",
    "\u200f\u200emarks.jpg",
    "\U0001f475\U0001f3fd grandmother \u2764\ufe0f.jpg",
    "\u7956\u6bcd.jpg",
    "cafe\u0301.jpg",
    "caf\u00e9.jpg",
    "Same.jpg",
    "same.jpg",
    "SAME.JPG",
    "stra\u00dfe.jpg",
    "STRASSE.jpg",
    "n" * 251 + ".jpg",
    "\u7956" * 83 + ".jpg",
    "percent%s%d%n{0}.jpg",
    b"not \xff\xfe utf-8.jpg",
]


def as_bytes() -> list[bytes]:
    """Each name as a POSIX file system takes it."""
    return [name if isinstance(name, bytes) else name.encode() for name in NAMES]
