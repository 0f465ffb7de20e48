"""The Flask application, put together from the parts of this package."""

from __future__ import annotations

from flask import Flask

from gpen_webui.folders import BUNDLED
from gpen_webui.jobs.service import open_jobs
from gpen_webui.settings import Settings
from gpen_webui.stages.restorer import Restorer
from gpen_webui.web import (
    enhance,
    error_answers,
    events,
    guard,
    health,
    items,
    jobs,
    metrics,
    models,
    openapi,
    pages,
    presets,
    previews,
    share,
    uploads,
    workers,
)
from gpen_webui.web.announcement import announce_key
from gpen_webui.web.fast_mode import ChosenPrecision
from gpen_webui.web.language import JsonInLanguage
from gpen_webui.web.model_choice import ChosenModel
from gpen_webui.web.model_manager import ModelManager
from gpen_webui.web.proxy import BehindProxy

# The modules whose blueprints answer.
NOUNS = (
    pages,
    share,
    enhance,
    jobs,
    items,
    events,
    models,
    presets,
    previews,
    workers,
    health,
    metrics,
    openapi,
)


def build_app(settings: Settings) -> Flask:
    """The web application. Its jobs go on where they were; `close_app` ends them.

    Raises UserError where the outputs folder cannot be used. Loads no model.
    """
    app = Flask(
        "gpen_webui",
        static_folder=str(BUNDLED / "static"),
        template_folder=str(BUNDLED / "templates"),
    )
    app.json = JsonInLanguage(app)
    app.extensions["settings"] = settings
    app.wsgi_app = BehindProxy(app.wsgi_app, settings)  # type: ignore[method-assign]
    guard.init_app(app)  # first, so that nothing else sees a request that it refuses
    uploads.init_app(app)
    events.init_app(app)
    metrics.init_app(app)
    error_answers.init_app(app)
    pages.init_app(app)
    for noun in NOUNS:
        app.register_blueprint(noun.blueprint)
    app.register_blueprint(events.sockets)
    chosen = ChosenModel(settings)
    precision = ChosenPrecision(settings)
    service = open_jobs(
        settings, chosen, precision, settings.max_file_mb * uploads.MB, measure_kind_of
    )
    app.extensions["jobs"] = service
    app.extensions["presets"] = presets.OwnPresets(settings.outputs)
    app.extensions["models"] = ModelManager(settings, service, chosen, precision)
    if service.others:
        from gpen_webui.web import cluster

        cluster.init_app(app, chosen)
        if service.others.new_key:
            announce_key(settings, service.others.new_key)
    return app


def measure_kind_of(restorer: Restorer) -> str:
    """The kind of this machine, where others help it; measured with its networks."""
    from gpen_webui.cluster.kinds import measure_kind

    return measure_kind(restorer)


def close_app(app: Flask) -> None:
    """End the sockets, downloads and jobs; unfinished photos go back to waiting."""
    app.extensions["web_sockets"].close_all()
    app.extensions["models"].close()
    if coordinator := app.extensions.get("coordinator"):
        coordinator.close()
    app.extensions["jobs"].close()
