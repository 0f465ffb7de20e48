"""A whole photo turned by quarters, with what belongs to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpen_webui.photo import xmp
from gpen_webui.photo.photo import Photo

ORIENTATIONS = {1: 8, 2: 3, 3: 6}  # of EXIF, that ask for a turn by so many quarters


def turned(photo: Photo, turn: int) -> Photo:
    """The photo turned counterclockwise by so many quarters, 0 to 3.

    Its EXIF block need not change: results are upright, and say so (`exif.patched`). People marked
    in it turn with it; where that cannot be, they are left out, and its `losses` say so.
    """
    if not turn:
        return photo
    losses, block = list(photo.losses), photo.xmp
    if block:
        height, width = photo.pixels.shape[:2]
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
        xmp=block,
        losses=tuple(losses),
    )
