"""GPEN WebUI: restores faces in portraits, one photo or a whole album."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from gpen_webui.settings import Settings


def create_app(settings: Settings) -> Flask:
    """The web application. Its jobs go on where they were; `app.extensions["jobs"]` is to be
    closed in the end.

    Raises UserError where the outputs folder cannot be used. Loads no model.
    """
    from gpen_webui.web.application import build_app

    return build_app(settings)
