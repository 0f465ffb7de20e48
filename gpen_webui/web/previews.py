"""What the part of a photo that is in view will look like with other options."""

from __future__ import annotations

import math
from dataclasses import replace
from threading import BoundedSemaphore

from flask import Blueprint, Response

from gpen_webui.faces.turn import box_turned_back
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.encode import encode_photo
from gpen_webui.stages.preview_part import PreviewRequest
from gpen_webui.web.context import job_service, json_body, options_in
from gpen_webui.web.errors import BadRequestError
from gpen_webui.web.items import known_photo, options_of, picture_alone, turn_of

QUALITY = 88
WIDEST = 4096  # pixels of what is shown, and of its height
ONE = BoundedSemaphore(1)  # the newest is wanted soon, and two would be half as quick

blueprint = Blueprint("previews", __name__, url_prefix="/api/jobs/<job_id>/items")


@blueprint.post("/<int:n>/preview")
def preview(job_id: str, n: int) -> Response:
    """A part of the photo as it will look with other options, at once and nearly exact; 204 where
    only a restoration can tell."""
    body = json_body()
    options = options_in(body)
    box, width = _seen(body)
    item = job_service().store.item(job_id, n)
    former = RestoreOptions.parse(options_of(job_id, item))
    if not _is_comparable(options, former):
        return Response(status=204)
    with ONE:
        known = known_photo(job_id, item)
        photo = known.photo
        turn = turn_of(item)
        height, wide = photo.pixels.shape[:2]
        sides = (height, wide) if turn % 2 else (wide, height)
        shown = tuple(part * sides[place % 2] for place, part in enumerate(box))
        lying = box_turned_back(shown, turn, photo.pixels.shape)
        width = max(1, round(width * _stretch(lying, shown)))
        pixels = None
        if photo.alpha is None:
            wanted = PreviewRequest(known, lying, width, options, former)
            pixels = job_service().pool.preview(item.sha256, wanted)
    if pixels is None:
        return Response(status=204)
    alone = replace(picture_alone(photo), pixels=pixels)
    data = encode_photo(alone, pixels, "jpeg", QUALITY)[0]
    return Response(data, mimetype="image/jpeg", headers={"Cache-Control": "no-store"})


def _is_comparable(options: RestoreOptions, former: RestoreOptions) -> bool:
    """Whether the photo lies as it did, and its settings are not chosen on the way."""
    same = (options.upright, options.rotate, options.crop)
    return same == (former.upright, former.rotate, former.crop) and options.preset != "auto"


def _stretch(lying: tuple[float, ...], shown: tuple[float, ...]) -> float:
    """How wide a part is as it lies, by its width as it is shown."""
    return (lying[2] - lying[0]) / (shown[2] - shown[0])


def _seen(body: dict) -> tuple[list[float], int]:
    """Which part of the picture is seen, in parts of its sides, and how wide, in pixels of the
    screen. Raises BadRequestError."""
    box, width = body.get("box"), body.get("width")
    if not isinstance(box, list) or not _is_box(box):
        raise BadRequestError(
            "box must be [left, top, right, bottom] of what is seen, in parts of the sides "
            "of the picture, from 0 to 1."
        )
    if not isinstance(width, int) or isinstance(width, bool) or not 1 <= width <= WIDEST:
        raise BadRequestError(f"width must be a whole number of pixels, 1 to {WIDEST}.")
    return box, width


def _is_box(sides: list) -> bool:
    is_four = len(sides) == 4 and all(map(_is_share, sides))
    return is_four and sides[0] < sides[2] and sides[1] < sides[3]


def _is_share(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value <= 1
    )
