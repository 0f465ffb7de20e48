"""What both kinds of server do: say where the page is, load the model, leave."""

from __future__ import annotations

import logging
import os
import socket
import sys
import webbrowser
from threading import Thread, Timer
from typing import NoReturn
from urllib.parse import quote

from flask import Flask

from gpen_webui.settings import Settings

WARM_UP_AFTER = 0.5  # seconds, so that the first page need not share the processor
ANYWHERE = ("0.0.0.0", "::", "")


def open_page(settings: Settings) -> None:
    """Show the page in the user's browser, if requested and if there is a screen to show it on."""
    Thread(target=show_page, args=(page_address(settings), settings), daemon=True).start()


def show_page(address: str, settings: Settings) -> None:
    """The same with any address; returns when the browser has been told."""
    if settings.open_browser and has_screen():
        webbrowser.open(address)


def has_screen() -> bool:
    """Where there is none, Python would start a text browser in the terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def page_address(settings: Settings) -> str:
    """What to open in a browser, with the token where one is needed."""
    token = f"?token={quote(settings.token, safe='')}" if settings.token else ""
    if settings.public_url:
        return f"{settings.public_url.rstrip('/')}/{token}"
    return f"{local_address(settings)}{settings.base_path}/{token}"


def local_address(settings: Settings) -> str:
    """Where the server listens, without a path."""
    host = socket.gethostname() if settings.host in ANYWHERE else settings.host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}"


def warm_up_soon(app: Flask) -> None:
    """Load the model in the background, after the first page."""
    timer = Timer(WARM_UP_AFTER, app.extensions["jobs"].pool.warm_up)
    timer.daemon = True
    timer.start()


def leave_now(code: int) -> NoReturn:
    """End the process without waiting for threads in native calls; everything is on record."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
