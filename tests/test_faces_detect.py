"""How many faces are found, and that it does not matter how large or how turned the file is."""

import os
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen_webui.faces.align import crop_matrix, template
from gpen_webui.faces.centerface import CenterFace, is_same_face, merged
from gpen_webui.faces.detect import DetectorError, FaceDetector
from gpen_webui.faces.view import View
from gpen_webui.photo.photo import open_photo
from tests.shared_detector import face_detector


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return face_detector()


@pytest.fixture(scope="module")
def astronaut(project: Path) -> np.ndarray:
    return open_photo(project / "tests" / "data" / "astronaut.jpg").pixels


def enlarged(pixels: np.ndarray, longest: int) -> np.ndarray:
    share = longest / max(pixels.shape[:2])
    return cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_CUBIC)


def face_only(pixels: np.ndarray, detector: FaceDetector, margin: float) -> np.ndarray:
    left, top, right, bottom = detector.detect(pixels)[0].box
    more_x, more_y = margin * (right - left), margin * (bottom - top)
    rows = slice(max(0, int(top - more_y)), int(bottom + more_y))
    return pixels[rows, max(0, int(left - more_x)) : int(right + more_x)]


def test_all_29_people_of_the_solvay_conference_are_found(shared: Path, detector):
    photo = open_photo(shared / "photos" / "group-solvay-1927.png")
    faces = detector.detect(photo.pixels)
    assert len(faces) == 29
    assert all(20 < face.width < 60 for face in faces)


def test_every_portrait_has_exactly_one_face(shared: Path, detector):
    files = sorted((shared / "photos").glob("portrait-*.jpg"))
    assert len(files) == 12
    counts = {file.name: len(detector.detect(open_photo(file).pixels)) for file in files}
    assert set(counts.values()) == {1}, counts


def test_a_photo_is_turned_upright_before_its_face_is_looked_for(shared: Path, detector):
    upright = detector.detect(open_photo(shared / "photos" / "hopper.jpg").pixels)[0]
    for orientation in range(2, 9):
        file = shared / "photos" / f"hopper-orientation-{orientation}.jpg"
        faces = detector.detect(open_photo(file).pixels)
        assert len(faces) == 1, orientation
        assert np.abs(np.subtract(faces[0].box, upright.box)).max() < 4, orientation


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_a_face_that_fills_a_4000_pixel_selfie_is_found(detector, astronaut, margin: float):
    selfie = enlarged(face_only(astronaut, detector, margin), 4000)
    faces = detector.detect(selfie)
    assert len(faces) == 1
    assert faces[0].width > 4000 / 3.5


@pytest.mark.parametrize("longest", [100, 200, 1000, 4000])
def test_the_same_face_is_found_at_any_size_of_the_photo(detector, astronaut, longest: int):
    share = longest / 512
    small = cv2.resize(astronaut, (longest, longest), interpolation=cv2.INTER_AREA)
    found, reference = detector.detect(small), detector.detect(astronaut)
    assert len(found) == len(reference) == 1
    off = np.abs(found[0].landmarks / share - reference[0].landmarks).max()
    assert off < 0.1 * reference[0].width


def test_faces_of_every_size_are_found_wherever_they_lie_in_a_large_photo(detector, astronaut):
    """Large photos are looked at in bands: no face may fall between two, or be found twice."""
    sizes = (110, 180, 260, 360, 500, 700, 1000)
    photo = np.full((3600, 4800, 3), 128, np.uint8)
    for shift in (0, 310, 620):
        x = 0
        for number, size in enumerate(sizes):
            head = cv2.resize(astronaut[:250, 100:350], (size, size), interpolation=cv2.INTER_AREA)
            y = (shift + 530 * number) % (3600 - size)
            photo[:, x : x + size] = 128
            photo[y : y + size, x : x + size] = head
            x += size + 200
        assert len(detector.detect(photo)) == len(sizes), shift


def test_people_far_behind_a_face_that_is_close_are_found(detector, astronaut):
    photo = np.full((3000, 4000, 3), 128, np.uint8)
    photo[:1500, 200:1700] = enlarged(astronaut[:250, 100:350], 1500)
    for x in (2200, 2700, 3200):  # faces some 70 pixels wide
        photo[1000:1200, x : x + 200] = enlarged(astronaut[:250, 100:350], 200)
    faces = detector.detect(photo)
    assert [face.width > 200 for face in faces] == [True, False, False, False]


