"""The part of a photo in view, shown ahead: what the whole restoration will make of it."""

import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest

from gpen_webui.faces.select import FaceChoiceError
from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.repairing.mask import mask_text
from gpen_webui.repairing.scratches import ScratchDetector
from gpen_webui.stages.known_photo import KnownPhoto
from gpen_webui.stages.preview_part import PreviewRequest
from gpen_webui.stages.restorer import Restorer
from gpen_webui.web.known_photos import KnownPhotos
from tests.test_enlarge import NearestEngine, astronaut, restorer  # noqa: F401 - a fixture
from tests.waiting import wait_for

BOX = (150, 60, 330, 220)  # with a part of the face and of what is around
FIRST = RestoreOptions(strength=100)


@pytest.fixture(scope="module")
def photo(astronaut: Photo) -> Photo:  # noqa: F811
    """Noisy, faded, with a scratch beside the face: 400 x 380 pixels."""
    rng = np.random.default_rng(4)
    pixels = 80 + 0.5 * astronaut.pixels[:380, :400] + rng.normal(0, 6, (380, 400, 3))
    cv2.line(pixels, (318, 60), (326, 220), (250, 250, 250), 2, cv2.LINE_AA)
    return Photo(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), "old.png", "png")


class Once:
    """A photo that was restored once, and whose parts are then shown with other options."""

    def __init__(self, photo: Photo, ours: Restorer):
        self.ours, self.photo = ours, photo
        self.kept = KeptIntermediates().of("photo")
        self.known = KnownPhoto(photo, ScratchDetector())
        self.ours.restore(photo, FIRST, reuse=self.kept)

    def ahead(self, options: RestoreOptions, box=BOX, width: int = BOX[2] - BOX[0]):
        request = PreviewRequest(self.known, box, width, options, FIRST)
        return self.ours.preview.show(request, self.kept)

    def exact(self, options: RestoreOptions) -> np.ndarray:
        return self.ours.restore(self.photo, options).pixels


@pytest.fixture(scope="module")
def once(photo: Photo) -> Once:
    return Once(photo, restorer(lambda crops: crops * 0.6))


def painted() -> str:
    mask = np.zeros((380, 400), np.uint8)
    cv2.line(mask, (318, 58), (326, 222), 255, 5)
    return mask_text(mask)


@pytest.mark.parametrize(
    "options",
    [
        {"denoise": 80, "contrast": 20},
        {"enhance_detail": True, "sharpen": 60, "brightness": -10},
        {"fade": "auto", "not_faces": "1"},
        {"mask": painted()},
        {"enlarge": "2", "background": "clean"},
        {"enlarge": "2", "denoise": 50, "face_mode": "1=strong"},
        {"not_faces": "1", "background": "restore"},
    ],
    ids=lambda options: " ".join(options),
)
def test_a_part_looks_ahead_as_the_restored_photo_will(once: Once, options: dict):
    wanted = RestoreOptions(strength=100, **options)
    scale = int(wanted.enlarge)
    ahead = once.ahead(wanted, width=scale * (BOX[2] - BOX[0])).astype(int)
    left, top, right, bottom = (scale * side for side in BOX)
    exact = once.exact(wanted)[top:bottom, left:right]
    assert ahead.shape == exact.shape
    assert np.abs(ahead - exact).mean() < 1.5
    assert np.quantile(np.abs(ahead - exact), 0.99) <= 8


def test_a_photo_that_is_seen_small_is_made_small(once: Once):
    wanted = RestoreOptions(strength=100, contrast=30, fade="auto", enlarge="4")
    ahead = once.ahead(wanted, (0, 0, 400, 380), width=100)
    small = cv2.resize(once.exact(wanted), (100, 95), interpolation=cv2.INTER_AREA)
    assert ahead.shape == small.shape
    assert np.abs(ahead.astype(int) - small).mean() < 3


def test_nothing_is_shown_ahead_of_faces_that_no_network_has_made(photo: Photo):
    ours, known = restorer(), KnownPhoto(photo, ScratchDetector())
    request = PreviewRequest(known, BOX, 100, RestoreOptions(contrast=30), FIRST)
    assert ours.preview.show(request, KeptIntermediates().of("photo")) is None


def test_no_network_runs_for_a_part_but_for_what_is_enlarged_and_that_in_view(photo: Photo):
    tiles = NearestEngine()
    once = Once(photo, restorer(engine=tiles))
    once.ahead(RestoreOptions(strength=100, background="clean", denoise=30), (0, 0, 20, 20), 20)
    assert tiles.tiles <= 4
    assert once.ours.face_network.engine.batches == [1]


def test_faces_have_the_numbers_of_the_job_that_is_shown(photo: Photo):
    """Another job restores the same photo with a face drawn in it, and is kept last."""
    once = Once(photo, restorer(lambda crops: crops * 0.6))
    ours = RestoreOptions(strength=100, contrast=20)
    before = once.ahead(ours)
    drawn = RestoreOptions(strength=100, add_face="20,200,120,120")
    once.ours.restore(photo, drawn, reuse=once.kept)
    assert np.array_equal(once.ahead(ours), before)
    whole = (0, 0, 400, 380)
    other = once.ahead(replace(drawn, contrast=20), whole, 400)
    left_alone = once.ahead(replace(drawn, contrast=20, not_faces="2"), whole, 400)
    assert np.array_equal(left_alone, once.ahead(ours, whole, 400))
    assert not np.array_equal(other, left_alone)
    with pytest.raises(FaceChoiceError):  # that job has one face only
        once.ahead(replace(ours, not_faces="2"))


def test_only_the_latest_photo_is_kept_open_and_that_not_for_long(photo: Photo):
    kept = KnownPhotos(kept_seconds=3600)
    first = kept.of("first", lambda: photo)
    assert kept.of("first", lambda: pytest.fail("it is open")) is first
    gone = weakref.ref(first)
    del first
    kept.of("second", lambda: photo)
    assert gone() is None

    brief = KnownPhotos(kept_seconds=0.01)
    forgotten = weakref.ref(brief.of("any", lambda: photo))
    wait_for(lambda: forgotten() is None)


def test_nothing_is_shown_ahead_of_what_another_network_enlarges_before_it_has(once: Once):
    """A large one takes many seconds for a part, too."""
    assert once.ahead(RestoreOptions(strength=100, enlarge="2", enlarge_model="large")) is None
