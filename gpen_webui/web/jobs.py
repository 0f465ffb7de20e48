"""Jobs: made, started, looked at, stopped, removed. docs/http-api.md describes them."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, jsonify, request, send_file

from gpen_webui.files.atomic import REPORT
from gpen_webui.jobs.html_report import HTML_REPORT, html_report_in
from gpen_webui.jobs.records import KINDS, Job
from gpen_webui.jobs.report_page import POLICY
from gpen_webui.web.album_zip import stream_zip
from gpen_webui.web.context import (
    check_for_kind,
    job_json,
    job_service,
    json_body,
    options_in,
    parse_options,
    request_key,
    switch_of,
    text_of,
    whole_number,
)
from gpen_webui.web.errors import (
    BadRequestError,
    ForbiddenError,
    MissingPictureError,
    NotStartedError,
)
from gpen_webui.web.folder_opener import show_folder
from gpen_webui.web.guard import is_this_machine
from gpen_webui.web.items import attachment, item_json
from gpen_webui.web.uploads import disk_free

JOBS_AT_ONCE = 50
MOST_JOBS = 500
# A report brings its styles and one script with it, and may do nothing else here.
REPORT_POLICY = f"{POLICY}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

blueprint = Blueprint("jobs", __name__, url_prefix="/api/jobs")

Answer = tuple[Response, int]


@blueprint.get("")
def list_jobs() -> Response:
    """The newest jobs first, and what the disk holds."""
    limit = min(whole_number("limit", JOBS_AT_ONCE), MOST_JOBS)
    store = job_service().store
    return jsonify(
        jobs=[_in_short(job) for job in store.jobs(limit, request.args.get("before"))],
        bytes_used=store.bytes_used(),
        disk_free=disk_free(),
    )


def _in_short(job: Job) -> dict:
    """A job as a list shows it: a painted mask comes only with the job alone."""
    shown = job_json(job)
    return shown | {"options": {**shown["options"], "mask": ""}}


@blueprint.post("")
def create_job() -> Answer:
    """A new job without photos."""
    body = json_body()
    kind = text_of(body, "kind", "album")
    if kind not in KINDS:
        raise BadRequestError(f"kind is “{kind}”, but must be one of {', '.join(KINDS)}.")
    name = text_of(body, "name", kind.capitalize())
    options = options_in(body)
    check_for_kind(options, kind)
    job = job_service().store.create_job(kind, name, options, request_key(body))
    return jsonify(job_json(job)), 201


@blueprint.post("/<job_id>/start")
def start_job(job_id: str) -> Answer:
    """All photos are there: restore them, with the name and options that are chosen by now."""
    if request.is_json:
        body = json_body()
        chosen = body.get("options")
        options = None if chosen is None else parse_options(chosen)
        if options is not None:
            check_for_kind(options, job_service().store.job(job_id).kind)
        job_service().store.describe(job_id, text_of(body, "name"), options)
    return jsonify(job_json(job_service().runner.submit(job_id))), 202


@blueprint.post("/<job_id>/<any(pause, resume, cancel, retry):action>")
def change_job(job_id: str, action: str) -> Response:
    """Pause, resume, cancel, or retry what has failed."""
    return jsonify(job_json(getattr(job_service().runner, action)(job_id)))


@blueprint.post("/<job_id>/restore-rest")
def restore_rest(job_id: str) -> Response:
    """Restore the photos that were given up when the job was cancelled."""
    return jsonify(job_json(job_service().runner.restore_rest(job_id)))


@blueprint.post("/<job_id>/run-again")
def run_again(job_id: str) -> Answer:
    """The same photos with other options, as a new job."""
    body = json_body()
    options = options_in(body)
    check_for_kind(options, job_service().store.job(job_id).kind)
    keep_own = switch_of(body, "keep_own", True)
    again = job_service().runner.run_again(job_id, options, request_key(body), keep_own)
    return jsonify(job_json(again)), 202


@blueprint.get("/<job_id>")
def show_job(job_id: str) -> Response:
    """A job with all its items."""
    store = job_service().store
    job = store.job(job_id)
    items = [item_json(item) for item in store.items(job_id)]
    return jsonify(job_json(job) | {"items": items, "machines": store.machines(job_id)})


@blueprint.get("/<job_id>/versions")
def list_versions(job_id: str) -> Response:
    """The results of a single photo with other options and models, the newest first."""
    versions = job_service().store.versions(job_id)
    return jsonify(versions=[version.as_dict() for version in versions])


@blueprint.delete("/<job_id>")
def delete_job(job_id: str) -> Response:
    """Remove our copies of the photos and their results."""
    freed = job_service().store.job(job_id).bytes
    job_service().runner.delete(job_id)
    return jsonify(freed=freed)


@blueprint.post("/<job_id>/open-folder")
def open_folder(job_id: str) -> Response:
    """Show the results folder in the file manager of this machine, to whoever sits at it."""
    job = job_service().store.job(job_id)
    if not is_this_machine():
        raise ForbiddenError("A folder can be opened only from the machine on which it lies.")
    if job.folder is None or not job.folder.is_dir():
        raise NotStartedError(f"“{job.name}” has no results folder; start it first.")
    show_folder(job.folder)
    return jsonify(opened=str(job.folder))


@blueprint.get("/<job_id>/download")
def download(job_id: str) -> Response:
    """The results folder as a zip, with its reports."""
    store = job_service().store
    job = store.job(job_id)
    if job.folder is None:
        raise NotStartedError(f"“{job.name}” has no results yet; start it first.")
    reports = [REPORT, html_report_in(job.folder)]
    return stream_zip(job.folder, [*store.saved_files(job_id), *filter(None, reports)])


@blueprint.get("/<job_id>/results/<path:name>")
def show_result(job_id: str, name: str) -> Response:
    """The report for people, as a page; and the results beside it that its links name."""
    store = job_service().store
    job = store.job(job_id)
    if job.folder is None:
        raise NotStartedError(f"“{job.name}” has no results yet; start it first.")
    if name == HTML_REPORT.name:
        return _report_page(job, job.folder)
    path = job.folder / name
    if name not in store.saved_files(job_id) or not path.is_file():
        raise MissingPictureError(f"“{job.name}” has no result {name}.")
    return attachment(path)


def _report_page(job: Job, folder: Path) -> Response:
    written = html_report_in(folder)
    if written is None:
        raise MissingPictureError(f"“{job.name}” has no report; it is written when it has ended.")
    response = send_file(folder / written, "text/html", max_age=0)
    response.headers["Content-Security-Policy"] = REPORT_POLICY
    return response
