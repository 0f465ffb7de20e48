"""The measure of how blurred a face is."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen_webui.faces.align import crop_matrix, extract_crop
from gpen_webui.photo.photo import open_photo
from gpen_webui.stages.face_blur import blurs_in, sharp_face
from tests.shared_detector import face_detector

SIZE = 256


@pytest.fixture(scope="module")
def face(project: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """A photo, the matrix of its face, and that one's width."""
    pixels = open_photo(project / "tests" / "data" / "astronaut.jpg").pixels
    (found,) = face_detector().detect(pixels)
    return pixels, crop_matrix(found.landmarks, SIZE), found.width


def test_the_blur_of_a_face_is_told_in_parts_of_its_width_with_noise_and_without(face):
    pixels, matrix, width = face
    sharp = sharp_face(extract_crop(pixels, matrix, SIZE).astype(np.float32))
    assert blurs_in([(pixels, matrix)], SIZE, sharp)[0] < 0.6
    noise = np.random.default_rng(0).normal(0, 10, pixels.shape)
    for sigma in (1.5, 3, 5):
        blurred = cv2.GaussianBlur(pixels, (0, 0), sigma)
        noisy = np.clip(blurred + noise, 0, 255).astype(np.uint8)
        for seen in (blurred, noisy):
            [told] = blurs_in([(seen, matrix)], SIZE, sharp)
            assert told == pytest.approx(100 * sigma / width, rel=0.25)
