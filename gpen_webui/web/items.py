"""Items: photos of a job, with their pictures, by number and never by path.

What is shown in a page is encoded anew by this program, so it is a picture and nothing else.
The result's own file leaves as an attachment with a fixed type.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore

import numpy as np
from flask import Blueprint, Response, jsonify, request, send_file

from gpen_webui.files.originals import hold_open
from gpen_webui.jobs.records import Item
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.encode import encode_photo
from gpen_webui.photo.formats import mime_type
from gpen_webui.photo.framing import framed, shrunk
from gpen_webui.photo.photo import Photo, open_photo, thumbnail
from gpen_webui.photo.turning import turned
from gpen_webui.repairing.mask import mask_png
from gpen_webui.stages.known_photo import KnownPhoto
from gpen_webui.stages.photo_measures import measure_largest_face, measure_photo
from gpen_webui.stages.suggestions import suggest_for_faces, suggest_for_photo
from gpen_webui.web.context import (
    job_json,
    job_service,
    json_body,
    options_in,
    request_key,
    settings,
    whole_number,
)
from gpen_webui.web.errors import MissingPictureError
from gpen_webui.web.known_photos import known_photos
from gpen_webui.web.own_options import own_options, own_options_in_form
from gpen_webui.web.uploads import uploaded, uploaded_sidecars

THUMBNAIL_SIDE = 320
QUALITY = 92
Frame = tuple[str, str]  # the options rotate and crop
NO_FRAME: Frame = ("0", "")
AT_ONCE = BoundedSemaphore(2)  # pictures in memory, which may be very large

blueprint = Blueprint("items", __name__, url_prefix="/api/jobs/<job_id>/items")


@blueprint.post("")
def add_item(job_id: str) -> tuple[Response, int]:
    """One photo more."""
    store = job_service().store
    store.job(job_id)  # before anything is read
    path, filename = uploaded("photo")
    key = request_key(request.form.to_dict())
    name = request.form.get("name") or filename
    sidecars = uploaded_sidecars(name)
    item = store.add_item(job_id, name, path, key, own_options_in_form(name))
    store.keep_sidecars(job_id, item.n, sidecars)
    return jsonify(item_json(item)), 201


@blueprint.delete("/<int:n>")
def remove_item(job_id: str, n: int) -> Response:
    """Take a photo out of a job that is not started yet."""
    job_service().store.remove_item(job_id, n)
    return jsonify(job_json(job_service().store.job(job_id)))


@blueprint.post("/<int:n>/options")
def choose_options(job_id: str, n: int) -> Response:
    """Options of its own for one photo of a job that is not started yet."""
    store = job_service().store
    values = json_body().get("options", {})
    store.set_own_options(job_id, n, own_options(store.item(job_id, n).name, values))
    return jsonify(item_json(store.item(job_id, n)))


@blueprint.post("/<int:n>/redo")
def redo(job_id: str, n: int) -> tuple[Response, int]:
    """One photo of a started job again, with options of its own."""
    options = options_in(json_body())
    job_service().runner.redo(job_id, n, options)
    return jsonify(item_json(job_service().store.item(job_id, n))), 202


@blueprint.get("/<int:n>")
def show_item(job_id: str, n: int) -> Response:
    """One item with its report: faces, seconds per stage, warnings."""
    return jsonify(job_service().store.item(job_id, n).as_dict())


@blueprint.get("/<int:n>/before")
def before(job_id: str, n: int) -> Response:
    """The original as it looks, turned and cropped as the result is; `?max=` limits its longer
    side.

    With `?turned=0` not turned upright, as a mask has to be; with `?whole=1` as it is in its file.
    """
    item = job_service().store.item(job_id, n)
    with _original(job_id, item) as path:
        if request.args.get("whole", "0") != "0":
            return _shown(path, item)
        turn = 0 if request.args.get("turned") == "0" else turn_of(item)
        return _shown(path, item, frame=frame_of(job_id, item), turn=turn)


@blueprint.get("/<int:n>/after")
def after(job_id: str, n: int) -> Response:
    """The result as it looks, or with `?download=1` its own file."""
    item = job_service().store.item(job_id, n)
    path = result_path(job_id, n)
    if request.args.get("download", "0") != "0":
        return attachment(path, f"{path.stem}-restored{path.suffix}")
    return _shown(path, item)


@blueprint.get("/<int:n>/condition")
def condition(job_id: str, n: int) -> Response:
    """What the original asks for by what it shows: the settings that can be suggested."""
    item = job_service().store.item(job_id, n)
    report = item.report or {}
    with AT_ONCE:
        known = known_photo(job_id, item)
        pixels = known.photo.pixels
        whole = pixels if frame_of(job_id, item) == NO_FRAME else _photo_of(job_id, item).pixels
        boxes = [face["box"] for face in report.get("faces", ()) if face["restored"]]
        damaged = float(known.damage.mean())
        measures = measure_photo(pixels)
        face = measure_largest_face(pixels, boxes, measures.noise)
    nothing_chosen = RestoreOptions()
    quarters = _quarters_of(report)
    suggestions = [
        *suggest_for_photo(measures, damaged, nothing_chosen),
        *suggest_for_faces(measures, face, report.get("useful_scale", 1), quarters, nothing_chosen),
    ]
    width, height = measures.size
    return jsonify(
        faded=measures.is_faded,
        damaged=round(damaged, 6),
        width=width,
        height=height,
        whole={"width": whole.shape[1], "height": whole.shape[0]},
        suggestions=[each.as_dict() for each in suggestions],
    )


@blueprint.get("/<int:n>/damage")
def damage(job_id: str, n: int) -> Response:
    """Where the original seems to be damaged: a PNG of its size, white on black."""
    with AT_ONCE:
        mask = known_photo(job_id, job_service().store.item(job_id, n)).damage
    return Response(mask_png(mask.astype(np.uint8) * 255), mimetype="image/png")


@blueprint.get("/<int:n>/thumbnail")
def small(job_id: str, n: int) -> Response:
    """A small JPEG of the original, or with `?of=after` of the result."""
    item = job_service().store.item(job_id, n)
    if request.args.get("of") == "after":
        return _shown(result_path(job_id, n), item, THUMBNAIL_SIDE)
    with _original(job_id, item) as path:
        return _shown(path, item, THUMBNAIL_SIDE, frame_of(job_id, item), turn_of(item))


def item_json(item: Item) -> dict:
    """An item as the API shows it; its report comes only with an item alone."""
    return {name: value for name, value in item.as_dict().items() if name != "report"}


def attachment(path: Path, name: str | None = None) -> Response:
    """A file to be saved under its own or another name; browsers never show it as a page."""
    kind = mime_type(path.suffix)
    return send_file(path, kind, as_attachment=True, download_name=name or path.name, max_age=0)


def known_photo(job_id: str, item: Item) -> KnownPhoto:
    """An original, open, turned and cropped as it is to be restored.

    Raises MissingPictureError, OriginalError, PhotoError.
    """
    frame = frame_of(job_id, item)
    key = (item.sha256 or (job_id, item.n), frame)
    return known_photos.of(key, lambda: framed(_photo_of(job_id, item), *frame))


def _photo_of(job_id: str, item: Item) -> Photo:
    """An original, as it is in its file."""
    with _original(job_id, item) as path:
        return open_photo(path, name=item.name, max_megapixels=settings().max_megapixels)


def frame_of(job_id: str, item: Item) -> Frame:
    """How an item's photo is turned and cropped before it is restored."""
    options = options_of(job_id, item)
    return options.get("rotate", NO_FRAME[0]), options.get("crop", NO_FRAME[1])


