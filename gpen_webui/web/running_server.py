"""Where the server of an outputs folder is found, so that a second start shows its page."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import requests

from gpen_webui.files.atomic import write_atomically
from gpen_webui.jobs.store.files import HIDDEN
from gpen_webui.settings import Settings
from gpen_webui.web.process import ANYWHERE, local_address, page_address

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0  # a server that has begun to listen may still be loading itself
RECORD_SECONDS = 3.0  # and one that has just been started may not have said where it is
OWNER_ONLY = 0o600  # the page's address may hold the token


@contextmanager
def recorded_address(settings: Settings) -> Iterator[None]:
    """Keep on record where the server is, until the block ends."""
    path = settings.outputs / HIDDEN / "address"
    here = replace(settings, host="127.0.0.1") if settings.host in ANYWHERE else settings
    where = {"page": page_address(settings), "local": local_address(here)}
    process = os.getpid()
    try:
        write_atomically(path, json.dumps(where).encode(), mode=OWNER_ONLY)
    except OSError:
        log.exception("a second start will not find this server")
    try:
        yield
    finally:
        with suppress(OSError):
            if os.getpid() == process:  # and not a child of it that ends
                path.unlink(missing_ok=True)


def running_page(settings: Settings) -> str | None:
    """The page of the server that works in the outputs folder; None where none answers."""
    deadline = time.monotonic() + RECORD_SECONDS
    while (page := _answering_page(settings)) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return page


def _answering_page(settings: Settings) -> str | None:
    try:
        where = json.loads((settings.outputs / HIDDEN / "address").read_bytes())
        with requests.Session() as session:
            session.trust_env = False  # no proxy between two programs of one machine
            answer = session.get(f"{where['local']}/api/health/alive", timeout=ANSWER_SECONDS)
    except (OSError, ValueError, KeyError, TypeError):  # RequestException is an OSError
        return None
    is_ours = answer.status_code in (200, 401)  # without the token it says no more
    return str(where["page"]) if is_ours else None
