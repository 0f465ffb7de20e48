"""A whole photo turned by quarters, with what belongs to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpen_webui.photo import subject, xmp
from gpen_webui.photo.metadata import lost_subject
from gpen_webui.photo.photo import Photo

ORIENTATIONS = {1: 8, 2: 3, 3: 6}  # of EXIF, that ask for a turn by so many quarters


def turned(photo: Photo, turn: int) -> Photo:
    """The photo turned counterclockwise by so many quarters, 0 to 3.

    Of its EXIF block only the subject's place changes: results are upright, and say so
    (`exif.patched`). People marked in it turn with it; where that cannot be, they are left out, and
    its `losses` say so.
    """
    if not turn:
        return photo
    losses, block, tags = list(photo.losses), photo.xmp, photo.exif
    height, width = photo.pixels.shape[:2]
    if tags:
        tags, lost = subject.moved(tags, (width, height), orientation=ORIENTATIONS[turn])
        losses += [lost_subject(photo.name)] if lost else []
    if block:
        block, lost_faces = xmp.describing(block, ORIENTATIONS[turn], (width, height))
        if lost_faces:
            losses.append(
                f"{photo.name} is turned upright; the places of marked faces are left out."
            )
    return replace(
        photo,
        pixels=np.ascontiguousarray(np.rot90(photo.pixels, turn)),
        alpha=None if photo.alpha is None else np.ascontiguousarray(np.rot90(photo.alpha, turn)),
        dpi=photo.dpi[::-1] if photo.dpi and turn % 2 else photo.dpi,
        exif=tags,
        xmp=block,
        losses=tuple(losses),
    )
