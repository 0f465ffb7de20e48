"""Photos whose faces all lie turned: a warning, and with `upright` a result that stands upright."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from gpen_webui.faces.detect import FaceDetector
from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.pipeline import restore_file
from gpen_webui.stages.restorer import Restorer
from tests.exif_blocks import exif_block
from tests.shared_detector import face_detector
from tests.test_photo import CAPTION, PERSON, xmp_with
from tests.test_restore import restorer

AS_IT_IS = RestoreOptions(strength=0)  # the photo's own pixels
UPRIGHT = RestoreOptions(strength=0, upright=True)


@pytest.fixture(scope="module")
def face(project: Path) -> np.ndarray:
    """A face, upright, in a picture that is wider than high."""
    photo = open_photo(project / "tests" / "data" / "astronaut.jpg").pixels
    return np.ascontiguousarray(photo[20:260, 60:380])


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return face_detector()


@pytest.fixture
def unchanging(detector: FaceDetector) -> Restorer:
    return restorer(lambda crops: crops, detector)


def lying(face: np.ndarray, quarters: int) -> Photo:
    """A photo that must be turned counterclockwise by so many quarters to be upright."""
    return Photo(np.ascontiguousarray(np.rot90(face, -quarters)), "aunt.png", "png")


@pytest.mark.parametrize(
    ("quarters", "how"), [(1, "lie on their side"), (2, "stand on their head")]
)
def test_a_photo_whose_faces_all_lie_turned_is_left_so_with_a_warning(
    unchanging: Restorer, face: np.ndarray, quarters: int, how: str
):
    photo = lying(face, quarters)
    done = unchanging.restore(photo, AS_IT_IS)
    assert np.array_equal(done.pixels, photo.pixels)
    assert done.warnings == [
        f"All faces {how}. If the photo does too, the option “upright” turns it."
    ]


def test_an_upright_photo_is_neither_turned_nor_warned_of(unchanging: Restorer, face: np.ndarray):
    done = unchanging.restore(lying(face, 0), UPRIGHT)
    assert np.array_equal(done.pixels, face)
    assert (done.warnings, done.notes, done.turn) == ([], [], 0)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_is_turned_upright_has_the_same_pixels_and_its_faces_where_they_are(
    unchanging: Restorer, face: np.ndarray, quarters: int
):
    (upright,) = unchanging.restore(lying(face, 0), AS_IT_IS).faces
    done = unchanging.restore(lying(face, quarters), UPRIGHT)
    assert np.array_equal(done.pixels, face)
    assert np.abs(np.subtract(done.faces[0].upright_box, upright.box)).max() < 15
    assert done.warnings == []
    assert done.notes[0].endswith("so the photo is turned upright.")


def test_turning_a_restored_photo_needs_no_second_run_of_the_network(
    detector: FaceDetector, face: np.ndarray
):
    engine = restorer(lambda crops: crops * 0.7, detector)
    kept = KeptIntermediates().of("aunt")
    lies = engine.restore(lying(face, 2), RestoreOptions(), reuse=kept)
    stands = engine.restore(lying(face, 2), RestoreOptions(upright=True), reuse=kept)
    assert engine.face_network.engine.batches == [1]
    assert np.array_equal(stands.pixels, np.rot90(lies.pixels, 2))


def test_the_file_says_what_is_true_of_the_turned_photo(
    unchanging: Restorer, face: np.ndarray, tmp_path: Path
):
    pixels = np.rot90(np.dstack((face, np.full(face.shape[:2], 255, np.uint8))), -1).copy()
    pixels[:20, :, 3] = 0  # transparent at the top
    path = tmp_path / "aunt.png"
    exif = b"Exif\0\0" + exif_block(size=pixels.shape[1::-1])
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp_with(CAPTION + PERSON).decode())
    Image.fromarray(pixels).save(path, exif=exif, pnginfo=info, dpi=(300, 150))

    restored = restore_file(unchanging, path, path.name, UPRIGHT)
    result = Image.open(io.BytesIO(restored.data))
    tags = result.getexif()
    assert result.size == face.shape[1::-1]
    assert tags[ExifTags.Base.Orientation] == 1
    inner = tags.get_ifd(ExifTags.IFD.Exif)
    assert (
        inner[ExifTags.Base.ExifImageWidth],
        inner[ExifTags.Base.ExifImageHeight],
    ) == result.size
    assert [round(dots) for dots in result.info["dpi"]] == [150, 300]
    assert np.asarray(result)[:, :20, 3].max() == 0
    assert np.asarray(result)[:, 20:, 3].min() == 255
    assert b"Tante" in result.info["xmp"]
    assert b"Regions" not in result.info["xmp"]
    lost = "aunt.png is turned upright; the places of marked faces are left out."
    assert restored.report.warnings == [lost]
    assert restored.report.turn == 270  # degrees clockwise


@pytest.mark.parametrize("wanted", [False, True])
def test_a_photo_whose_faces_are_all_left_alone_is_passed_on_unless_it_is_turned(
    unchanging: Restorer, face: np.ndarray, tmp_path: Path, wanted: bool
):
    path = tmp_path / "far.png"
    Image.fromarray(lying(face, 2).pixels).save(path)
    options = RestoreOptions(min_face=1_000, upright=wanted)
    restored = restore_file(unchanging, path, path.name, options)
    data = restored.data if isinstance(restored.data, bytes) else restored.data.read()
    assert restored.report.state == "no_face"
    if wanted:
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), face)
    else:
        assert data == path.read_bytes()
