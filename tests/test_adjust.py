"""What each option does to a face and to a photo, and that its neutral value does nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from gpen_webui.options import RestoreOptions
from gpen_webui.stages.adjust import adjust_face, apply_mode, finish, keep_skin_tone

SIDE = 256
SKIN = (205, 160, 140)
NEUTRAL = RestoreOptions(strength=100, mode="strong", protect_skin=False)


def face_like(seed: int = 0, colour: tuple[int, int, int] = SKIN) -> np.ndarray:
    """A crop with shapes, fine texture and two colours, uint8."""
    random = np.random.default_rng(seed)
    shapes = cv2.GaussianBlur(random.normal(0, 1, (SIDE, SIDE)), (0, 0), 12)
    texture = random.normal(0, 4, (SIDE, SIDE))
    light = shapes / shapes.std() * 18 + texture
    pixels = np.full((SIDE, SIDE, 3), colour, float) + light[:, :, None]
    pixels[:, :60] = np.array((60, 80, 140)) + light[:, :60, None]  # a blue background
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def low(pixels: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), SIDE / 16)


def fine(pixels: np.ndarray, width: float = 1.5) -> np.ndarray:
    pixels = pixels.astype(np.float32)
    return pixels - cv2.GaussianBlur(pixels, (0, 0), width)


def colour_of(pixels: np.ndarray) -> np.ndarray:
    """Red and blue difference, (S,S,2)."""
    return cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2YCrCb)[:, :, 1:] * 255


@pytest.fixture
def crop() -> np.ndarray:
    return face_like()


@pytest.fixture
def restored() -> np.ndarray:
    """Another face of the network's, with a cast and more texture, float32."""
    cast = np.array((1.08, 1.0, 0.85), np.float32)
    return face_like(seed=3) * cast + fine(face_like(seed=9))


@pytest.mark.parametrize("mode", ["natural", "strong", "detail"])
@pytest.mark.parametrize("protect", [True, False])
def test_strength_0_is_the_original_to_the_last_bit(crop, restored, mode, protect):
    options = RestoreOptions(strength=0, mode=mode, protect_skin=protect)
    assert np.array_equal(adjust_face(crop, restored, options), crop)


def test_strong_at_100_is_the_networks_output(crop, restored):
    face = adjust_face(crop, restored, NEUTRAL)
    assert np.abs(face - restored).max() < 1e-3
    with_skin = adjust_face(crop, restored, replace(NEUTRAL, protect_skin=True))
    assert np.array_equal(with_skin, face)  # plain means plain


def test_strength_is_a_straight_line_between_the_two(crop, restored):
    for mode in ("natural", "strong", "detail"):
        ends = [
            adjust_face(crop, restored, RestoreOptions(strength=strength, mode=mode))
            for strength in (0, 30, 100)
        ]
        assert np.abs(ends[1] - (0.7 * ends[0] + 0.3 * ends[2])).max() < 1e-3


def test_natural_keeps_the_originals_colour_light_and_shade(crop, restored):
    original = crop.astype(np.float32)
    natural = apply_mode(original, restored, "natural")
    assert (
        np.abs(low(natural) - low(original)).mean()
        < 0.15 * np.abs(low(restored) - low(original)).mean()
    )
    strayed = np.abs(colour_of(restored) - colour_of(original)).mean()
    assert np.abs(colour_of(natural) - colour_of(original)).mean() < 0.3 * strayed


def test_natural_softens_the_texture_that_strong_shows(crop, restored):
    natural = apply_mode(crop.astype(np.float32), restored, "natural")
    share = fine(natural[:, 80:]).std() / fine(restored[:, 80:]).std()
    assert 0.6 < share < 0.97


def test_detail_keeps_the_originals_shapes_and_takes_the_networks_fine_detail(crop, restored):
    original = crop.astype(np.float32)
    detail = apply_mode(original, restored, "detail")
    natural = apply_mode(original, restored, "natural")
    middle = [cv2.GaussianBlur(face, (0, 0), 4) for face in (original, detail, natural)]
    assert np.abs(middle[1] - middle[0]).mean() < 0.5 * np.abs(middle[2] - middle[0]).mean()
    assert np.corrcoef(fine(detail, 1).ravel(), fine(restored, 1).ravel())[0, 1] > 0.98


def test_natural_does_not_take_the_networks_colour_fringes(crop):
    fringes = crop.astype(np.float32)
    fringes[100:140, 150:154] += (60, -20, 60)  # magenta
    natural = apply_mode(crop.astype(np.float32), fringes, "natural")
    before = np.abs(colour_of(fringes) - colour_of(crop))[100:140, 150:154].max()
    after = np.abs(colour_of(natural) - colour_of(crop))[100:140, 150:154].max()
    assert after < 0.3 * before


