"""Put restored faces back into their photo.

Each face touches its own box only, under a soft mask that ends before the crop's border, so
the cost grows with the faces' area and no rectangle shows. What the model changed is added
to the photo (`restored - crop`, both warped back the same way): detail finer than the
model's pixels stays, and a face that the model left as it was leaves the photo as it was, to
the last bit. `keep_fine=0` turns that off and puts the model's own pixels in place.

Where faces overlap, each counts by its mask, and the result is the same in every order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from gpen_webui.faces.align import bounds, scale_of, warp

# The mask is a rounded square, in parts of the crop: fully opaque up to `INNER` of its
# radius, gone at its rim, which keeps a margin to the crop's border.
RADIUS = (0.46, 0.47)
CENTRE = (0.5, 0.51)
ROUNDNESS = 4
INNER = 0.66
BAND = 1 << 21  # pixels blended at a time
LEAST_ROWS = 32  # of a band that is divided

Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, eq=False)
class Patch:
    """A restored face on its way back.

    crop, restored: (S,S,3), 0-255, before and after. matrix: (2,3), photo to crop.
    keep_fine: 0-1, how much of the photo's detail that is finer than the crop stays. face_parts:
    (m,m) float32, 0-1, how far each part of the crop is face; None: all of it within the feather.
    """

    crop: np.ndarray
    restored: np.ndarray
    matrix: np.ndarray
    keep_fine: float = 1.0
    face_parts: np.ndarray | None = None


@dataclass(frozen=True)
class Band:
    """A part of the photo that is blended at once.

    box: where it is. faces: indices of the faces that reach into it. is_last_of: those that
    no later band needs.
    """

    box: Box
    faces: list[int]
    is_last_of: list[int]


def plan_bands(
    shape: tuple[int, ...], matrices: list[np.ndarray], side: int, most_faces: int | None = None
) -> list[Band]:
    """Where faces will be blended, in horizontal bands, so that neither a face of a hundred
    megapixels nor a crowd needs more memory than an ordinary photo.

    shape: of the photo. matrices: photo to crop, of all faces. side: of the crops, pixels.
    most_faces: bands that more faces reach into are divided, as far as that helps.
    """
    size = (shape[1], shape[0])
    boxes = [_box_of(matrix, side, size) for matrix in matrices]
    found = []
    for group in _touching(boxes):
        found += _bands_of(group, boxes, most_faces or len(matrices))
    last = {face: number for number, (_, faces) in enumerate(found) for face in faces}
    return [
        Band(box, faces, [face for face in faces if last[face] == number])
        for number, (box, faces) in enumerate(found)
    ]


def blend_band(pixels: np.ndarray, result: np.ndarray, patches: list[Patch], band: Band) -> None:
    """Blend the faces of a band, in the order of `band.faces`, into its part of `result`."""
    if len(patches) == 1:
        _blend_alone(pixels, result, patches[0], band.box)
        return
    size, area = (pixels.shape[1], pixels.shape[0]), band.box
    change = np.zeros((area[3] - area[1], area[2] - area[0], 3), np.float32)
    weight = np.zeros(change.shape[:2], np.float32)
    opacity = np.zeros(change.shape[:2], np.float32)
    for patch in patches:
        box = _box_of(patch.matrix, patch.crop.shape[0], size)
        part = (box[0], max(box[1], area[1]), box[2], min(box[3], area[3]))
        mask, difference = _warp_back(pixels, patch, box, part)
        here = np.s_[part[1] - area[1] : part[3] - area[1], part[0] - area[0] : part[2] - area[0]]
        change[here] += mask[:, :, None] * difference
        weight[here] += mask
        np.maximum(opacity[here], mask, out=opacity[here])
    # Alone, a face counts by its mask; several share the larger of their masks.
    share = np.divide(opacity, weight, out=np.zeros_like(weight), where=weight > 0)
    whole = np.s_[area[1] : area[3], area[0] : area[2]]
    change *= share[:, :, None]  # in place, as a band's pictures are large
    change += pixels[whole]
    np.rint(change, out=change)
    result[whole] = np.clip(change, 0, 255, out=change)


def _blend_alone(pixels: np.ndarray, result: np.ndarray, patch: Patch, area: Box) -> None:
    """The same bytes as of `blend_band` for one face, which counts by its mask, in fewer passes."""
    box = _box_of(patch.matrix, patch.crop.shape[0], (pixels.shape[1], pixels.shape[0]))
    mask, change = _warp_back(pixels, patch, box, area)
    cv2.multiply(change, cv2.merge((mask, mask, mask)), dst=change)
    whole = np.s_[area[1] : area[3], area[0] : area[2]]
    cv2.add(pixels[whole], change, dst=change, dtype=cv2.CV_32F)
    result[whole] = cv2.convertScaleAbs(np.maximum(change, 0, out=change))  # rounds and clips


@lru_cache(maxsize=8)
def face_mask(size: int) -> np.ndarray:
    """How much of each crop pixel belongs to the face, (size,size) float32, 0-1."""
    axis = (np.arange(size) + 0.5) / size
    x = np.abs(axis - CENTRE[0]) / RADIUS[0]
    y = np.abs(axis - CENTRE[1]) / RADIUS[1]
    distance = (x[None] ** ROUNDNESS + y[:, None] ** ROUNDNESS) ** (1 / ROUNDNESS)
    ramp = np.clip((1 - distance) / (1 - INNER), 0, 1)
    mask = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    mask.flags.writeable = False
    return mask


def _crop_mask(patch: Patch) -> np.ndarray:
    size = patch.crop.shape[0]
    if patch.face_parts is None:
        return face_mask(size)
    method = cv2.INTER_AREA if len(patch.face_parts) > size else cv2.INTER_LINEAR
    return face_mask(size) * cv2.resize(patch.face_parts, (size, size), interpolation=method)


def _box_of(matrix: np.ndarray, side: int, size: tuple[int, int]) -> Box:
    return bounds(cv2.invertAffineTransform(matrix), (side, side), size)


def _bands_of(group: list[int], boxes: list[Box], most_faces: int) -> list[tuple[Box, list[int]]]:
    """The bands of faces that touch one another, from top to bottom."""
    left, top = min(boxes[i][0] for i in group), min(boxes[i][1] for i in group)
    right, bottom = max(boxes[i][2] for i in group), max(boxes[i][3] for i in group)
    rows = max(1, BAND // (right - left))
    bands = []
    while top < bottom:
        height = min(rows, bottom - top)
        while True:
            band = (left, top, right, top + height)
            faces = [i for i in group if _meet(boxes[i], band)]
            if len(faces) <= most_faces or height <= LEAST_ROWS:
                break
            height = max(LEAST_ROWS, height // 2)
        bands.append((band, faces))
        top += height
    return bands


def _touching(boxes: list[Box]) -> list[list[int]]:
    """Indices of non-empty boxes, in groups that do not overlap one another."""
    groups: list[list[int]] = []
    for index, box in enumerate(boxes):
        if box[2] <= box[0] or box[3] <= box[1]:
            continue
        joined = [group for group in groups if any(_meet(box, boxes[i]) for i in group)]
        groups = [group for group in groups if group not in joined]
        groups.append(sorted(sum(joined, [index])))
    return groups


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _warp_back(
    pixels: np.ndarray, patch: Patch, box: Box, part: Box
) -> tuple[np.ndarray, np.ndarray]:
    """Mask (h,w) and change (h,w,3), float32, of a part of one face's box."""
    back = cv2.invertAffineTransform(patch.matrix)
    # A shrunk face, which is small, is warped whole: how it is softened depends on where it ends.
    area = box if scale_of(back) < 1 else part
    back = back - [[0, 0, area[0]], [0, 0, area[1]]]
    size = (area[2] - area[0], area[3] - area[1])
    restored = patch.restored.astype(np.float32)
    crop = patch.crop.astype(np.float32)
    mask = warp(_crop_mask(patch), back, size, beyond=cv2.BORDER_CONSTANT)
    difference = warp(restored - crop, back, size)
    if patch.keep_fine < 1:
        fine = pixels[area[1] : area[3], area[0] : area[2]] - warp(crop, back, size)
        difference -= (1 - patch.keep_fine) * fine
    rows = np.s_[part[1] - area[1] : part[3] - area[1]]
    return np.clip(mask[rows], 0, 1), difference[rows]
