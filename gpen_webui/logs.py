"""The log: what happened to which photo, in a file in the outputs folder, never on the screen.

One record is one line, as text or as JSON; a traceback follows in lines that begin with a bar
(text) or is a field (JSON). Names of photos may hold anything, so whatever could begin a line
or turn the text around is written as an escape; the access token never gets into the file.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOG_NAME = Path(".gpen-webui") / "gpen-webui.log"
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
MAX_BYTES, KEPT_FILES = 2_000_000, 3
SECRET = re.compile(r"(token=|bearer\s+)[^\s&\"']+", re.IGNORECASE)

# What the records of this thread are about: worker, job, item, attempt.
_subject: ContextVar[dict[str, object]] = ContextVar("subject", default={})  # noqa: B039 - never changed


def log_to_file(outputs: Path, level: str = "info", format: str = "text") -> Path | None:
    """Send this package's log to `outputs`/.gpen-webui/gpen-webui.log and return its path.

    level: one of LEVELS. format: one of FORMATS. Where the file cannot be written there is no
    log (None), but everything else goes on.
    """
    path = outputs / LOG_NAME
    logger = logging.getLogger("gpen_webui")
    logger.setLevel(level.upper())
    logger.propagate = False
    for earlier in list(logger.handlers):
        logger.removeHandler(earlier)
        earlier.close()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            path, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8"
        )
    except OSError:
        logger.addHandler(logging.NullHandler())
        return None
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    logger.addHandler(handler)
    return path


@contextmanager
def about(**subject: object) -> Iterator[None]:
    """What this thread logs meanwhile is about this job, item, ..."""
    before = _subject.set({**_subject.get(), **subject})
    try:
        yield
    finally:
        _subject.reset(before)


class TextFormatter(logging.Formatter):
    """`time level logger: message [worker=... job=... item=... attempt=...]`"""

    def format(self, record: logging.LogRecord) -> str:
        subject = " ".join(f"{name}={value}" for name, value in _subject.get().items())
        message = record.getMessage() + (f" [{subject}]" if subject else "")
        line = f"{self.formatTime(record)} {record.levelname} {record.name}: {message}"
        traceback = self.formatException(record.exc_info) if record.exc_info else ""
        return "\n    | ".join(harmless(part) for part in [line, *traceback.splitlines()])


class JsonFormatter(logging.Formatter):
    """One object per line; `extra={"fields": {...}}` of a record adds its fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_subject.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return SECRET.sub(r"\1...", json.dumps(fields, default=str))


def harmless(text: str) -> str:
    """The text as a part of one line: without the token, other than printable signs escaped."""
    text = SECRET.sub(r"\1...", text)
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
