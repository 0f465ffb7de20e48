"""Restored faces go back without a trace of the square they were restored in."""

import tracemalloc

import cv2
import numpy as np
import pytest

from gpen_webui.faces import blend
from gpen_webui.faces.align import crop_matrix, extract_crop, template
from gpen_webui.faces.blend import Patch, blend_band, face_mask, plan_bands

SIZE = 256


def landmarks_at(x: float, y: float, scale: float, turn: float = 0.0) -> np.ndarray:
    """Landmarks of a face whose crop is SIZE * scale photo pixels wide, centred at (x, y)."""
    points = (template(SIZE) - SIZE / 2) * scale
    cos, sin = np.cos(turn), np.sin(turn)
    return points @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


def patch_of(photo: np.ndarray, landmarks: np.ndarray, change, keep_fine: float = 1.0) -> Patch:
    matrix = crop_matrix(landmarks, SIZE)
    crop = extract_crop(photo, matrix, SIZE)
    return Patch(crop, change(crop.astype(np.float32)), matrix, keep_fine)


def blend_faces(pixels: np.ndarray, patches: list[Patch]) -> np.ndarray:
    """A copy of the photo with the patches in it, blended as `Restorer` does."""
    result = pixels.copy()
    sides = {patch.crop.shape[0] for patch in patches}
    matrices = [patch.matrix for patch in patches]
    for band in plan_bands(pixels.shape, matrices, *sides) if patches else []:
        blend_band(pixels, result, [patches[i] for i in band.faces], band)
    return result