@pytest.mark.parametrize("skin", [(215, 178, 160), (205, 160, 140), (140, 95, 75), (85, 58, 46)])
@pytest.mark.parametrize("cast", [(1.15, 1.0, 0.75), (0.9, 1.0, 1.1)], ids=["orange", "grey"])
def test_skin_protection_takes_a_cast_from_any_skin_and_keeps_light_and_shade(skin, cast):
    original = face_like(colour=skin).astype(np.float32)
    drifted = original * np.array(cast, np.float32)
    kept = keep_skin_tone(original, drifted)
    skin_only = np.s_[:, 80:]
    before = np.abs((colour_of(drifted) - colour_of(original))[skin_only].mean(axis=(0, 1))).max()
    after = np.abs((colour_of(kept) - colour_of(original))[skin_only].mean(axis=(0, 1))).max()
    assert after < 0.25 * before
    luma = np.array((0.299, 0.587, 0.114))
    assert np.abs((kept - drifted) @ luma).max() < 0.5


def test_skin_protection_leaves_the_background_alone(crop):
    drifted = crop * np.array((1.15, 1.0, 0.75), np.float32)
    kept = keep_skin_tone(crop.astype(np.float32), drifted)
    assert np.abs(kept - drifted)[:, :55].max() < 1
    assert np.abs(kept - drifted)[:, 80:].mean() > 5


@pytest.mark.parametrize("mode", ["natural", "strong", "detail"])
def test_a_grey_face_stays_grey_whatever_the_network_paints(restored, mode):
    grey = np.repeat(face_like()[:, :, :1], 3, axis=2)
    face = adjust_face(grey, restored, RestoreOptions(strength=100, mode=mode))
    assert np.abs(face - face[:, :, :1]).max() < 1e-3


@pytest.mark.parametrize("mode", ["natural", "strong", "detail"])
def test_a_sepia_face_keeps_its_tone(restored, mode):
    grey = face_like()[:, :, :1].astype(np.float32)
    tone = np.array((1.0, 0.86, 0.66), np.float32)
    noise = np.random.default_rng(5).normal(0, 2, (SIDE, SIDE, 3))
    sepia = np.clip(grey * tone + noise, 0, 255).astype(np.uint8)
    face = adjust_face(sepia, restored, RestoreOptions(strength=100, mode=mode))
    assert np.abs(face[:, :, 1] - 0.86 * face[:, :, 0]).mean() < 2
    assert np.abs(face[:, :, 2] - 0.66 * face[:, :, 0]).mean() < 2
    brightness = [
        np.corrcoef(fine(face @ (0.3, 0.6, 0.1)).ravel(), fine(restored @ (0.3, 0.6, 0.1)).ravel())
    ]
    assert brightness[0][0, 1] > 0.9  # and it still is the network's face


def photo(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (120, 160, 3), np.uint8)


def smooth_photo() -> np.ndarray:
    return cv2.GaussianBlur(photo(), (0, 0), 2)


def test_neutral_options_change_no_pixel_of_the_photo():
    assert np.array_equal(finish(photo(), RestoreOptions()), photo())


def test_sharpen_and_enhance_detail_raise_contrast_of_detail_and_keep_the_mean():
    plain = smooth_photo()
    gentle, full = (finish(plain, RestoreOptions(sharpen=amount)) for amount in (30, 100))
    enhanced = finish(plain, RestoreOptions(enhance_detail=True))
    assert fine(plain).std() < fine(gentle).std() < fine(full).std()
    assert enhanced.std() > 1.05 * plain.std()
    for result in (gentle, full, enhanced):
        assert abs(result.mean() - plain.mean()) < 1


def test_contrast_and_brightness_move_levels_as_they_say():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    brighter = finish(ramp, RestoreOptions(brightness=50)).astype(int)
    assert (brighter[0, 50:150] == ramp[0, 50:150].astype(int) + 64).all()
    darker = finish(ramp, RestoreOptions(brightness=-25)).astype(int)
    assert (darker[0, 50:150] == ramp[0, 50:150].astype(int) - 32).all()
    more = finish(ramp, RestoreOptions(contrast=50)).astype(int)
    assert (more[0, 128, 0], more[0, 148, 0], more[0, 0, 0]) == (128, 158, 0)
    less = finish(ramp, RestoreOptions(contrast=-50)).astype(int)
    assert (less[0, 128, 0], less[0, 228, 0]) == (128, 178)
    for result in (brighter, darker, more, less):
        assert (np.diff(result[0, :, 0]) >= 0).all()


@pytest.mark.parametrize(
    "options",
    [
        RestoreOptions(sharpen=100),
        RestoreOptions(enhance_detail=True),
        RestoreOptions(contrast=30, brightness=-20),
    ],
)
def test_finishing_keeps_grey_photos_grey(options: RestoreOptions):
    grey = np.repeat(smooth_photo()[:, :, :1], 3, axis=2)
    result = finish(grey, options)
    assert (result == result[:, :, :1]).all()
    assert not np.array_equal(result, grey)
