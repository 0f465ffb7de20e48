"""Crops are where the reference puts them, and shrink without jagged edges."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen_webui.faces.align import crop_matrix, extract_crop, scale_of, template, warp

ENTRIES = json.loads((Path(__file__).parent / "data" / "cases.json").read_text())
CASES = [entry for entry in ENTRIES if "matrix" in entry]
TEMPLATES = [entry for entry in ENTRIES if "reference_points" in entry]
CORNERS = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]], float)


def identity_crop(size: int, scale: float, turn: float, centre: tuple[float, float]) -> np.ndarray:
    """The matrix that takes a face of a photo, around `centre`, to a crop."""
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack((linear, size / 2 - linear @ centre))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["size"]))
def test_a_crops_corners_lie_in_the_photo_where_the_reference_has_them(case):
    size = case["size"]
    matrix = crop_matrix(np.array(case["landmarks"]), size)
    corners = CORNERS * (size, size, 1)
    ours = cv2.invertAffineTransform(matrix) @ corners.T
    assert np.abs(ours - np.array(case["inverse"]) @ corners.T).max() < 0.01
    assert scale_of(matrix) == pytest.approx(case["scale"], rel=1e-5)


@pytest.mark.parametrize("entry", TEMPLATES, ids=lambda entry: str(entry["size"]))
def test_the_template_is_the_references(entry):
    assert np.abs(template(entry["size"]) - np.array(entry["reference_points"])).max() < 1e-6


def test_all_three_crop_sizes_are_covered():
    for entries in (CASES, TEMPLATES):
        assert {entry["size"] for entry in entries} == {256, 512, 1024}


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_landmarks_on_the_template_need_no_change(size: int):
    assert np.abs(crop_matrix(template(size), size) - [[1, 0, 0], [0, 1, 0]]).max() < 1e-9


def test_landmarks_land_on_the_template_for_any_similarity():
    for seed in range(20):
        random = np.random.default_rng(seed)
        made = identity_crop(512, random.uniform(0.05, 20), random.uniform(-3, 3), (700, 300))
        photo = cv2.invertAffineTransform(made)
        landmarks = template(512) @ photo[:, :2].T + photo[:, 2]
        assert np.abs(crop_matrix(landmarks, 512) - made).max() < 1e-6 * np.abs(made).max()


def stripes(side: int, period: float) -> np.ndarray:
    wave = 127.5 + 127.5 * np.sin(2 * np.pi * np.arange(side) / period)
    return np.repeat(np.tile(wave[None], (side, 1))[:, :, None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.2])
@pytest.mark.parametrize("scale", [0.35, 0.23, 0.08])
def test_detail_too_fine_for_the_crop_becomes_even_grey_and_no_pattern(scale: float, turn: float):
    period = 0.8 / scale  # 0.8 crop pixels: cannot be shown, so must vanish
    photo = stripes(4000, period)
    matrix = identity_crop(256, scale, turn, (2000, 2000))
    crop = extract_crop(photo, matrix, 256)
    linear = cv2.warpAffine(photo, matrix, (256, 256), flags=cv2.INTER_LINEAR)
    assert linear.std() > 50  # the pattern that plain interpolation makes of it
    assert crop.std() < 5


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.2])
def test_detail_that_the_crop_can_show_stays(turn: float):
    crop = extract_crop(stripes(4000, 6 / 0.25), identity_crop(256, 0.25, turn, (2000, 2000)), 256)
    assert crop.std() > 0.75 * stripes(256, 6).std()


def test_shrinking_moves_nothing():
    """The centre of a soft spot stays where the matrix says, to a twentieth of a pixel."""
    x, y = np.meshgrid(np.arange(2000), np.arange(2000))
    for turn in (0.0, 0.4, 2.0):
        spot = np.exp(-((x - 1100.25) ** 2 + (y - 930.5) ** 2) / (2 * 40.0**2))
        photo = np.repeat((spot * 255)[:, :, None], 3, axis=2).astype(np.uint8)
        matrix = identity_crop(256, 0.13, turn, (1000, 1000))
        crop = extract_crop(photo, matrix, 256)[:, :, 0].astype(float)
        centre = [(crop * axis).sum() / crop.sum() for axis in np.mgrid[:256, :256][::-1]]
        assert np.abs(matrix @ (1100.25, 930.5, 1) - centre).max() < 0.05


def test_beyond_the_photos_edge_the_face_goes_on():
    photo = np.full((200, 200, 3), 180, np.uint8)
    crop = extract_crop(photo, identity_crop(256, 1.3, 0.2, (10, 10)), 256)
    assert (crop == 180).all()


def test_a_crop_wholly_outside_the_photo_is_still_a_picture():
    photo = np.full((50, 50, 3), 90, np.uint8)
    for scale in (0.1, 1.0):
        assert warp(photo, identity_crop(64, scale, 0, (9000, -4000)), (64, 64)).shape == (
            64,
            64,
            3,
        )
