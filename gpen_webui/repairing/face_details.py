"""What belongs to a face and looks like damage: spectacles, glints in the eyes, teeth.

They are as thin and as bright as scratches. So what lies around the eyes and on the mouth, and
hardly reaches beyond, is left to the network that restores the face.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

# Half axes of what is left alone: around the eyes in distances between them, around the mouth in
# its widths.
EYES, MOUTH = (1.15, 0.5), (0.75, 0.45)
MOST_INSIDE = 0.6  # of a scratch, that may lie there


def without_face_details(mask: np.ndarray, faces: Sequence[np.ndarray]) -> np.ndarray:
    """Take out of a mask (H,W) bool what lies on the eyes or the mouth of a face.

    faces: landmarks (5,2) of each, in pixels of the mask.
    """
    zones = np.zeros(mask.shape, np.uint8)
    for landmarks in faces:
        _draw(zones, landmarks[0], landmarks[1], EYES)
        _draw(zones, landmarks[3], landmarks[4], MOUTH)
    if not (zones.astype(bool) & mask).any():
        return mask
    count, places = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    areas = np.bincount(places.ravel(), minlength=count)
    inside = np.bincount(places[zones > 0], minlength=count)
    kept = inside <= MOST_INSIDE * areas
    kept[0] = False  # what is not in the mask
    return kept[places]


def _draw(zones: np.ndarray, one: np.ndarray, other: np.ndarray, axes: tuple[float, float]) -> None:
    """Mark an ellipse that lies along the line between two points."""
    middle, (across, down) = (one + other) / 2, other - one
    length = float(np.hypot(across, down))
    half = [max(1, round(axis * length)) for axis in axes]
    turn = float(np.degrees(np.arctan2(down, across)))
    cv2.ellipse(zones, np.rint(middle).astype(int).tolist(), half, turn, 0, 360, 1, -1)
