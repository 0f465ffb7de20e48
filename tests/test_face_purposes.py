"""GPEN's other models: what they are shown of a photo, and what is taken from their answer."""

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gpen_webui.models.folder import InstalledModel
from gpen_webui.models.published import CATALOG
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.pipeline import restore_file
from gpen_webui.stages.face_purposes import PURPOSES, find_holes, purpose_of
from gpen_webui.stages.restorer import Restorer
from tests.shared_detector import face_detector
from tests.test_restore import SIZE, OneLineEngine

COLORIZE, INPAINT = "gpen-colorization-1024", "gpen-inpainting-1024"
FULL = RestoreOptions(strength=100)
LUMA = np.array([0.299, 0.587, 0.114])


def restorer(name: str, function) -> Restorer:
    model = InstalledModel(name, Path(name), "0" * 64, SIZE)
    return Restorer(OneLineEngine(function), face_detector(), model)


@pytest.fixture(scope="module")
def astronaut(project: Path) -> Photo:
    return open_photo(project / "tests" / "data" / "astronaut.jpg")


@pytest.fixture
def grey_file(astronaut: Photo, tmp_path: Path) -> Path:
    Image.fromarray(astronaut.pixels).convert("L").save(tmp_path / "grey.png")
    return tmp_path / "grey.png"


def reddened(crops: np.ndarray) -> np.ndarray:
    """Another brightness, and colours that the crop does not have."""
    return np.clip(crops * 0.5 + np.float32([0.4, -0.1, -0.3])[None, :, None, None], -1, 1)


def luma(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float64) @ LUMA


def chroma(pixels: np.ndarray) -> np.ndarray:
    return np.ptp(pixels.astype(int), axis=2)


def test_every_model_of_the_catalog_that_takes_faces_has_a_purpose():
    assert {entry.task for entry in CATALOG if entry.size} == set(PURPOSES)
    assert purpose_of("somebody's own") is PURPOSES["restore"]


def test_colouring_shows_the_network_equal_colours(astronaut: Photo):
    seen = []

    def look(crops: np.ndarray) -> np.ndarray:
        seen.append(crops)
        return reddened(crops)

    restorer(COLORIZE, look).restore(astronaut, FULL)
    assert np.array_equal(seen[0][:, 0], seen[0][:, 1])
    assert np.array_equal(seen[0][:, 1], seen[0][:, 2])


def test_colouring_gives_faces_colours_and_leaves_every_brightness(grey_file: Path):
    photo = open_photo(grey_file)
    done = restorer(COLORIZE, reddened).restore(photo, FULL)
    assert np.abs(luma(done.pixels) - luma(photo.pixels)).max() < 2
    left, top, right, bottom = (int(edge) for edge in done.faces[0].box)
    assert np.median(chroma(done.pixels)[top:bottom, left:right]) > 60
    assert not chroma(done.pixels)[:, : left - 2 * (right - left)].any()
    assert any("rest of the photo stays" in warning for warning in done.warnings)


@pytest.mark.parametrize("mode", ["natural", "strong", "detail"])
def test_the_colours_are_the_networks_in_every_mode(grey_file: Path, mode: str):
    photo = open_photo(grey_file)
    done = restorer(COLORIZE, reddened).restore(photo, RestoreOptions(strength=100, mode=mode))
    expected = restorer(COLORIZE, reddened).restore(photo, FULL)
    assert np.array_equal(done.pixels, expected.pixels)


def test_strength_says_how_much_colour(grey_file: Path):
    photo = open_photo(grey_file)
    strengths = [0, 30, 100]
    colours = [
        chroma(
            restorer(COLORIZE, reddened).restore(photo, RestoreOptions(strength=strength)).pixels
        ).sum()
        for strength in strengths
    ]
    assert colours[0] == 0
    assert 0.2 * colours[2] < colours[1] < 0.4 * colours[2]


