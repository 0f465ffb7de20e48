"""The part of a photo that is restored, and which way round: what somebody chose beforehand."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from gpen_webui.option_kinds import read_crop
from gpen_webui.photo import subject, xmp
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.metadata import lost_subject
from gpen_webui.photo.photo import Photo
from gpen_webui.photo.turning import turned


def framed(photo: Photo, rotate: str, crop: str) -> Photo:
    """The photo turned clockwise by so many degrees, then cropped, with what belongs to it.

    rotate, crop: as the options of those names. Raises PhotoError where the part lies beyond it.
    """
    if rotate == "0" and not crop:
        return photo
    height, width = photo.pixels.shape[:2]
    photo = replace(turned(photo, _quarters(rotate)), whole=(height, width))
    return _cropped(photo, read_crop(crop)) if crop else photo


def framed_mask(mask: np.ndarray, rotate: str, crop: str) -> np.ndarray:
    """A mask (H,W) of the whole photo, turned and cropped as `framed` does with the photo."""
    mask = np.rot90(mask, _quarters(rotate))
    if crop:
        left, top, width, height = read_crop(crop)
        mask = mask[top : top + height, left : left + width]
    return np.ascontiguousarray(mask)


def _quarters(rotate: str) -> int:
    """Counterclockwise, of degrees clockwise."""
    return -int(rotate) // 90 % 4


def framing_notes(photo: Photo, rotate: str, crop: str) -> list[str]:
    """What was done, in sentences. photo: as it is now."""
    notes = []
    if rotate != "0":
        notes.append(f"The photo was turned clockwise by {rotate} degrees.")
    if crop:
        height, width = photo.pixels.shape[:2]
        notes.append(f"The photo was cropped to {width} x {height} pixels.")
    return notes


def shrunk(photo: Photo, side: int) -> Photo:
    """The photo with its longer side at most `side` pixels, on white where it is transparent."""
    pixels = photo.pixels
    if photo.alpha is not None:
        alpha = photo.alpha[:, :, None] / 255
        pixels = np.rint(alpha * pixels + (1 - alpha) * 255).astype(np.uint8)
    scale = min(1.0, side / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return replace(photo, pixels=small, alpha=None)


def _cropped(photo: Photo, crop: tuple[int, int, int, int]) -> Photo:
    """People marked in it keep their places; those who are cut off go."""
    left, top, width, height = crop
    rows, columns = photo.pixels.shape[:2]
    if left + width > columns or top + height > rows:
        raise PhotoError(
            f"{photo.name} has {columns} x {rows} pixels, so the part {left},{top},{width},"
            f"{height} lies beyond its edge; choose a part within it."
        )
    part = np.s_[top : top + height, left : left + width]
    losses, block, tags = list(photo.losses), photo.xmp, photo.exif
    if tags:
        tags, lost = subject.moved(tags, (columns, rows), crop=crop)
        losses += [lost_subject(photo.name)] if lost else []
    if block:
        block, lost_faces = xmp.describing(block, size=(columns, rows), crop=crop)
        if lost_faces:
            losses.append(f"{photo.name} is cropped; the places of marked faces are left out.")
    return replace(
        photo,
        pixels=np.ascontiguousarray(photo.pixels[part]),
        alpha=None if photo.alpha is None else np.ascontiguousarray(photo.alpha[part]),
        exif=tags,
        xmp=block,
        losses=tuple(losses),
    )