def test_landmarks_come_in_the_templates_order(detector, astronaut):
    matrix = crop_matrix(detector.detect(astronaut)[0].landmarks, 512)
    points = detector.detect(astronaut)[0].landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(points - template(512)).max() < 60
    assert matrix[0, 0] > 0  # upright, not mirrored


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((400, 600, 3), np.uint8),
        np.full((50, 2000, 3), 200, np.uint8),
        np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8),
        np.full((1, 1, 3), 9, np.uint8),
    ],
    ids=["black", "banner", "noise", "one pixel"],
)
def test_where_there_is_no_face_none_is_found(detector, picture: np.ndarray):
    assert detector.detect(picture) == []


def test_two_faces_side_by_side_are_two_from_left_to_right(detector, astronaut):
    half = astronaut[:300, 100:400]
    faces = detector.detect(np.hstack((half, half[:, ::-1])))
    assert len(faces) == 2
    assert faces[0].box[2] < faces[1].box[0]


def test_threads_share_a_detector_and_agree(detector, astronaut):
    alone = detector.detect(astronaut)[0]
    answers = []
    work = [threading.Thread(target=lambda: answers.append(detector.detect(astronaut)[0]))
            for _ in range(4)]  # fmt: skip
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert [answer.box for answer in answers] == [alone.box] * 4


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def kept_bytes(photo: np.ndarray) -> int:
    """What a detector still has once it has looked at a photo and given its memory back."""
    detector = FaceDetector()
    detector.prepare()
    before = memory()
    detector.detect(photo)
    detector.free_memory()
    return memory() - before


@pytest.mark.skipif(sys.platform != "linux", reason="tells memory by /proc")
def test_a_detector_gives_its_memory_back_and_finds_the_same_again(detector, astronaut):
    large = enlarged(astronaut, 2000)
    # In a process of its own, whose heap has no holes that other tests have left.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        assert process.submit(kept_bytes, large).result() < 90e6
    found = detector.detect(large)
    detector.free_memory()
    assert [face.box for face in detector.detect(large)] == [face.box for face in found]


def test_memory_is_given_back_while_others_look_for_faces(astronaut):
    detector = FaceDetector(workers=2)
    (expected,) = detector.detect(astronaut)

    def look(n: int) -> tuple[float, ...]:
        if n % 2:
            detector.free_memory()
        return detector.detect(astronaut)[0].box

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(look, range(24))) == {expected.box}


def test_eight_bits_see_the_faces_that_float32_sees(shared: Path, astronaut):
    """Where the processor is quicker with them; elsewhere the two are one."""
    quick, exact = CenterFace(finds=True), CenterFace()
    for photo in (astronaut, open_photo(shared / "photos" / "group-solvay-1927.png").pixels):
        view = View.of(photo, 1.0)
        found = merged(quick.look_at(view))
        expected = [face for face in merged(exact.look_at(view)) if face.score > 0.55]
        assert expected
        for face in expected:
            (same,) = [other for other in found if is_same_face(face, other)]
            placed = exact.look_near(view, same)
            assert placed is not None
            assert np.abs(placed.landmarks - face.landmarks).max() < 0.05 * face.width


def test_the_number_of_workers_does_not_change_a_bit_of_what_is_found(detector, astronaut):
    (alone,) = detector.detect(astronaut)
    (beside,) = FaceDetector(workers=4).detect(astronaut)
    assert beside.box == alone.box
    assert np.array_equal(beside.landmarks, alone.landmarks)


def test_where_openvino_is_missing_opencv_finds_the_same(detector, astronaut, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (found,) = FaceDetector().detect(astronaut)
    (expected,) = detector.detect(astronaut)
    assert np.abs(found.landmarks - expected.landmarks).max() < 0.01 * expected.width


def test_what_was_compiled_is_kept_for_the_next_start(detector, astronaut, tmp_path):
    for _ in range(2):  # compiled, then read
        (found,) = FaceDetector(cache=tmp_path).detect(astronaut)
        assert np.array_equal(found.landmarks, detector.detect(astronaut)[0].landmarks)
    kept = list(tmp_path.glob("*/network.blob"))
    assert kept
    for file in kept:
        file.write_bytes(b"damaged")
    (found,) = FaceDetector(cache=tmp_path).detect(astronaut)
    assert np.array_equal(found.landmarks, detector.detect(astronaut)[0].landmarks)


def test_missing_or_damaged_weights_are_a_sentence(tmp_path: Path, astronaut):
    with pytest.raises(DetectorError, match="is missing"):
        FaceDetector(tmp_path / "gone.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(DetectorError, match="is damaged"):
        FaceDetector(tmp_path / "bad.onnx").detect(astronaut)