def options_of(job_id: str, item: Item) -> dict:
    """With which an item was restored; before that, with which it will be."""
    if restored_with := (item.report or {}).get("options"):
        return restored_with
    return job_service().store.job(job_id).options | (item.options or {})


@contextmanager
def _original(job_id: str, item: Item) -> Iterator[Path]:
    """A path to read an original by. Raises MissingPictureError, OriginalError."""
    with hold_open(job_service().store.original(job_id, item.n), item.name) as path:
        if not path.is_file():
            raise MissingPictureError(f"The original of photo number {item.n} is not there.")
        yield path


def result_path(job_id: str, n: int) -> Path:
    """Where an item's result lies. Raises MissingPictureError."""
    path = job_service().store.result(job_id, n)
    if path is None:
        raise MissingPictureError(f"Photo number {n} has no result yet.")
    if not path.is_file():
        raise MissingPictureError(f"The result {path.name} is no longer in {path.parent}.")
    return path


def turn_of(item: Item) -> int:
    """By how many quarters the result is turned counterclockwise against the original."""
    report = item.report or {}
    is_turned = report.get("options", {}).get("upright")
    return _quarters_of(report) if is_turned else 0


def _quarters_of(report: dict) -> int:
    """By how many quarters an item's faces lie turned, counterclockwise."""
    return -report.get("turn", 0) // 90 % 4


def _shown(
    path: Path, item: Item, side: int | None = None, frame: Frame = NO_FRAME, turn: int = 0
) -> Response:
    """A picture of the file, unless the browser has the same already."""
    side = side or whole_number("max")
    found = path.stat()
    response = Response()
    version = f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"
    etag = f"{version}-{side or 0}-{'-'.join(frame)}-{turn}"
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"  # ask each time whether it has changed
    if etag in request.if_none_match:
        response.status_code = 304
        return response
    with AT_ONCE:
        response.data, response.mimetype = _encoded(path, item.name, side, frame, turn)
    return response


def _encoded(path: Path, name: str, side: int | None, frame: Frame, turn: int) -> tuple[bytes, str]:
    limit = settings().max_megapixels
    if side and frame == NO_FRAME:
        return thumbnail(path, side, name=name, max_megapixels=limit, turn=turn), "image/jpeg"
    photo = picture_alone(open_photo(path, name=name, max_megapixels=limit))
    photo = turned(framed(photo, *frame), turn)
    if side:
        photo = shrunk(photo, side)
    form = "jpeg" if photo.alpha is None else "png"
    return encode_photo(photo, photo.pixels, form, QUALITY)[0], f"image/{form}"


def picture_alone(photo: Photo) -> Photo:
    """What is seen of a photo; comments, texts and other metadata could hold anything."""
    return Photo(
        pixels=photo.pixels,
        name=photo.name,
        format=photo.format,
        alpha=photo.alpha,
        grey=photo.grey,
        icc=photo.icc,
    )