def noise(height: int, width: int, spread: float = 20.0, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.clip(random.normal(128, spread, (height, width, 3)), 0, 255).astype(np.uint8)


def brighter(crop: np.ndarray) -> np.ndarray:
    return crop + 40


def smoother(crop: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(crop, (0, 0), 4)


PLACES = [(0.4, 0.0), (1.0, 0.0), (1.7, 0.5), (4.3, -0.2)]  # scale and turn


@pytest.mark.parametrize(("scale", "turn"), PLACES)
def test_a_face_left_as_it_was_leaves_the_photo_as_it_was(scale: float, turn: float):
    photo = noise(900, 900)
    patch = patch_of(photo, landmarks_at(450, 450, scale, turn), lambda crop: crop)
    assert np.array_equal(blend_faces(photo, [patch]), photo)


@pytest.mark.parametrize(("scale", "turn"), PLACES)
def test_on_a_flat_background_no_step_shows(scale: float, turn: float):
    photo = np.full((1400, 1400, 3), 120, np.uint8)
    patch = patch_of(photo, landmarks_at(700, 700, scale, turn), brighter)
    change = blend_faces(photo, [patch]).astype(int) - photo
    side = SIZE * scale
    steps = max(np.abs(np.diff(change, axis=axis)).max() for axis in (0, 1))
    assert change[700, 700, 0] == 40  # the face itself is all the restored one
    assert steps <= 1 + 40 * 12 / side  # a ramp over a fair part of the crop, not an edge


@pytest.mark.parametrize("keep_fine", [0.0, 1.0])
def test_on_a_noisy_background_the_grain_fades_and_has_no_edge(keep_fine: float):
    """The grain's strength, measured along rays across the crop's border, changes slowly."""
    side, photo = 3 * SIZE, noise(1400, 1400)
    patch = patch_of(photo, landmarks_at(700, 700, 3.0), smoother, keep_fine)
    result = blend_faces(photo, [patch]).astype(np.float32)
    grain = result - cv2.GaussianBlur(result, (0, 0), 3)
    strength = np.sqrt(cv2.blur((grain**2).mean(axis=2), (21, 401)))[700]  # along the row
    step = np.abs(strength[16:] - strength[:-16])[:1380].max()
    assert strength[700 - side // 2 - 40] == pytest.approx(20 * 0.97, rel=0.1)
    assert step < 0.2 * strength.max()


def test_nothing_changes_outside_the_faces_own_box():
    photo = noise(800, 1200)
    patch = patch_of(photo, landmarks_at(300, 400, 1.5, 0.3), brighter)
    changed = (blend_faces(photo, [patch]) != photo).any(axis=2)
    rows, columns = np.nonzero(changed)
    reach = SIZE * 1.5 / 2 * 1.25
    assert np.abs(columns - 300).max() < reach
    assert np.abs(rows - 400).max() < reach


def test_the_mask_is_whole_on_the_face_and_gone_at_the_crops_border():
    mask = face_mask(SIZE)
    points = np.rint(template(SIZE)).astype(int)
    assert (mask[points[:, 1], points[:, 0]] == 1).all()
    border = [mask[0], mask[-1], mask[:, 0], mask[:, -1]]
    assert max(line.max() for line in border) == 0
    assert np.abs(np.diff(mask, axis=0)).max() < 0.05


def test_strong_puts_the_models_pixels_and_no_others_in_place():
    photo = noise(700, 700, spread=40)
    grey = np.full((SIZE, SIZE, 3), 77, np.float32)
    patch = patch_of(photo, landmarks_at(350, 350, 2.0), lambda crop: grey, keep_fine=0.0)
    middle = blend_faces(photo, [patch])[300:400, 300:400]
    assert np.abs(middle.astype(int) - 77).max() <= 1


def test_detail_finer_than_the_models_pixels_stays_otherwise():
    photo = noise(900, 900)
    patch = patch_of(photo, landmarks_at(450, 450, 4.0), lambda crop: crop + 10)
    result = blend_faces(photo, [patch]).astype(int) - photo
    assert np.abs(result[400:500, 400:500] - 10).max() <= 1


def test_overlapping_faces_come_out_the_same_in_any_order():
    photo = noise(500, 700)
    patches = [
        patch_of(photo, landmarks_at(x, 250, 1.2), lambda crop, by=by: crop + by)
        for x, by in ((280, 30), (400, 30), (340, 30))
    ]
    forth, back = blend_faces(photo, patches), blend_faces(photo, patches[::-1])
    assert np.abs(forth.astype(int) - back).max() <= 1
    change = forth.astype(int) - photo
    assert change.max() <= 31  # two faces do not add up to twice the change
    assert change[250, 270:410].min() >= 29


def test_the_nearer_face_has_the_say_where_two_overlap():
    photo = np.full((500, 700, 3), 100, np.uint8)
    one = patch_of(photo, landmarks_at(260, 250, 1.2), lambda crop: crop + 40)
    other = patch_of(photo, landmarks_at(440, 250, 1.2), lambda crop: crop - 40)
    result = blend_faces(photo, [one, other]).astype(int)
    assert result[250, 240, 0] == 140
    assert result[250, 460, 0] == 60
    assert np.abs(np.diff(result[:, :, 0], axis=1)).max() <= 4


@pytest.mark.parametrize(
    ("x", "y"), [(20, 300), (580, 300), (300, 10), (300, 590), (0, 0), (600, 600)]
)
def test_a_face_cut_by_the_photos_edge_is_restored_up_to_the_edge(x: int, y: int):
    photo = noise(600, 600)
    patch = patch_of(photo, landmarks_at(x, y, 1.3, 0.2), brighter)
    change = blend_faces(photo, [patch]).astype(int) - photo
    inside = change[min(max(y, 1), 598), min(max(x, 1), 598)]
    assert (inside == 40).all()


def test_a_face_wholly_outside_the_photo_changes_nothing():
    photo = noise(300, 300)
    patch = patch_of(photo, landmarks_at(-900, 150, 1.0), brighter)
    assert np.array_equal(blend_faces(photo, [patch]), photo)


def test_the_photo_given_is_not_changed():
    photo = noise(400, 400)
    kept = photo.copy()
    blend_faces(photo, [patch_of(photo, landmarks_at(200, 200, 1.0), brighter)])
    assert np.array_equal(photo, kept)


def test_a_face_that_fills_a_large_photo_needs_little_memory():
    photo = np.tile(noise(500, 500), (8, 10, 1))
    patch = patch_of(photo, landmarks_at(2500, 2000, 18), brighter, keep_fine=0.0)
    tracemalloc.start()
    blend_faces(photo, [patch])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < photo.nbytes + 250_000_000


def test_no_seam_shows_where_a_face_is_blended_in_bands(monkeypatch):
    photo = noise(900, 900)
    patches = [
        patch_of(photo, landmarks_at(x, 450, scale, 0.4), lambda crop: 255 - crop, keep_fine=0.5)
        for x, scale in ((330, 2.1), (600, 0.6))
    ]
    whole = blend_faces(photo, patches)
    monkeypatch.setattr(blend, "BAND", 17 * 900)
    assert np.abs(blend_faces(photo, patches).astype(int) - whole).max() <= 2


def test_the_cost_grows_with_the_faces_area_not_with_faces_times_the_photo(monkeypatch):
    warp, warped = cv2.warpAffine, []

    def counted(picture, matrix, size, *more, **named):
        warped.append(size[0] * size[1])
        return warp(picture, matrix, size, *more, **named)

    def pixels_warped(patches: list[Patch]) -> int:
        warped.clear()
        blend_faces(photo, patches)
        return sum(warped)

    photo = np.tile(noise(500, 500), (4, 6, 1))
    grid = [(150 + 290 * i, 170 + 330 * k) for i in range(10) for k in range(6)]
    small = [patch_of(photo, landmarks_at(x, y, 0.4), brighter) for x, y in grid]
    frame = patch_of(photo, landmarks_at(1500, 1000, 10), brighter)
    monkeypatch.setattr(cv2, "warpAffine", counted)
    few = pixels_warped(small[:2])
    assert few > 0
    many = pixels_warped(small)
    assert many <= 31 * few
    assert many < pixels_warped([frame])  # sixty small ones cost less than a large one
