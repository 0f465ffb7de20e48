"""Restore in one request: a photo, or an album that is uploaded whole or named by its paths."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from flask import Blueprint, Response, jsonify, request

from gpen_webui.errors import UserError
from gpen_webui.files.find_photos import FoundPhoto, LeftOut, find_photos
from gpen_webui.files.sidecars import SUFFIX as SIDECAR
from gpen_webui.files.sidecars import has_full_name
from gpen_webui.jobs.records import Item
from gpen_webui.jobs.runner.failures import not_restored
from gpen_webui.jobs.store.jobs import NewPhoto
from gpen_webui.options import OPTIONS, OptionError, RestoreOptions
from gpen_webui.photo.formats import PHOTO_SUFFIXES
from gpen_webui.states import RESTORED_ITEMS, UNFINISHED_ITEMS, ItemState, JobState
from gpen_webui.web.context import (
    MASK_IN_ALBUM,
    can_be_stored,
    check_for_kind,
    form_options,
    job_service,
    json_body,
    options_in,
    progress_address,
    request_key,
    settings,
    text_of,
)
from gpen_webui.web.errors import (
    BadRequestError,
    ForbiddenError,
    NotRestoredError,
    PausedError,
    WasCancelledError,
)
from gpen_webui.web.items import attachment, result_path
from gpen_webui.web.own_options import BY_PHOTO, options_by_photo, options_by_photo_in_form
from gpen_webui.web.uploads import all_uploaded, uploaded, uploaded_mask, uploaded_sidecars

blueprint = Blueprint("enhance", __name__)


@blueprint.post("/enhance")
def enhance() -> Response | tuple[Response, int]:
    """One photo: 202 and where to look, or with `wait=1` the restored photo itself."""
    path, filename = uploaded("photo")
    options = form_options()
    if mask := uploaded_mask():
        options = replace(options, mask=OPTIONS["mask"].parse("mask", mask))
    store = job_service().store
    name = request.form.get("name") or filename
    sidecars = uploaded_sidecars(name)
    job = store.create_job("photo", name, options, request_key(request.form.to_dict()))
    item = store.add_item(job.id, name, path, key="photo")
    store.keep_sidecars(job.id, item.n, sidecars)
    job_service().runner.submit(job.id)
    if (request.args.get("wait") or request.form.get("wait") or "0") != "0":
        return _result_of(job.id, _wait_for(job.id, item.n))
    return jsonify(job=job.id, item=item.n, progress=progress_address(job.id)), 202


@blueprint.post("/batch-enhance")
def batch_enhance() -> tuple[Response, int]:
    """An album: uploaded as a form, or as JSON with the paths of photos on this machine."""
    if request.mimetype == "multipart/form-data":
        album = _uploaded_album()
    else:
        album = _album_of_paths()
    job_service().runner.submit(album["job"])
    progress = progress_address(album["job"])
    return jsonify(status="processing", **album, progress=progress), 202


def _uploaded_album() -> dict:
    files, sidecars = _apart(all_uploaded("photos"))
    own = options_by_photo_in_form([filename for _, filename in files])
    photos = [
        NewPhoto(path, filename, key=f"photos/{number}", options=own[number])
        for number, (path, filename) in enumerate(files)
    ]
    options, fields = form_options(), request.form.to_dict()
    if "mask" in request.files:
        raise OptionError(MASK_IN_ALBUM)
    with _new_album(fields.get("name") or "Album", options, request_key(fields)) as job_id:
        numbers = job_service().store.add_items(job_id, photos)
        for number, found in zip(numbers, sidecars, strict=True):
            job_service().store.keep_sidecars(job_id, number, found)
    return {"total_images": len(photos), "job": job_id}


def _apart(
    files: list[tuple[Path, str]],
) -> tuple[list[tuple[Path, str]], list[list[tuple[Path, bool]]]]:
    """Photos, and the XMP files of each as `uploaded_sidecars` has them.

    An XMP file that belongs to none is taken for a photo; what it is will be said.
    """
    beside = [file for file in files if file[1].lower().endswith(SIDECAR)]
    photos = [file for file in files if file not in beside]
    sidecars = [
        [(path, full) for path, name in beside if (full := has_full_name(name, photo)) is not None]
        for _, photo in photos
    ]
    used = {path for found in sidecars for path, _ in found}
    photos += [file for file in beside if file[0] not in used]
    sidecars += [[] for file in beside if file[0] not in used]
    return photos, sidecars


def _album_of_paths() -> dict:
    body = json_body()
    options = options_in(body, "args")
    found, left_out = _allowed_photos(body.get("paths"))
    own = options_by_photo(body.get(BY_PHOTO, {}), [_names_of(photo) for photo in found])
    photos = [
        NewPhoto(photo.source, photo.name.as_posix(), key=f"paths/{number}", options=own[number])
        for number, photo in enumerate(found)
    ]
    name = text_of(body, "name") or _common_name(found)
    with _new_album(name, options, request_key(body)) as job_id:
        job_service().store.add_originals(job_id, photos)
    told = [left.as_dict() for left in left_out]
    return {"total_images": len(photos), "job": job_id, "left_out": told}


@contextmanager
def _new_album(name: str, options: RestoreOptions, key: str | None) -> Iterator[str]:
    """A job to be filled; where that fails it goes, unless its key lets the client go on."""
    check_for_kind(options, "album")
    job = job_service().store.create_job("album", name, options, key)
    try:
        yield job.id
    except UserError:
        if key is None:
            with suppress(UserError):  # the reason why it failed is the one to tell
                job_service().runner.delete(job.id)
        raise


def _allowed_photos(paths: object) -> tuple[list[FoundPhoto], list[LeftOut]]:
    """The photos that the paths mean, with sources free of links, and what is left out.

    Raises ForbiddenError for a path that leads out of the folders that may be named. A link
    met in a folder stays as it is where it leads elsewhere, and will not be followed.
    """
    roots = [root.resolve() for root in settings().album_roots]
    if not roots:
        raise ForbiddenError(
            "No folder may be named by path; start the server with --album-root FOLDER to allow "
            "one, or upload the photos."
        )
    if not isinstance(paths, list) or not paths or not all(_is_path(path) for path in paths):
        raise BadRequestError("paths must be a list of files or folders, like [“/photos/1998”].")
    try:
        wanted = [_inside(Path(path), roots) for path in paths]
        photos, left_out = find_photos(
            wanted, PHOTO_SUFFIXES, exclude=settings().outputs, follow_links=False
        )
    except (OSError, RuntimeError) as error:  # an endless name, links in a circle
        raise BadRequestError(f"The paths cannot be followed ({error}); check them.") from error
    allowed = [replace(photo, source=_without_links(photo.source, roots)) for photo in photos]
    return allowed, left_out


def _names_of(photo: FoundPhoto) -> set[str]:
    """How a request may name a photo: as its item is called, and by its path."""
    roots = [root.resolve() for root in settings().album_roots]
    below = {photo.source.relative_to(root) for root in roots if photo.source.is_relative_to(root)}
    return {path.as_posix() for path in (photo.name, photo.source, *below)}


def _without_links(path: Path, roots: list[Path]) -> Path:
    """Where a photo lies; a link that leads elsewhere, or nowhere, itself."""
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):
        resolved = None
    if resolved is not None and _is_below(resolved, roots):
        return resolved
    return path.parent.resolve() / path.name


def _is_path(path: object) -> bool:
    return isinstance(path, str) and bool(path) and "\0" not in path and can_be_stored(path)


def _inside(path: Path, roots: list[Path]) -> Path:
    """The path, relative ones below the first folder. Raises ForbiddenError where it leads out."""
    path = roots[0] / path
    if not _is_below(path.resolve(), roots):
        allowed = ", ".join(str(root) for root in roots)
        raise ForbiddenError(
            f"{path} lies outside of the folders that may be named ({allowed}); allow its folder "
            "with --album-root."
        )
    return path


def _is_below(path: Path, roots: list[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _common_name(photos: list[FoundPhoto]) -> str:
    folders = {photo.source.parent.name for photo in photos}
    first = photos[0].name
    if len(first.parts) > 1:
        return first.parts[0]
    return folders.pop() if len(folders) == 1 else "Album"


def _wait_for(job_id: str, n: int) -> Item:
    """The item once it has ended, or once its job has stopped without it."""
    store = job_service().store
    for _ in job_service().events.follow(job_id):
        item = store.item(job_id, n)
        if item.state not in UNFINISHED_ITEMS:
            return item
        job = store.job(job_id)
        if job.state == JobState.PAUSED:
            raise PausedError(job.reason or f"“{job.name}” was paused; resume it to go on.")
    return store.item(job_id, n)


def _result_of(job_id: str, item: Item) -> Response:
    if item.state == ItemState.FAILED:
        raise NotRestoredError(item.error["message"] if item.error else not_restored(item.name))
    if item.state not in RESTORED_ITEMS:
        raise WasCancelledError(f"{item.name} was not restored: it was {item.state}.")
    response = attachment(result_path(job_id, item.n))
    response.headers["X-Job"] = job_id
    response.headers["X-State"] = item.state
    response.headers["X-Faces"] = str(item.faces)
    return response
