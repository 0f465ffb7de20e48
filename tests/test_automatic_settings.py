"""Settings chosen by what a photo shows: what is suggested, why, and that auto does just that."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.options import OptionError, RestoreOptions
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.stages.photo_measures import FaceMeasures, measure_photo
from gpen_webui.stages.restorer import Restoration, Restorer
from gpen_webui.stages.suggestions import chosen_elsewhere, suggest_for_faces
from tests.shared_detector import face_detector
from tests.test_restore import restorer

AUTO = RestoreOptions(preset="auto")


@pytest.fixture(scope="module")
def pixels(project: Path) -> np.ndarray:
    return open_photo(project / "tests" / "data" / "astronaut.jpg").pixels


@pytest.fixture(scope="module")
def engine() -> Restorer:
    return restorer(lambda crops: crops * 0.7, face_detector())


def auto(engine: Restorer, pixels: np.ndarray, **options) -> Restoration:
    return engine.restore(Photo(pixels, "a.png", "png"), replace(AUTO, **options))


def chosen(done: Restoration) -> dict[str, object]:
    return {name: value for each in done.suggestions for name, value in each.options.items()}


def noisy(pixels: np.ndarray, levels: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, levels, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def test_a_good_photo_is_left_to_the_defaults(engine: Restorer, pixels: np.ndarray):
    done = auto(engine, pixels)
    assert {"denoise", "brightness", "fade", "repair", "mode"}.isdisjoint(chosen(done))


def test_each_fault_of_a_photo_gets_its_remedy_with_a_reason(engine: Restorer, pixels: np.ndarray):
    faulty = {
        "very blurred": cv2.GaussianBlur(pixels, (0, 0), 4),
        "soft": cv2.GaussianBlur(pixels, (0, 0), 1.5),
        "noise of about 6": noisy(pixels, 10),
        "lightest parts are dark": (pixels * 0.45).astype(np.uint8),
        "looks faded": (pixels * 0.4 + 100).astype(np.uint8),
    }
    found = {words: auto(engine, faulty[words]) for words in faulty}
    assert {words: chosen(done) for words, done in found.items()} == {
        "very blurred": {"strength": 100, "mode": "strong"},
        "soft": {"strength": 95},
        "noise of about 6": {"denoise": 80},
        "lightest parts are dark": {"brightness": 24, "contrast": 8},
        "looks faded": {"fade": "auto"},
    }
    for words, done in found.items():
        assert [each.reason for each in done.suggestions if words in each.reason]
        for name, value in chosen(done).items():
            assert getattr(done.options, name) == value


def test_auto_gives_the_bytes_that_its_choices_give_when_made_by_hand(
    engine: Restorer, pixels: np.ndarray
):
    photo = Photo(noisy(cv2.GaussianBlur(pixels, (0, 0), 4), 6), "a.png", "png")
    kept = KeptIntermediates().of("a")
    by_itself = engine.restore(photo, AUTO, reuse=kept)
    by_hand = engine.restore(photo, RestoreOptions(**chosen(by_itself)))
    assert len(by_itself.suggestions) >= 2
    assert np.array_equal(by_itself.pixels, by_hand.pixels)
    again = engine.restore(photo, by_itself.options, reuse=kept)  # as its report says
    assert np.array_equal(again.pixels, by_itself.pixels)
    assert [face.strength for face in by_itself.faces] == [by_itself.options.strength]


def test_what_somebody_has_chosen_stays(engine: Restorer, pixels: np.ndarray):
    done = auto(engine, noisy(pixels, 10), denoise=5, strength=20)
    assert chosen(done) == {}
    assert (done.options.denoise, done.options.strength) == (5, 20)


@pytest.mark.parametrize(("side", "is_automatic"), [(500, True), (2400, False)])
def test_a_large_photo_is_enlarged_only_by_choice(
    pixels: np.ndarray, side: int, is_automatic: bool
):
    measures = replace(measure_photo(pixels), size=(side, side))
    face = FaceMeasures(width=40, detail=0.2)
    (suggested,) = suggest_for_faces(measures, face, 2, 0, RestoreOptions())
    assert suggested.options == {"enlarge": "2", "background": "clean"}
    assert suggested.is_automatic == is_automatic
    assert "40 px wide" in suggested.reason


def test_a_photo_is_never_turned_without_a_choice(pixels: np.ndarray):
    (suggested,) = suggest_for_faces(measure_photo(pixels), None, 1, 1, RestoreOptions())
    assert (suggested.options, suggested.is_automatic) == ({"upright": True}, False)


def test_what_another_machine_chose_stands_in_its_report_and_nothing_else_does(
    engine: Restorer, pixels: np.ndarray
):
    done = auto(engine, noisy(pixels, 10))
    told = [each.as_dict() for each in done.suggestions]
    assert told
    assert chosen_elsewhere(AUTO, told) == done.options
    assert chosen_elsewhere(RestoreOptions(), []) == RestoreOptions()
    with pytest.raises(OptionError):
        chosen_elsewhere(RestoreOptions(), told)
    with pytest.raises(OptionError):
        chosen_elsewhere(AUTO, [{"options": {"format": "png"}}])
