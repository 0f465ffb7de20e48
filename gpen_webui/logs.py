"""Where tracebacks go: a log file in the outputs folder, never the user's screen."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOG_NAME = Path(".gpen-webui") / "gpen-webui.log"


def log_to_file(outputs: Path) -> Path | None:
    """Send this package's log to `outputs`/.gpen-webui/gpen-webui.log and return its path.

    Where that cannot be written there is no log (None), but everything else goes on.
    """
    path = outputs / LOG_NAME
    logger = logging.getLogger("gpen_webui")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for earlier in list(logger.handlers):
        logger.removeHandler(earlier)
        earlier.close()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=3, encoding="utf-8")
    except OSError:
        logger.addHandler(logging.NullHandler())
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    return path
