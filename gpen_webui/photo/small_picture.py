"""A picture made small, to be seen beside others in a report."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image, WebPImagePlugin  # which Pillow would else look for among all formats

from gpen_webui.photo.icc import space_of
from gpen_webui.photo.photo import Photo

SIDE = 128  # pixels
QUALITY = 50
ENOUGH = 4  # samples along a pixel's side; the others need not be looked at
FAST = 2  # of WebP's methods, 0 to 6
SMALL_PROFILE = 1000  # bytes; larger ones are almost always sRGB


def small_picture(photo: Photo, pixels: np.ndarray) -> bytes:
    """A WebP picture, its longer side at most SIDE pixels, a few kB.

    pixels: (H,W,3) uint8, of the photo or of what was made of it, in the photo's colours. What is
    transparent becomes white.
    """
    small = _shrunk(pixels)
    if photo.alpha is not None:
        size = (small.shape[1], small.shape[0])
        alpha = cv2.resize(photo.alpha, size, interpolation=cv2.INTER_AREA)
        share = alpha[..., np.newaxis].astype(np.float32) / 255
        small = np.rint(small * share + 255 * (1 - share)).astype(np.uint8)
    buffer = io.BytesIO()
    profile = _profile(photo) or b""
    Image.fromarray(small).save(
        buffer,
        WebPImagePlugin.WebPImageFile.format,
        quality=QUALITY,
        method=FAST,
        icc_profile=profile,
    )
    return buffer.getvalue()


def before_and_after(photo: Photo, restored: np.ndarray) -> tuple[bytes, bytes]:
    """Small pictures of a photo and of what was made of it, (H,W,3) uint8."""
    return small_picture(photo, photo.pixels), small_picture(photo, restored)


def _profile(photo: Photo) -> bytes | None:
    is_fit = photo.icc and len(photo.icc) <= SMALL_PROFILE and space_of(photo.icc) == b"RGB "
    return photo.icc if is_fit else None


def _shrunk(pixels: np.ndarray) -> np.ndarray:
    step = max(1, max(pixels.shape[:2]) // (SIDE * ENOUGH))
    pixels = np.ascontiguousarray(pixels[::step, ::step])
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    if scale == 1.0:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
