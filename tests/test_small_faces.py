"""Two networks at hand: the smaller one restores the faces that have few pixels."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen_webui.engines.base import check_shape
from gpen_webui.models.folder import InstalledModel
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.pipeline import open_restorer
from gpen_webui.settings import Settings
from gpen_webui.stages.restorer import Restorer
from gpen_webui.stages.small_faces import SmallFaces
from tests.shared_detector import face_detector
from tests.test_restore import OneLineEngine
from tests.tiny_gpen import make_tiny_model

STRONG = RestoreOptions(strength=100, mode="strong", protect_skin=False)


class SizedEngine(OneLineEngine):
    def __init__(self, size: int, function):
        super().__init__(function)
        self.size = size

    def run(self, crops: np.ndarray) -> np.ndarray:
        check_shape(crops, self.size)
        self.batches.append(len(crops))
        return self.function(crops)


def model(name: str, size: int) -> InstalledModel:
    return InstalledModel(name, Path(name), "0" * 64, size)


def two_sizes(function=lambda crops: crops / 2) -> Restorer:
    small = SmallFaces(SizedEngine(128, function), model("small", 128))
    large = SizedEngine(256, function)
    return Restorer(large, face_detector(), model("large", 256), small)


@pytest.fixture(scope="module")
def two_faces(project: Path) -> Photo:
    """A large face beside a small one."""
    photo = open_photo(project / "tests" / "data" / "astronaut.jpg")
    pixels = np.full((1024, 1500, 3), 128, np.uint8)
    pixels[:, :1024] = cv2.resize(photo.pixels, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    pixels[600:856, 1100:1356] = cv2.resize(photo.pixels, (256, 256), interpolation=cv2.INTER_AREA)
    return Photo(pixels, "two.jpg", "jpeg")


def test_each_face_goes_to_the_network_of_its_size_and_the_report_says_which(two_faces: Photo):
    restorer = two_sizes()
    done = restorer.restore(two_faces, STRONG)
    assert restorer.face_network.engine.batches == [1]
    assert restorer.face_network.small_faces.engine.batches == [1]
    by_width = sorted(done.faces, key=lambda face: face.box[2] - face.box[0])
    assert [face.model for face in by_width] == ["small", "large"]
    assert [face.as_dict()["model"] for face in by_width] == ["small", "large"]


def test_what_the_smaller_network_leaves_as_it_is_stays(two_faces: Photo):
    done = two_sizes(lambda crops: crops).restore(
        two_faces, RestoreOptions(strength=100, mode="detail", protect_skin=False)
    )
    difference = np.abs(done.pixels.astype(int) - two_faces.pixels)
    assert difference[600:856, 1100:1356].mean() < 0.5
    assert difference.max() <= 24


def test_both_faces_become_what_their_networks_say(two_faces: Photo):
    done = two_sizes().restore(two_faces, STRONG)
    for face in done.faces:
        left, top, right, bottom = face.box
        row, column = int(top + bottom) // 2, int(left + right) // 2
        here = np.s_[row - 3 : row + 4, column - 3 : column + 4]
        before, after = two_faces.pixels[here].mean(), done.pixels[here].mean()
        assert after == pytest.approx((before + 127.5) / 2, abs=4)


@pytest.mark.parametrize("named", [None, "gpen-bfr-512"])
def test_the_second_network_is_loaded_only_where_no_model_is_named(tmp_path: Path, named):
    for name, size in (("gpen-bfr-512", 64), ("gpen-bfr-256", 32)):
        tiny = make_tiny_model(tmp_path, size=size)
        tiny.path.rename(tmp_path / f"{name}.safetensors")
    restorer = open_restorer(Settings(models=tmp_path, model=named), 1)
    try:
        assert restorer.model.name == "gpen-bfr-512"
        assert (restorer.face_network.small_faces is not None) == (named is None)
    finally:
        restorer.close()
