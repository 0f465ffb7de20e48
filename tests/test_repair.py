"""Repairing a print: scratches found and filled, a painted mask, faded levels evened out."""

import base64
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gpen_webui.errors import UserError
from gpen_webui.options import OptionError, RestoreOptions
from gpen_webui.photo.framing import framed
from gpen_webui.photo.photo import Photo
from gpen_webui.repairing.face_details import without_face_details
from gpen_webui.repairing.fade import even_out, looks_faded, measure
from gpen_webui.repairing.fill import fill, without_wide
from gpen_webui.repairing.mask import mask_of_file, mask_text, read_mask
from gpen_webui.repairing.scratches import ScratchDetector, ScratchDetectorError
from gpen_webui.stages.base import Progress
from gpen_webui.stages.restorer import Restorer, last
from gpen_webui.states import ItemState
from tests.shared_detector import face_detector
from tests.test_restore import OneLineEngine
from tests.test_small_faces import model

SIDE = 160


@pytest.fixture(scope="module")
def sky() -> np.ndarray:
    """A landscape without a face: light above, darker below, some grain. (S,1.5S,3) uint8."""
    rng = np.random.default_rng(3)
    slope = np.linspace(170, 70, SIDE)[:, None, None] + rng.normal(0, 3, (SIDE, 3 * SIDE // 2, 3))
    return np.clip(slope, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def scratched(sky: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same with two scratches, and where they are."""
    lines = np.zeros(sky.shape[:2], np.uint8)
    cv2.line(lines, (10, 20), (200, 120), 255, 2)
    cv2.line(lines, (60, 150), (110, 10), 255, 2)
    damaged = sky.copy()
    damaged[lines > 0] = 250
    return damaged, lines > 0


def restorer() -> Restorer:
    return Restorer(OneLineEngine(lambda crops: crops), face_detector(), model("any", 256))


def restored(pixels: np.ndarray, **options):
    return restorer().restore(print_of(pixels), RestoreOptions.parse(options))


def print_of(pixels: np.ndarray) -> Photo:
    return Photo(pixels, "print.png", "png")


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def test_scratches_are_found_filled_and_told_also_without_a_face(sky, scratched):
    damaged, lines = scratched
    done = restored(damaged, repair="auto")
    assert (done.state, done.is_new) == (ItemState.NO_FACE, True)
    assert psnr(done.pixels[lines], sky[lines]) > psnr(damaged[lines], sky[lines]) + 6
    far = ~cv2.dilate(lines.astype(np.uint8), np.ones((15, 15))).astype(bool)
    assert np.mean(done.pixels[far] != damaged[far]) < 0.001
    assert any("Damage was filled in" in note for note in done.notes)


def test_glints_and_spectacles_of_a_face_are_let_be_and_a_scratch_across_it_is_not():
    landmarks = np.array([(60, 60), (100, 60), (80, 85), (65, 105), (95, 105)], np.float32)
    spectacles, scratch = np.zeros((160, 160), np.uint8), np.zeros((160, 160), np.uint8)
    cv2.ellipse(spectacles, (100, 60), (16, 12), 0, 0, 360, 1)
    spectacles[58:60, 60:62] = spectacles[104, 70:74] = 1  # a glint, a tooth
    cv2.line(scratch, (20, 10), (140, 110), 1)
    assert not without_face_details(spectacles > 0, [landmarks]).any()
    assert np.array_equal(without_face_details(scratch > 0, [landmarks]), scratch > 0)
    assert np.array_equal(without_face_details(spectacles > 0, []), spectacles > 0)


def test_a_photo_without_scratches_stays_the_file_that_it_was(sky):
    done = restored(sky, repair="auto")
    assert not done.is_new
    assert done.notes == ["No scratches were found."]
    assert not restored(sky).notes


def test_a_painted_mask_alone_decides_where_and_leaves_the_rest_to_the_bit(sky, scratched):
    damaged, lines = scratched
    only = lines.copy()
    only[:, 110:] = False
    done = restored(damaged, mask=mask_text(only.astype(np.uint8) * 255))
    assert psnr(done.pixels[only], sky[only]) > 25
    assert np.array_equal(done.pixels[~only], damaged[~only])


def test_a_mask_is_taken_as_its_pixels_stand_whatever_its_exif_says(sky):
    exif = Image.Exif()
    exif[0x0112] = 6
    png = BytesIO()
    Image.fromarray(stripe(sky)).save(png, "PNG", exif=exif)
    mask = base64.b64encode(png.getvalue()).decode()
    assert (read_mask(print_of(sky), RestoreOptions(mask=mask)) == (stripe(sky) > 0)).all()


def test_what_is_transparent_in_a_masks_file_is_not_marked(sky, tmp_path):
    white = Image.new("RGBA", (sky.shape[1], sky.shape[0]), "white")
    white.putalpha(Image.fromarray(stripe(sky)))
    white.save(tmp_path / "mask.png")
    mask = mask_of_file(tmp_path / "mask.png")
    marked = read_mask(print_of(sky), RestoreOptions(mask=mask))
    assert (marked == (stripe(sky) > 0)).all()


def stripe(photo: np.ndarray) -> np.ndarray:
    """A mask of a photo with one mark."""
    levels = np.zeros(photo.shape[:2], np.uint8)
    levels[20:24, 10:60] = 255
    return levels


def test_a_mask_of_another_size_is_refused_with_both_sizes(sky):
    small = mask_text(np.full((50, 60), 255, np.uint8))
    with pytest.raises(UserError, match=r"print\.png has 240 x 160 pixels, its mask 60 x 50"):
        restored(sky, mask=small)


@pytest.mark.parametrize(
    "frame",
    [
        {"rotate": "90", "crop": "20,5,120,200"},
        {"rotate": "0", "crop": "5,10,100,100"},
        {"rotate": "270", "crop": ""},
    ],
)
def test_a_mask_of_the_whole_photo_is_turned_and_cropped_along(sky, frame):
    options = RestoreOptions(mask=mask_text(stripe(sky)), **frame)
    marked = np.repeat(stripe(sky)[:, :, None], 3, axis=2)  # where the marks of the photo itself go
    whole = print_of(marked)
    part = framed(whole, options.rotate, options.crop)
    mask = read_mask(part, options)
    assert np.array_equal(mask, part.pixels[:, :, 0] > 0)
    assert mask.any()
    own = replace(options, mask=mask_text(mask.astype(np.uint8) * 255))
    assert np.array_equal(read_mask(part, own), mask)  # as one of its own size says it
    wrong = replace(options, mask=mask_text(np.full((50, 60), 255, np.uint8)))
    with pytest.raises(UserError, match=r"cropped, its mask 60 x 50; .* whole.*, 240 x 160"):
        read_mask(part, wrong)


@pytest.mark.parametrize("text", ["white", "aGVsbG8=", 7])
def test_what_is_no_png_is_no_mask(text):
    with pytest.raises(OptionError, match="mask must be a PNG"):
        RestoreOptions.parse({"mask": text})


def test_a_hole_that_is_too_wide_is_left_and_told_its_thin_ends_are_filled(sky):
    painted = np.zeros(sky.shape[:2], np.uint8)
    cv2.circle(painted, (120, 80), 40, 255, -1)
    cv2.line(painted, (0, 80), (239, 80), 255, 3)
    done = restored(sky, mask=mask_text(painted))
    assert done.warnings == [
        "1 damaged place is too wide to be filled in and left as it is.",
    ]
    assert np.array_equal(done.pixels[60:100, 100:140], sky[60:100, 100:140])
    assert not np.array_equal(done.pixels[80, :40], sky[80, :40])


def test_filling_gives_the_grain_of_what_lies_around(sky):
    hole = np.zeros(sky.shape[:2], bool)
    hole[60:70, 20:220] = True
    filled = last(fill(sky, hole, widest=10))
    before, after = (
        np.diff(picture[60:70, 20:220].astype(float), axis=1) for picture in (sky, filled)
    )
    assert 0.6 < after.std() / before.std() < 1.3


def test_a_large_photo_can_be_stopped_between_parts_of_the_work_and_tells_how_far_it_is():
    pixels = np.full((1300, 1300, 3), 120, np.uint8)
    pixels[::40, :] = 250
    stages = restorer().restore_stages(
        Photo(pixels, "print.png", "png"), RestoreOptions(repair="auto")
    )
    told = [stage.percent for stage in stages if isinstance(stage, Progress)]
    finding, filling = ([p for p in told if (p < 80) is is_first] for is_first in (True, False))
    assert len(finding) >= 4
    assert len(filling) >= 4
    assert told == sorted(told)


def test_a_hole_over_everything_is_wide():
    assert without_wide(np.ones((60, 60), bool), 6).wide == 1


def test_fading_is_seen_and_evened_out_gently_and_a_good_photo_stays(sky, project: Path):
    good = cv2.imread(str(project / "tests" / "data" / "astronaut.jpg"))[..., ::-1].copy()
    assert not looks_faded(measure(good))
    faded = (0.45 * good + np.array((115, 105, 80))).astype(np.uint8)
    assert looks_faded(measure(faded))
    better = even_out(faded)
    assert np.ptp(better) > 1.4 * np.ptp(faded)
    assert psnr(better, good) > psnr(faded, good) + 3
    assert psnr(even_out(good), good) > 30
    done = restored(faded, fade="auto", min_face=10_000)
    assert np.array_equal(done.pixels, better)
    assert "Faded levels were evened out." in done.notes


def test_a_dull_photo_in_colours_is_not_faded(sky):
    dull = cv2.subtract(sky, np.full_like(sky, 50))
    dull[::2, :, 0] += 40
    assert looks_faded(measure(dull)) is False  # the answer goes out as JSON


def test_grey_stays_grey_and_sepia_sepia(sky):
    grey = np.repeat((sky[..., :1] * 0.4 + 90).astype(np.uint8), 3, axis=2)
    assert np.ptp(even_out(grey), axis=2).max() == 0
    sepia = (grey * np.array((1.07, 0.98, 0.78))).astype(np.uint8)
    better = even_out(sepia).astype(float)
    assert better[..., 0].mean() - better[..., 2].mean() > 25


def test_a_missing_network_says_what_to_do(tmp_path: Path, sky):
    with pytest.raises(ScratchDetectorError, match="fetch this program's files anew"):
        last(ScratchDetector(tmp_path / "scratches.onnx").find(sky))


def test_a_photo_with_blacks_of_its_own_is_left_alone_whatever_its_background(project: Path):
    photo = cv2.imread(str(project / "tests" / "data" / "astronaut.jpg"))[..., ::-1] * 0.72
    grey_blue = np.clip(photo + np.array((0.0, 6.0, 14.0)), 0, 255).astype(np.uint8)
    assert even_out(grey_blue) is grey_blue
    done = restored(grey_blue, fade="auto", min_face=10_000)
    assert done.notes == ["It has not faded: its levels stay as they are."]


def test_faded_sepia_gets_its_levels_back_and_no_more_colour():
    rows = np.linspace(90, 190, 200)[:, None, None]
    sepia = np.clip(rows + np.array((14.0, 0.0, -22.0)), 0, 255)
    faded = np.broadcast_to(sepia, (200, 160, 3)).astype(np.uint8)
    better = even_out(faded)
    assert np.ptp(better[:, :, 1]) > 1.4 * np.ptp(faded[:, :, 1])
    colours = (pixels[:, :, 0].astype(int) - pixels[:, :, 2] for pixels in (faded, better))
    before, after = colours
    assert abs(int(np.median(after)) - int(np.median(before))) <= 1
