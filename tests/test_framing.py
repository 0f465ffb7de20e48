"""Photos that are turned and cropped before they are restored: pixels, places, files, refusals."""

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import ExifTags, Image

from gpen_webui.options import OptionError, RestoreOptions
from gpen_webui.photo.encode import encode_photo
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.framing import framed
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.pipeline import restore_file
from gpen_webui.stages.restorer import Restorer
from tests.exif_blocks import exif_block
from tests.shared_detector import face_detector
from tests.test_photo import CAPTION, XMP_SPACES, xmp_with
from tests.test_restore import restorer

AREA = "{http://ns.adobe.com/xmp/sType/Area#}"
SIZE = "{http://ns.adobe.com/xap/1.0/sType/Dimensions#}"


def people(width: int, height: int, *places: tuple[str, float, float, float, float]) -> bytes:
    """XMP with marked faces: name, middle across and down, width and height, in parts."""
    marked = "".join(
        f'<rdf:li><rdf:Description mwg-rs:Name="{name}"><mwg-rs:Area stArea:x="{x}" stArea:y="{y}" '
        f'stArea:w="{w}" stArea:h="{h}" stArea:unit="normalized"/></rdf:Description></rdf:li>'
        for name, x, y, w, h in places
    )
    spaces = f'xmlns:stArea="{AREA[1:-1]}" xmlns:stDim="{SIZE[1:-1]}"'
    dimensions = f'stDim:w="{width}" stDim:h="{height}" stDim:unit="pixel"'
    return xmp_with(
        f'{CAPTION}<mwg-rs:Regions rdf:parseType="Resource" {spaces}><mwg-rs:AppliedToDimensions '
        f"{dimensions}/><mwg-rs:RegionList><rdf:Bag>{marked}</rdf:Bag></mwg-rs:RegionList>"
        "</mwg-rs:Regions>"
    )


def places_in(block: bytes) -> dict[str, list[float]]:
    tree = ElementTree.fromstring(block)
    regions = XMP_SPACES["mwg-rs"]
    return {
        item.find("rdf:Description", XMP_SPACES).get(f"{{{regions}}}Name"): [
            float(area.get(AREA + side)) for side in "xywh"
        ]
        for item in tree.iter(f"{{{XMP_SPACES['rdf']}}}li")
        for area in item.iter(f"{{{regions}}}Area")
    }


@pytest.fixture(scope="module")
def pixels(project: Path) -> np.ndarray:
    photo = open_photo(project / "tests" / "data" / "astronaut.jpg").pixels
    return np.ascontiguousarray(photo[:300, :400])


@pytest.fixture(scope="module")
def unchanging() -> Restorer:
    return restorer(lambda crops: crops, face_detector())


def test_a_photo_is_turned_clockwise_and_then_cropped(pixels: np.ndarray):
    photo = framed(Photo(pixels, "a.png", "png"), "90", "20,30,100,50")
    assert np.array_equal(photo.pixels, np.rot90(pixels, -1)[30:80, 20:120])


