"""Photos from a phone's share sheet, where the pages are installed (share_target of the manifest).

The browser opens this address itself and sends a form; what comes of it is the page to go to.
"""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from gpen_webui.jobs.store.jobs import NewPhoto
from gpen_webui.web.context import job_service, parse_options
from gpen_webui.web.guard import SHARED
from gpen_webui.web.uploads import all_uploaded

blueprint = Blueprint("share", __name__)


@blueprint.post(SHARED)
def receive() -> Response:
    """One photo is restored at once; several become an album that waits for its start."""
    files, options = all_uploaded("photos"), parse_options({})
    store = job_service().store
    if len(files) == 1:
        ((path, name),) = files
        job = store.create_job("photo", name, options)
        store.add_item(job.id, name, path, key="photo")
        job_service().runner.submit(job.id)
        return redirect(url_for("pages.photo", job=job.id), 303)
    job = store.create_job("album", "Album", options)
    store.add_items(job.id, [NewPhoto(path, name) for path, name in files])
    return redirect(url_for("pages.batch", job=job.id), 303)
