"""Crop a face upright to the model's square, and warp pictures without aliasing."""

from __future__ import annotations

import math

import cv2
import numpy as np

# Where a model expects the landmarks, in pixels of a 512 px crop: left eye, right eye, nose,
# left and right corner of the mouth (the template that GPEN was trained with).
TEMPLATE_512 = (
    (202.04068428190476, 242.8839634590476),
    (309.43024554666664, 242.28998092190477),
    (256.07679966476195, 303.9591703771428),
    (211.9597749333333, 366.82819474285714),
    (300.8911249066667, 366.33630951619045),
)
OVERSAMPLING = 2.5  # a shrunk picture is averaged to this many times its final resolution
SOFTNESS = 0.4  # then blurred by this standard deviation, in final pixels


def template(size: int) -> np.ndarray:
    """The five landmarks' places in a crop of size x size pixels, (5,2) float64."""
    return np.array(TEMPLATE_512) * (size / 512)


def crop_matrix(landmarks: np.ndarray, size: int) -> np.ndarray:
    """The similarity that takes photo pixels to crop pixels, (2,3) float64.

    The least-squares fit of the landmarks (5,2) to the template: Umeyama, "Least-squares
    estimation of transformation parameters between two point patterns", 1991, in its closed
    form for two dimensions, where a similarity is one complex factor and one shift.
    """
    source = np.asarray(landmarks, np.float64) @ (1, 1j)
    target = template(size) @ (1, 1j)
    centred = source - source.mean()
    factor = np.vdot(centred, target - target.mean()) / np.vdot(centred, centred)
    shift = target.mean() - factor * source.mean()
    return np.array(
        [
            [factor.real, -factor.imag, shift.real],
            [factor.imag, factor.real, shift.imag],
        ]
    )


def scale_of(matrix: np.ndarray) -> float:
    """By how much a similarity (2,3) enlarges."""
    return math.hypot(matrix[0, 0], matrix[1, 0])


def extract_crop(pixels: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """The face, upright: (size,size,3) uint8 from a photo (H,W,3) uint8.

    What lies beyond the photo's edge is the photo mirrored at it: the network is used to
    faces that go on, not to bars.
    """
    return warp(pixels, matrix, (size, size))


def warp(
    pixels: np.ndarray,
    matrix: np.ndarray,
    size: tuple[int, int],
    beyond: int = cv2.BORDER_REFLECT_101,
) -> np.ndarray:
    """Apply a similarity (2,3) to a picture; return `size` = (width, height) pixels of it.

    beyond: what lies outside the picture: itself mirrored, or nothing (cv2.BORDER_CONSTANT).

    Where the picture is shrunk, detail that the result cannot hold is taken out first, so that
    it does not turn into jagged edges and patterns; then it is interpolated bicubically.
    """
    scale = scale_of(matrix)
    if scale < 1:
        pixels, matrix = _soften(pixels, matrix, size, scale)
    return cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=beyond)


def bounds(
    matrix: np.ndarray, size: tuple[int, int], within: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of a `within` = (width, height) picture that a
    similarity makes from size = (width, height) pixels; empty where right <= left."""
    width, height = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], float)
    x, y = matrix @ corners.T
    left, top = max(0, math.floor(x.min())), max(0, math.floor(y.min()))
    return left, top, min(within[0], math.ceil(x.max()) + 1), min(within[1], math.ceil(y.max()) + 1)


def _soften(
    pixels: np.ndarray, matrix: np.ndarray, size: tuple[int, int], scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """The part of the picture that is needed, without its finest detail, and the matrix from
    there. The bulk is averaged away, the rest blurred: an average alone lets patterns through.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = bounds(cv2.invertAffineTransform(matrix), size, (width, height))
    if right <= left or bottom <= top:  # all beyond the edge
        return pixels, matrix
    part = pixels[top:bottom, left:right]
    share = min(1.0, OVERSAMPLING * scale)
    small = (max(1, round(part.shape[1] * share)), max(1, round(part.shape[0] * share)))
    to_part = np.array([part.shape[1] / small[0], part.shape[0] / small[1]])
    part = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
    part = cv2.GaussianBlur(part, (0, 0), SOFTNESS * math.sqrt((share / scale) ** 2 - 1))
    # Pixel i of the small part has its centre at (i + 0.5) * to_part - 0.5 of the part.
    linear = matrix[:, :2] * to_part
    origin = np.array([left, top]) + (to_part - 1) / 2
    return part, np.column_stack((linear, matrix[:, :2] @ origin + matrix[:, 2]))
