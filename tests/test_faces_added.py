"""Faces that were missed, in boxes which a user drew around them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen_webui.faces.closer_look import upright_face
from gpen_webui.faces.detect import Face, FaceDetector
from gpen_webui.faces.select import FaceChoiceError
from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo, open_photo
from tests.shared_detector import face_detector
from tests.test_restore import STRONG, pair_of, restorer


@pytest.fixture(scope="module")
def astronaut(project: Path) -> Photo:
    return open_photo(project / "tests" / "data" / "astronaut.jpg")


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return face_detector()


def drawn_around(face: Face, grown: float = 1.2) -> str:
    """The option's text for a box around a face, drawn a little larger."""
    left, top, right, bottom = face.box
    wide, high = (right - left) * grown, (bottom - top) * grown
    x, y = (left + right - wide) / 2, (top + bottom - high) / 2
    return ",".join(str(round(side)) for side in (x, y, wide, high))


class ForgetfulDetector(FaceDetector):
    """Misses the second face of a photo."""

    def detect(self, pixels: np.ndarray) -> list[Face]:
        self.missed = super().detect(pixels)[1]
        return super().detect(pixels)[:1]


def test_a_missed_face_is_restored_as_if_it_had_been_found_and_the_others_keep_their_numbers(
    astronaut: Photo, detector: FaceDetector
):
    photo = pair_of(astronaut)
    everything = restorer(lambda crops: crops * 0.5, detector).restore(photo, RestoreOptions())
    forgetful = ForgetfulDetector()
    engine = restorer(lambda crops: crops * 0.5, forgetful)
    assert len(engine.restore(photo, RestoreOptions()).faces) == 1
    options = RestoreOptions.parse({"add_face": drawn_around(forgetful.missed)})
    done = engine.restore(photo, options)
    assert [(face.number, face.found_by) for face in done.faces] == [
        (1, "detector"),
        (2, "closer look"),
    ]
    assert done.faces[0] == everything.faces[0]
    apart = np.subtract(done.faces[1].box, everything.faces[1].box)
    assert np.abs(apart).max() < 0.15 * forgetful.missed.width
    assert np.array_equal(np.hsplit(done.pixels, 2)[0], np.hsplit(everything.pixels, 2)[0])
    assert (np.hsplit(done.pixels, 2)[1] != np.hsplit(photo.pixels, 2)[1]).any()


def test_only_the_added_face_goes_through_the_network_and_the_bytes_are_those_of_a_fresh_start(
    astronaut: Photo,
):
    photo, forgetful = pair_of(astronaut), ForgetfulDetector()
    engine = restorer(lambda crops: crops * 0.5, forgetful)
    kept = KeptIntermediates().of("pair")
    engine.restore(photo, RestoreOptions(), reuse=kept)
    options = RestoreOptions.parse({"add_face": drawn_around(forgetful.missed)})
    again = engine.restore(photo, options, reuse=kept)
    assert engine.face_network.engine.batches == [1, 1]
    assert np.array_equal(again.pixels, engine.restore(photo, options).pixels)
    weaker = RestoreOptions.parse({**options.as_dict(), "face_strength": "2=10"})
    engine.restore(photo, weaker, reuse=kept)
    engine.restore(photo, RestoreOptions(), reuse=kept)  # taken out again
    assert engine.face_network.engine.batches == [1, 1, 2]


@pytest.mark.parametrize("degrees", [0, 40, 90, 200])
def test_a_face_of_any_rotation_is_recognised_in_its_box(
    astronaut: Photo, detector: FaceDetector, degrees: int
):
    upright = detector.detect(astronaut.pixels)[0]
    x, y = (upright.box[0] + upright.box[2]) / 2, (upright.box[1] + upright.box[3]) / 2
    matrix = cv2.getRotationMatrix2D((x, y), -degrees, 0.25)  # clockwise
    matrix[:, 2] += (100 - x, 100 - y)
    pixels = cv2.warpAffine(astronaut.pixels, matrix, (200, 200), borderMode=cv2.BORDER_REPLICATE)
    face = detector.find_in(pixels, (80, 80, 40, 40), [])
    landmarks = upright.landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert not face.is_guess
    assert np.linalg.norm(face.landmarks - landmarks, axis=1).mean() < 0.1 * face.width