def test_what_belongs_to_the_pixels_goes_with_them(pixels: np.ndarray):
    alpha = np.arange(pixels[:, :, 0].size, dtype=np.uint32).reshape(pixels.shape[:2]) % 251
    block = people(400, 300, ("Ann", 0.5, 0.5, 0.2, 0.2), ("Bob", 0.9, 0.5, 0.1, 0.1))
    photo = Photo(pixels, "a.png", "png", alpha=alpha.astype(np.uint8), xmp=block, dpi=(300, 150))
    part = framed(photo, "0", "100,100,200,100")
    assert np.array_equal(part.alpha, photo.alpha[100:200, 100:300])
    assert places_in(part.xmp) == {"Ann": pytest.approx([0.5, 0.5, 0.4, 0.6])}  # Bob is cut off
    assert f'w="{200}"'.encode() in part.xmp
    assert part.losses == ()
    turned = framed(photo, "90", "")
    assert places_in(turned.xmp)["Bob"] == pytest.approx([0.5, 0.9, 0.1, 0.1])
    assert turned.dpi == (150, 300)
    both = framed(photo, "90", "100,100,100,200")
    assert places_in(both.xmp) == {"Ann": pytest.approx([0.5, 0.5, 0.6, 0.4])}


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_subject_that_exif_tells_moves_with_the_picture(tmp_path: Path, order: str):
    def subject_of(photo: Photo, times: int = 1) -> tuple[int, ...]:
        pixels = np.repeat(np.repeat(photo.pixels, times, axis=0), times, axis=1)
        path = tmp_path / "result.jpg"
        path.write_bytes(encode_photo(photo, pixels)[0])
        found = Image.open(path).getexif().get_ifd(0x8769)
        return found.get(0x9214)

    def opened(orientation: int, subject: tuple[int, ...]) -> Photo:
        block = exif_block(order, orientation, (40, 30), subject)
        Image.new("RGB", (40, 30), "gray").save(tmp_path / "a.jpg", exif=b"Exif\0\0" + block)
        return open_photo(tmp_path / "a.jpg")

    photo = opened(1, (10, 20, 8, 4))
    assert subject_of(photo) == (10, 20, 8, 4)
    assert subject_of(photo, times=2) == (21, 41, 16, 8)
    assert subject_of(framed(photo, "90", "")) == (9, 10, 4, 8)
    assert subject_of(framed(photo, "180", "")) == (29, 9, 8, 4)
    assert subject_of(framed(photo, "0", "5,5,20,20")) == (5, 15, 8, 4)
    assert subject_of(opened(6, (10, 20, 8, 4))) == (9, 10, 4, 8)
    assert subject_of(framed(opened(1, (10, 20)), "270", "")) == (20, 29)
    away = framed(photo, "0", "20,0,20,20")
    assert subject_of(away) is None
    assert any("its place is left out" in words for words in away.losses)
    assert (
        Image.open(tmp_path / "result.jpg").getexif().get_ifd(0x8769)[0x9003]
    )  # the rest is there


def test_a_part_beyond_the_edge_is_refused_in_a_sentence_that_names_the_photo(pixels: np.ndarray):
    with pytest.raises(PhotoError, match=r"a\.png has 400 x 300 pixels.*within it"):
        framed(Photo(pixels, "a.png", "png"), "0", "350,0,51,10")


@pytest.mark.parametrize("value", ["1,2,3", "1,2,0,4", "-1,0,5,5", "a", [1.5, 0, 2, 2], None, 7])
def test_a_crop_that_is_none_is_refused(value):
    with pytest.raises(OptionError, match="crop is"):
        RestoreOptions.parse({"crop": value})


def test_a_crop_means_the_same_as_text_and_as_json():
    text, json = (RestoreOptions.parse({"crop": value}) for value in (" 1, 2,3,4", [1, 2, 3, 4]))
    assert text == json
    assert RestoreOptions.parse({"crop": [], "rotate": 90}) == RestoreOptions(rotate="90")


def test_the_result_is_what_the_part_alone_gives_and_its_report_says_what_was_done(
    unchanging: Restorer, pixels: np.ndarray, tmp_path: Path
):
    whole, part = tmp_path / "aunt.png", tmp_path / "part.png"
    exif = b"Exif\0\0" + exif_block(size=(400, 300))
    Image.fromarray(pixels).save(whole, exif=exif)
    Image.fromarray(np.rot90(pixels, -1)[20:320].copy()).save(part)
    options = RestoreOptions(rotate="90", crop="0,20,300,300", upright=True)
    restored = restore_file(unchanging, whole, whole.name, options)
    alone = restore_file(unchanging, part, part.name, RestoreOptions(upright=True))
    result = Image.open(io.BytesIO(restored.data))
    assert np.array_equal(result, Image.open(io.BytesIO(alone.data)))
    assert restored.report.faces == alone.report.faces
    assert len(restored.report.faces) == 1
    tags = result.getexif()
    assert tags[ExifTags.Base.Orientation] == 1
    assert tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 300
    assert restored.report.notes[:2] == [
        "The photo was turned clockwise by 90 degrees.",
        "The photo was cropped to 300 x 300 pixels.",
    ]


def test_a_cropped_photo_without_a_face_is_cropped_all_the_same(
    unchanging: Restorer, pixels: np.ndarray, tmp_path: Path
):
    path = tmp_path / "flag.png"
    Image.fromarray(pixels).save(path)
    restored = restore_file(unchanging, path, path.name, RestoreOptions(crop="0,0,60,60"))
    assert (restored.report.state, restored.report.unchanged) == ("no_face", False)
    assert np.array_equal(Image.open(io.BytesIO(restored.data)), pixels[:60, :60])
