"""The pages that people see. What moves on them comes from the HTTP API, by small ES modules.

A page is drawn without loading any model, so it is there at once while the model loads.
"""

from __future__ import annotations

from functools import cache, partial

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_babel import Babel, get_locale
from werkzeug.wrappers import Response as AnyResponse

from gpen_webui.folders import COMMAND
from gpen_webui.jobs.records import Job
from gpen_webui.models.installed import usable_models
from gpen_webui.options import DEFAULTS, OPTIONS, Group, RestoreOptions
from gpen_webui.photo.formats import MEDIA_TYPE_OF
from gpen_webui.sentences import TRANSLATIONS
from gpen_webui.stages.suggestions import CHOSEN_BY_PHOTO
from gpen_webui.states import JobState
from gpen_webui.web.context import settings
from gpen_webui.web.folder_opener import opener
from gpen_webui.web.guard import SHARED, is_loopback, is_this_machine
from gpen_webui.web.language import LANGUAGES, choose_language

THEMES = ("light", "dark")
ICONS = (
    ("favicon.svg", "any", "image/svg+xml"),
    ("icon-192.png", "192x192", "image/png"),
    ("icon-512.png", "512x512", "image/png"),
)
ALBUMS_LEFT = 3  # that the page for new ones names
A_YEAR = 365 * 24 * 3600

# What to start from, by the photo's condition; everything else keeps its default.
PRESETS: dict[str, dict[str, object]] = {
    "good": {"strength": 50},
    "ordinary": {},
    "old": {"strength": 90, "denoise": 50, "sharpen": 10, "contrast": 8},
    "poor": {"strength": 100, "mode": "strong", "denoise": 70},
    "dark": {"strength": 75, "denoise": 50, "contrast": 6, "brightness": 14},
    "closeup": {"strength": 60, "mode": "detail", "enhance_detail": True},
}

blueprint = Blueprint("pages", __name__)


def init_app(app: Flask) -> None:
    """Give the application its languages and what all templates use."""
    Babel(
        app,
        default_locale="en",
        default_translation_directories=str(TRANSLATIONS),
        locale_selector=choose_language,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True  # a tenth less to send
    app.context_processor(_for_all_templates)


@blueprint.get("/")
def photo() -> AnyResponse | str:
    """One photo; `?job=` shows one that was restored earlier."""
    job = _job_named("job")
    if job is not None and job.kind != "photo":
        return redirect(url_for("pages.job", job_id=job.id))
    return render_template("photo.html", job=job, options=_options_of(job))


@blueprint.get("/batch")
def batch() -> AnyResponse | str:
    """A new album; `?job=` goes on collecting, `?like=` takes over the settings of a job."""
    job = _job_named("job")
    if job is not None and job.state != JobState.COLLECTING:
        return redirect(url_for("pages.job", job_id=job.id))
    left = [] if job else _store().collecting(ALBUMS_LEFT)
    return render_template(
        "batch.html", job=job, left=left, options=_options_of(job or _job_named("like"))
    )


@blueprint.get("/jobs")
def jobs() -> str:
    """The history."""
    return render_template("jobs.html", rescue=current_app.extensions["jobs"].rescue)


@blueprint.get("/jobs/<job_id>")
def job(job_id: str) -> AnyResponse | str:
    """An album while it is restored and afterwards."""
    found = _store().job(job_id)
    if found.kind == "photo":
        return redirect(url_for("pages.photo", job=found.id))
    if found.state == JobState.COLLECTING:
        return redirect(url_for("pages.batch", job=found.id))
    return render_template("job.html", job=found, options=_options_of(found))


@blueprint.get("/models")
def models() -> str:
    """Models and settings."""
    return render_template("models.html")


@blueprint.get("/workers")
def workers() -> str:
    """The machines that restore."""
    is_reached = bool(settings().public_url) or not is_loopback(settings().host)
    return render_template("workers.html", is_reached=is_reached)


@blueprint.get("/manifest.webmanifest")
def manifest() -> Response:
    """What a browser needs to install the pages like a program."""
    answer = jsonify(
        name="GPEN WebUI",
        short_name="GPEN",
        start_url=url_for("pages.photo"),
        scope=url_for("pages.photo"),
        display="standalone",
        share_target={
            "action": request.script_root + SHARED,
            "method": "POST",
            "enctype": "multipart/form-data",
            "params": {"files": [{"name": "photos", "accept": photo_types().split(",")}]},
        },
        background_color="#f4f4f2",
        theme_color="#0b6e66",
        icons=[
            {"src": url_for("static", filename=name), "sizes": size, "type": kind}
            for name, size, kind in ICONS
        ],
    )
    answer.mimetype = "application/manifest+json"
    return answer


@blueprint.after_app_request
def remember_choices(response: Response) -> Response:
    """Keep `?lang=` and `?theme=` for the pages to come."""
    for name, known in (("lang", LANGUAGES), ("theme", THEMES)):
        if request.args.get(name) in known:
            response.set_cookie(
                name, request.args[name], max_age=A_YEAR, samesite="Lax", httponly=True
            )
    return response


def preset_options(name: str) -> dict[str, object]:
    """Every option on which a preset decides."""
    values = RestoreOptions.parse(PRESETS[name]).as_dict()
    return {"preset": "off"} | {
        key: value for key, value in values.items() if OPTIONS[key].in_presets
    }


def automatic_options() -> dict[str, object]:
    """What the page sets where each photo's settings are to be chosen by what it shows."""
    return {"preset": "auto"} | {name: DEFAULTS[name] for name in CHOSEN_BY_PHOTO}


def photo_types() -> str:
    """Media types and suffixes of the photos that can be opened, as `<input accept>` has them."""
    return ",".join([*dict.fromkeys(MEDIA_TYPE_OF.values()), *MEDIA_TYPE_OF])


def _for_all_templates() -> dict[str, object]:
    theme = request.args.get("theme") or request.cookies.get("theme")
    is_here = is_this_machine()
    # The templates ask for what is in folders once for each field and form: it is read once.
    return {
        "language": str(get_locale() or "en"),
        "languages": LANGUAGES,
        "theme": theme if theme in THEMES else None,
        "presets": {name: preset_options(name) for name in PRESETS},
        "descriptors": OPTIONS,
        "defaults": DEFAULTS,
        "groups": Group,
        "usable_models": cache(partial(usable_models, models=settings().models)),
        "touches": [name for name in OPTIONS if _is_touch(name)],
        "max_file_mb": settings().max_file_mb,
        "photo_types": photo_types(),
        "is_this_machine": is_here,
        "can_open_folder": is_here and opener() is not None,
        "automatic": automatic_options(),
        "own_presets": cache(current_app.extensions["presets"].all),
        "command": COMMAND,
        "has_workers": bool(settings().cluster),
    }


def _is_touch(name: str) -> bool:
    """Whether an option is a finishing touch that is off unless asked for."""
    return OPTIONS[name].group is Group.TOUCHES and not DEFAULTS[name]


def _store():
    return current_app.extensions["jobs"].store


def _job_named(argument: str) -> Job | None:
    """The job that the address names; UnknownJobError where there is none of that name."""
    job_id = request.args.get(argument)
    return _store().job(job_id) if job_id else None


def _options_of(job: Job | None) -> dict[str, object]:
    """The form's values: those of a job, else the defaults."""
    earlier = job.options if job else {}
    values = {name: value for name, value in earlier.items() if name in OPTIONS}
    return RestoreOptions.parse(values).as_dict()
