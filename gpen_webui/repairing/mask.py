"""A mask of damage that somebody painted: a PNG in black and white, as text among the options."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from gpen_webui.errors import UserError
from gpen_webui.option_kinds import png_size
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.framing import framed_mask
from gpen_webui.photo.photo import Photo, open_photo

WHITE = 128  # levels from which a pixel is marked


class MaskError(UserError):
    """The mask does not fit the photo."""


def mask_text(levels: np.ndarray) -> str:
    """The option's text for a mask (H,W) uint8, in which 128 and more means damaged."""
    return base64.b64encode(mask_png(levels)).decode("ascii")


def mask_png(levels: np.ndarray) -> bytes:
    """A mask (H,W) uint8 as a PNG in black and white alone."""
    marked = (levels >= WHITE).astype(np.uint8) * 255
    return cv2.imencode(".png", marked, (cv2.IMWRITE_PNG_BILEVEL, 1))[1].tobytes()


def mask_of_file(path: Path, name: str | None = None) -> str:
    """The option's text for a picture file of any format; what is transparent is not marked.

    name: what errors call it. Raises PhotoError where it is no picture.
    """
    photo = open_photo(path, name=name)
    levels = cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2GRAY)
    if photo.alpha is not None:
        levels[photo.alpha < WHITE] = 0
    return mask_text(levels)


def read_mask(photo: Photo, options: RestoreOptions) -> np.ndarray:
    """The mask of the options, (H,W) bool, for a photo that is turned and cropped as they say.

    It has that photo's size, or that of the whole one, and is then turned and cropped along. Raises
    MaskError where it has another size, or is no picture; its size is known before it takes any
    memory.
    """
    name, data = photo.name, base64.b64decode(options.mask)
    width, height = png_size(data)
    is_whole = False
    if (height, width) != photo.pixels.shape[:2]:
        is_whole = (height, width) == photo.whole
        if not is_whole:
            raise MaskError(_wrong_size(photo, width, height))
    how = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION  # its size was read as it stands
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    if levels is None:
        raise MaskError(f"The mask of {name} is damaged; paint it anew.")
    marked = levels >= WHITE
    return framed_mask(marked, options.rotate, options.crop) if is_whole else marked


def _wrong_size(photo: Photo, width: int, height: int) -> str:
    rows, columns = photo.pixels.shape[:2]
    if photo.whole is None:
        return (
            f"{photo.name} has {columns} x {rows} pixels, its mask {width} x {height}; give a mask "
            "of the photo's size, seen upright."
        )
    return (
        f"{photo.name} has {columns} x {rows} pixels as it is turned and cropped, its mask {width} "
        f"x {height}; give a mask of that size, or of the whole photo's, {photo.whole[1]} x "
        f"{photo.whole[0]}, seen upright."
    )
