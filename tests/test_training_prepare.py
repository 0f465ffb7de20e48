"""`train prepare` keeps what is worth training on and drops what is not."""

import importlib.util

import cv2
import numpy as np
import pytest

from gpen_webui.cli import main
from gpen_webui.errors import UserError
from gpen_webui.faces.align import crop_matrix
from gpen_webui.training.faces import FacesError
from gpen_webui.training.prepare import LOOKED_AT, Preparer, difference_hash, sharpness
from tests.extras import needs_extras
from tests.shared_detector import face_detector

pytestmark = needs_extras


@pytest.fixture(scope="module")
def portrait(project) -> np.ndarray:
    """A photo with one good face, BGR."""
    return cv2.imread(str(project / "tests" / "data" / "astronaut.jpg"))


@pytest.fixture
def album(portrait, tmp_path):
    """The portrait, and four photos that add nothing."""
    folder = tmp_path / "album"
    folder.mkdir()
    height, width = portrait.shape[:2]
    cv2.imwrite(str(folder / "a-good.png"), portrait)
    cv2.imwrite(str(folder / "b-again.jpg"), portrait, (cv2.IMWRITE_JPEG_QUALITY, 75))
    cv2.imwrite(str(folder / "c-blurred.png"), cv2.GaussianBlur(portrait, (0, 0), 4))
    cv2.imwrite(str(folder / "d-small.png"), cv2.resize(portrait, (width // 4, height // 4)))
    cv2.imwrite(str(folder / "e-sky.png"), np.full((200, 300, 3), 200, np.uint8))
    (folder / "f-broken.jpg").write_bytes(b"\xff\xd8 no photo")
    return folder


def test_only_the_good_face_is_kept_and_the_rest_is_counted_by_reason(album, tmp_path):
    result = Preparer(tmp_path / "faces", 128).add(sorted(album.iterdir()))
    assert (result.kept, result.people, result.photos) == (1, 1, 6)
    assert result.dropped == {"duplicate": 1, "blurred": 1, "small": 1}
    assert (result.without_face, result.unreadable) == (1, 1)
    assert [file.name for file in (tmp_path / "faces").iterdir()] == ["0000--a-good-1.jpg"]


def test_a_kept_face_is_upright_with_eyes_and_mouth_where_the_model_wants_them(album, tmp_path):
    Preparer(tmp_path / "faces", 128).add([album / "a-good.png"])
    (file,) = (tmp_path / "faces").iterdir()
    crop = cv2.imread(str(file))[:, :, ::-1]
    size = crop.shape[0]
    assert crop.shape == (size, size, 3)
    assert 128 <= size <= 256
    (face,) = face_detector().detect(np.ascontiguousarray(crop))
    matrix = crop_matrix(face.landmarks, size)
    assert np.allclose(matrix[:, :2], np.eye(2), atol=0.1)
    assert np.allclose(matrix[:, 2], 0, atol=0.06 * size)


def test_two_photos_of_a_person_get_one_number(portrait, tmp_path):
    turned = cv2.warpAffine(
        portrait,
        cv2.getRotationMatrix2D((250, 130), 4, 1.25),
        portrait.shape[1::-1],
        flags=cv2.INTER_CUBIC,  # else it is as blurred as what is dropped
        borderMode=cv2.BORDER_REFLECT_101,
    )
    cv2.imwrite(str(tmp_path / "one.png"), portrait)
    cv2.imwrite(str(tmp_path / "two.png"), cv2.flip(turned, 1))
    result = Preparer(tmp_path / "faces", 128).add([tmp_path / "one.png", tmp_path / "two.png"])
    assert (result.kept, result.people) == (2, 1)


def test_sharpness_falls_with_blur_and_hardly_with_size_or_contrast(portrait):
    face = cv2.resize(portrait[0:220, 110:330], (LOOKED_AT, LOOKED_AT))
    blurred = [sharpness(cv2.GaussianBlur(face, (0, 0), sigma)) for sigma in (0.5, 1, 2, 4)]
    assert blurred == sorted(blurred, reverse=True)
    assert sharpness(face // 2 + 60) == pytest.approx(sharpness(face), rel=0.1)


def test_a_copy_hashes_alike_and_another_picture_does_not(portrait):
    face, other = portrait[0:220, 110:330], portrait[200:420, 110:330]
    copy = cv2.resize(cv2.convertScaleAbs(face, alpha=0.9, beta=8), (150, 150))
    distance = np.count_nonzero(difference_hash(face) != difference_hash(copy))
    assert distance < 12 < 60 < np.count_nonzero(difference_hash(face) != difference_hash(other))


def test_a_folder_with_something_in_it_is_refused(album):
    with pytest.raises(FacesError, match="not empty"):
        Preparer(album, 128)


def test_the_command_says_what_it_kept_and_fails_where_that_is_nothing(album, tmp_path, capsys):
    assert main(["train", "prepare", str(album), "-o", str(tmp_path / "a"), "--size", "128"]) == 0
    assert "1 faces of 1 people" in capsys.readouterr().out
    sky = str(album / "e-sky.png")
    assert main(["train", "prepare", sky, "-o", str(tmp_path / "b")]) == 1


def test_extras_that_are_missing_are_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"run\.sh train"):
        Preparer(tmp_path / "faces", 128)