@pytest.mark.parametrize("aligned", [False, True])
def test_the_file_of_a_coloured_grey_photo_has_colours(grey_file: Path, aligned: bool):
    options = replace(FULL, aligned=aligned)
    done = restore_file(restorer(COLORIZE, reddened), grey_file, "grey.png", options)
    saved = np.asarray(Image.open(io.BytesIO(done.data)))
    assert saved.ndim == 3
    assert chroma(saved).max() > 60


def test_the_file_of_a_restored_grey_photo_has_none(grey_file: Path):
    done = restore_file(restorer("test", reddened), grey_file, "grey.png", FULL)
    assert Image.open(io.BytesIO(done.data)).mode == "L"


def fill_grey(crops: np.ndarray) -> np.ndarray:
    """What was white becomes 102."""
    return np.float32(0.1) * crops - np.float32(0.3)


def painted(photo: Photo) -> tuple[Photo, np.ndarray]:
    """The photo with a white stroke across the face, and where that is."""
    face = face_detector().detect(photo.pixels)[0]
    left, top, right, bottom = (int(edge) for edge in face.box)
    stroke = np.zeros(photo.pixels.shape[:2], np.uint8)
    row = int(top + 0.75 * (bottom - top))
    cv2.line(stroke, (left + 10, row), (right - 10, row), 255, max(3, (right - left) // 12))
    hole = stroke > 0
    pixels = photo.pixels.copy()
    pixels[hole] = 255
    return replace(photo, pixels=pixels), hole


def test_what_is_painted_white_is_filled_and_all_else_stays(astronaut: Photo):
    photo, hole = painted(astronaut)
    done = restorer(INPAINT, fill_grey).restore(photo, FULL)
    middle = cv2.erode(hole.astype(np.uint8), np.ones((3, 3))).astype(bool)
    filled = done.pixels[middle].astype(int)
    assert np.median(np.abs(filled - round(0.8 * 127.5))) <= 2
    around = cv2.dilate(hole.astype(np.uint8), np.ones((13, 13))).astype(bool)
    assert np.array_equal(done.pixels[~around], photo.pixels[~around])
    assert any("painted white" in warning for warning in done.warnings)


def test_holes_are_filled_whole_at_every_strength(astronaut: Photo):
    photo, _ = painted(astronaut)
    weak = restorer(INPAINT, fill_grey).restore(photo, RestoreOptions(strength=10))
    assert np.array_equal(weak.pixels, restorer(INPAINT, fill_grey).restore(photo, FULL).pixels)


def test_the_network_is_shown_holes_in_plain_white(astronaut: Photo):
    photo, _ = painted(astronaut)
    seen = []
    restorer(INPAINT, lambda crops: seen.append(crops) or crops).restore(photo, FULL)
    assert (seen[0] == 1).all(axis=1).mean() > 0.01


def test_a_photo_without_holes_is_left_as_it_is(astronaut: Photo):
    done = restorer(INPAINT, lambda crops: -crops).restore(astronaut, FULL)
    assert np.array_equal(done.pixels, astronaut.pixels)


def test_lights_in_eyes_are_no_holes():
    crop = np.full((512, 512, 3), 90, np.uint8)
    cv2.circle(crop, (200, 200), 4, (255, 255, 255), -1)
    assert not find_holes(crop).any()
    cv2.line(crop, (100, 300), (400, 320), (255, 255, 255), 12)
    holes = find_holes(crop)
    assert holes[310, 250]
    assert not holes[200, 200]


def test_the_edge_of_a_hole_is_feathered_in_the_aligned_form(astronaut: Photo):
    crop = cv2.resize(astronaut.pixels[:200, 150:350], (SIZE, SIZE))
    crop[60:80, 30:90] = 255
    photo = replace(astronaut, pixels=crop)
    options = replace(FULL, aligned=True)
    done = restorer(INPAINT, fill_grey).restore(photo, options)
    assert np.abs(done.pixels[65:75, 40:80].astype(int) - 102).max() <= 1
    assert np.array_equal(done.pixels[:50], crop[:50])