def test_where_nothing_is_recognised_the_box_is_restored_upright_and_it_is_said(
    astronaut: Photo, detector: FaceDetector
):
    engine = restorer(lambda crops: -crops, detector)
    sky = Photo(np.full((200, 300, 3), 150, np.uint8), "sky.png", "png")
    box = {"add_face": [[100, 60, 50, 70]]}
    done = engine.restore(sky, RestoreOptions.parse({**STRONG.as_dict(), **box}))
    assert done.state == "done"
    assert [(face.found_by, face.box) for face in done.faces] == [("box", (100, 60, 150, 130))]
    assert done.faces[0].as_dict()["added"] == [100, 60, 50, 70]
    assert "No face was recognised in the box 100,60,50,70;" in done.warnings[0]
    changed = np.argwhere((done.pixels != sky.pixels).any(axis=2))
    assert np.abs(changed.mean(axis=0) - (95, 125)).max() < 15


def test_a_guessed_crop_is_cut_out_as_an_upright_face_of_that_box_would_be(
    astronaut: Photo, detector: FaceDetector
):
    upright = detector.detect(astronaut.pixels)[0]
    guess = upright_face(upright.box, 0)
    assert np.abs(guess.landmarks - upright.landmarks).max() < 0.12 * upright.width
    assert abs(upright_face(upright.box, 1).roll - 90) < 2


def test_a_box_around_a_face_that_was_found_adds_none_but_wants_it_however_small(
    astronaut: Photo, detector: FaceDetector
):
    photo = pair_of(astronaut)
    engine = restorer(lambda crops: -crops, detector)
    second = detector.detect(photo.pixels)[1]
    box = drawn_around(second)
    done = engine.restore(photo, RestoreOptions.parse({"add_face": box, "min_face": 400}))
    assert [face.restored for face in done.faces] == [False, True]
    assert done.notes == [f"The box {box} is around face 2, which was found already."]
    assert done.faces[1].found_by == "detector"


def test_a_box_outside_of_the_photo_is_an_error_in_words(astronaut: Photo, detector: FaceDetector):
    engine = restorer(lambda crops: crops, detector)
    with pytest.raises(FaceChoiceError, match="600,10,50,50 lies outside the photo, which has 512"):
        engine.restore(astronaut, RestoreOptions.parse({"add_face": "600,10,50,50"}))


def test_beyond_the_edge_of_the_photo_there_is_no_face(astronaut: Photo, detector: FaceDetector):
    engine = restorer(lambda crops: crops, detector)
    done = engine.restore(astronaut, RestoreOptions.parse({"add_face": "400,300,600,600"}))
    left, top, right, bottom = done.faces[-1].box
    assert (left + right) / 2 < 512
    assert (top + bottom) / 2 < 512


def test_a_choice_for_an_added_face_holds_only_where_it_is(
    astronaut: Photo, detector: FaceDetector
):
    engine = restorer(lambda crops: -crops, detector)
    sky = Photo(np.full((200, 300, 3), 150, np.uint8), "sky.png", "png")
    chosen = {"face_strength": "1=30", "face_boxes": {"1": [100, 60, 150, 130]}}
    done = engine.restore(sky, RestoreOptions.parse({"add_face": "100,60,50,70", **chosen}))
    assert done.faces[0].strength == 30
    with pytest.raises(FaceChoiceError, match="Face 1 is no longer where it was"):
        engine.restore(sky, RestoreOptions.parse({"add_face": "10,60,50,70", **chosen}))
