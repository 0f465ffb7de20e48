"""Faces any way round: where their landmarks lie, which are found, and which are left alone."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen_webui.faces.align import crop_matrix
from gpen_webui.faces.detect import FaceDetector
from gpen_webui.faces.face import Face
from gpen_webui.faces.mesh import FaceMesh
from gpen_webui.faces.second_look import SecondLook
from gpen_webui.faces.turn import box_turned, box_turned_back, common_turn
from gpen_webui.photo.photo import open_photo
from tests.shared_detector import face_detector

Turned = tuple[np.ndarray, np.ndarray]  # a picture, and the matrix that leads to it


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return face_detector()


@pytest.fixture(scope="module")
def astronaut(project: Path) -> np.ndarray:
    return open_photo(project / "tests" / "data" / "astronaut.jpg").pixels


def turned(pixels: np.ndarray, degrees: float) -> Turned:
    """A picture turned counterclockwise, on grey."""
    height, width = pixels.shape[:2]
    side = round(np.hypot(width, height))
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    grey = (128, 128, 128)
    return cv2.warpAffine(pixels, matrix, (side, side), borderValue=grey), matrix


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def error(face: Face, truth: np.ndarray, width: float) -> float:
    """How far landmarks lie from the truth, in parts of the upright face's width."""
    return float(np.linalg.norm(face.landmarks - truth, axis=1).mean() / width)


@pytest.mark.parametrize("degrees", [0, 45, 90, 135, 180, 230, 270, 330])
def test_landmarks_are_as_good_on_a_turned_face_as_on_an_upright_one(
    detector, astronaut, degrees: float
):
    (upright,) = detector.detect(astronaut)
    pixels, matrix = turned(astronaut, degrees)
    (face,) = detector.detect(pixels)
    assert face.doubt is None
    assert error(face, moved(upright.landmarks, matrix), upright.width) < 0.04


def test_portraits_are_found_and_placed_whichever_way_they_lie(shared: Path, detector):
    errors = []
    for file in sorted((shared / "photos").glob("portrait-*.jpg"))[:1]:
        pixels = open_photo(file).pixels
        (upright,) = detector.detect(pixels)
        for degrees in (45, 90, 135, 180):
            picture, matrix = turned(pixels, degrees)
            (face,) = detector.detect(picture)
            errors.append(error(face, moved(upright.landmarks, matrix), upright.width))
    assert np.median(errors) <= 0.02
    assert max(errors) <= 0.05


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_all_people_of_a_group_photo_that_lies_turned_are_found(
    shared: Path, detector, quarters: int
):
    """Most of these faces, some 35 pixels wide, cannot be seen unless the photo is turned."""
    pixels = open_photo(shared / "photos" / "group-solvay-1927.png").pixels
    faces = detector.detect(np.ascontiguousarray(np.rot90(pixels, quarters)))
    assert len(faces) == 29
    assert not any(face.doubt for face in faces)
    assert common_turn(faces) == -quarters % 4


@pytest.mark.parametrize("degrees", [45, pytest.param(135, marks=pytest.mark.slow)])
def test_all_people_of_a_group_photo_that_hangs_askew_are_found(
    shared: Path, detector, degrees: float
):
    """Half of them cannot be seen unless the photo is straightened."""
    pixels, _ = turned(open_photo(shared / "photos" / "group-solvay-1927.png").pixels, degrees)
    faces = detector.detect(pixels)
    assert len(faces) == 29
    assert not any(face.doubt for face in faces)


def test_people_are_found_in_a_photo_of_which_half_stands_on_its_head(detector, astronaut):
    head = cv2.resize(astronaut[:250, 100:350], (160, 160), interpolation=cv2.INTER_AREA)
    album_page = np.full((800, 1000, 3), 200, np.uint8)
    for number, quarters in enumerate((0, 2, 0, 2, 1, 2)):
        x, y = 100 + 300 * (number % 3), 150 + 350 * (number // 3)
        album_page[y : y + 160, x : x + 160] = np.rot90(head, quarters)
    faces = detector.detect(album_page)
    assert len(faces) == 6
    assert common_turn(faces) == 0


def test_a_cheek_is_not_taken_for_a_face(shared: Path, detector):
    pixels = open_photo(shared / "cases" / "15-face-225deg.jpg").pixels
    (face,) = detector.detect(pixels)
    left, right, nose, *mouth = moved(face.landmarks, crop_matrix(face.landmarks, 1))
    assert face.doubt is None
    assert left[0] < nose[0] < right[0]
    assert min(corner[1] for corner in mouth) > nose[1] > max(left[1], right[1])
    eyes = np.linalg.norm(face.landmarks[0] - face.landmarks[1])
    assert eyes > 0.35 * face.width  # the first look puts both on one cheek


class Sees(FaceDetector):
    """Says what it is told to at the first look."""

    def __init__(self, seen: list[Face]):
        super().__init__()
        self._finder.look_at = lambda *args, **named: seen


def test_a_face_that_a_second_look_does_not_find_is_kept_with_its_doubt(astronaut):
    (face,) = face_detector().detect(astronaut)
    beside = replace(face, box=(380.0, 380.0, 480.0, 500.0), score=0.55)
    beside = replace(beside, landmarks=face.landmarks + 250)
    found = Sees([face, beside]).detect(astronaut)
    assert [other.doubt for other in found] == [None, "a second look finds no face there"]
    assert np.array_equal(found[1].landmarks, beside.landmarks)


def test_a_very_blurred_face_of_which_the_mesh_knows_nothing_is_restored_all_the_same(
    detector, astronaut
):
    blurred = cv2.GaussianBlur(enlarged_head(astronaut, 400), (0, 0), 7)
    noise = np.random.default_rng(0).normal(0, 18, blurred.shape)
    photo = np.full((600, 800, 3), int(blurred[0].mean()), np.uint8)
    photo[100:500, 200:600] = np.clip(blurred + noise, 0, 255)
    (face,) = detector.detect(photo)
    assert FaceMesh().presence(photo, face.landmarks) < 0.5
    assert face.doubt is None
    assert abs(face.roll) < 15


def enlarged_head(astronaut: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(astronaut[:250, 100:350], (side, side), interpolation=cv2.INTER_CUBIC)


def test_an_upright_face_of_ordinary_size_needs_no_second_look(
    detector, astronaut, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(SecondLook, "confirm", lambda *_: pytest.fail("looked twice"))
    photo = np.full((1080, 1920, 3), 128, np.uint8)
    photo[80:, 400:1400] = cv2.resize(astronaut, (1000, 1000))
    (face,) = detector.detect(photo)
    assert face.doubt is None


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_box_lies_in_the_turned_photo_where_its_pixels_do(turn: int):
    photo = np.zeros((40, 70), np.uint8)
    photo[5:15, 20:50] = 1
    rows, columns = np.nonzero(np.rot90(photo, turn))
    box = box_turned((20, 5, 50, 15), turn, photo.shape)
    assert box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert box_turned_back(box, turn, photo.shape) == (20, 5, 50, 15)
