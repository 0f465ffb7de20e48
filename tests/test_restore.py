"""The restorer by itself: what it asks of the network and what it makes of the answer."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpen_webui.engines.base import Engine, check_shape
from gpen_webui.faces.detect import Face, FaceDetector
from gpen_webui.faces.select import FaceChoiceError
from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.models.installed import InstalledModel
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.stages.face_network import FACES_PER_RUN, NetworkError
from gpen_webui.stages.restorer import Restorer, last
from tests.shared_detector import face_detector

SIZE = 128


class OneLineEngine(Engine):
    """Runs a function instead of a network, and remembers how often."""

    size = SIZE
    description = "a test"
    threads = streams = 1

    def __init__(self, function):
        self.function = function
        self.batches: list[int] = []

    def run(self, crops: np.ndarray) -> np.ndarray:
        check_shape(crops, SIZE)
        assert -1 <= crops.min() <= crops.max() <= 1
        self.batches.append(len(crops))
        return self.function(crops)

    def close(self) -> None:
        pass


def restorer(function, detector: FaceDetector | None = None) -> Restorer:
    model = InstalledModel("test", Path("test"), "0" * 64, SIZE)
    return Restorer(OneLineEngine(function), detector or face_detector(), model)


@pytest.fixture(scope="module")
def astronaut(project: Path) -> Photo:
    return open_photo(project / "tests" / "data" / "astronaut.jpg")


STRONG = RestoreOptions(strength=100, mode="strong", protect_skin=False)


def test_a_network_that_changes_nothing_changes_nothing(astronaut: Photo):
    done = restorer(lambda crops: crops).restore(
        astronaut, RestoreOptions(strength=100, mode="detail", protect_skin=False)
    )
    assert done.state == "done"
    assert np.abs(done.pixels.astype(int) - astronaut.pixels).max() <= 1


def test_strength_0_gives_the_photo_itself(astronaut: Photo):
    done = restorer(lambda crops: -crops).restore(astronaut, RestoreOptions(strength=0))
    assert np.array_equal(done.pixels, astronaut.pixels)


def test_only_the_face_changes_and_there_it_is_the_networks(astronaut: Photo):
    done = restorer(lambda crops: crops / 2).restore(astronaut, STRONG)
    changed = (done.pixels != astronaut.pixels).any(axis=2)
    left, top, right, bottom = done.faces[0].box
    columns = np.nonzero(changed)[1]
    width = right - left
    assert columns.min() > left - width
    assert columns.max() < right + width
    centre = np.s_[int(top + bottom) // 2, int(left + right) // 2]
    wanted = 127.5 + (astronaut.pixels[centre].astype(float) - 127.5) / 2
    assert np.abs(done.pixels[centre] - wanted).max() < 25


def test_a_photo_without_a_face_comes_back_as_it_was():
    sky = Photo(np.full((200, 300, 3), 150, np.uint8), "sky.png", "png")
    engine = restorer(lambda crops: crops)
    done = engine.restore(sky, RestoreOptions(strength=100, mode="strong"))
    assert (done.state, done.faces, done.is_new) == ("no_face", [], False)
    assert np.array_equal(done.pixels, sky.pixels)
    assert engine.face_network.engine.batches == []


def test_finishing_touches_are_put_on_a_photo_without_a_face_too():
    sky = Photo(np.full((200, 300, 3), 150, np.uint8), "sky.png", "png")
    done = restorer(lambda crops: crops).restore(sky, RestoreOptions(brightness=25))
    assert (done.state, done.is_new) == ("no_face", True)
    assert np.array_equal(done.pixels, sky.pixels + 32)


def test_faces_below_the_smallest_size_are_left_alone_and_said_so(astronaut: Photo):
    engine = restorer(lambda crops: -crops)
    done = engine.restore(astronaut, RestoreOptions(min_face=400))
    assert done.state == "no_face"
    assert np.array_equal(done.pixels, astronaut.pixels)
    assert "less than the smallest of 400 px" in done.faces[0].reason
    assert done.warnings == ["1 face is narrower than 400 px (min_face) and left alone."]


def pair_of(astronaut: Photo) -> Photo:
    half = astronaut.pixels[:260, 110:370]
    return Photo(np.hstack([half, half]), "pair.png", "png")


def sides_that_changed(photo: Photo, pixels: np.ndarray) -> list[bool]:
    halves = np.hsplit((photo.pixels != pixels).any(axis=2), 2)
    return [bool(half.any()) for half in halves]


@pytest.mark.parametrize(
    ("chosen", "changed"),
    [
        ({}, [True, True]),
        ({"faces": "2"}, [False, True]),
        ({"not_faces": "2"}, [True, False]),
        ({"face_strength": "1=0"}, [False, True]),
        ({"faces": "1", "face_strength": "1=0"}, [False, False]),
    ],
    ids=str,
)
def test_faces_that_are_not_chosen_keep_their_pixels(astronaut: Photo, chosen, changed):
    photo = pair_of(astronaut)
    done = restorer(lambda crops: -crops).restore(photo, RestoreOptions.parse(chosen))
    assert sides_that_changed(photo, done.pixels) == changed
    assert [face.restored for face in done.faces] == changed
    assert [face.reason for face in done.faces] == [
        None if side else "switched off" for side in changed
    ]


def test_a_face_of_its_own_strength_and_mode_is_as_if_all_had_it(astronaut: Photo):
    photo = pair_of(astronaut)
    engine = restorer(lambda crops: crops * 0.5)
    mixed = engine.restore(photo, RestoreOptions(face_strength="2=30", face_mode="2=detail"))
    left, right = np.hsplit(mixed.pixels, 2)
    assert np.array_equal(left, np.hsplit(engine.restore(photo, RestoreOptions()).pixels, 2)[0])
    alike = engine.restore(photo, RestoreOptions(strength=30, mode="detail"))
    assert np.array_equal(right, np.hsplit(alike.pixels, 2)[1])
    assert (mixed.faces[1].strength, mixed.faces[1].mode) == (30, "detail")


def test_choosing_faces_needs_no_second_run_of_the_network_but_for_small_ones(astronaut: Photo):
    photo = pair_of(astronaut)
    engine = restorer(lambda crops: crops * 0.7)
    kept = KeptIntermediates().of("pair")
    engine.restore(photo, RestoreOptions(), reuse=kept)
    engine.restore(photo, RestoreOptions(not_faces="1"), reuse=kept)
    assert engine.face_network.engine.batches == [2]
    small = RestoreOptions(min_face=400)
    assert engine.restore(photo, small, reuse=kept).state == "no_face"
    named = engine.restore(photo, replace(small, faces="2"), reuse=kept)
    assert [face.restored for face in named.faces] == [False, True]
    assert engine.restore(photo, small, reuse=kept).state == "no_face"  # named no longer


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"faces": "1,3"}, "There is no face 3: the number of faces found is 2;"),
        ({"face_boxes": "1=0,0,9,9"}, "Face 1 is no longer where it was"),
    ],
    ids=str,
)
def test_a_face_that_is_not_there_is_an_error_in_words(astronaut: Photo, chosen, words):
    engine = restorer(lambda crops: crops)
    with pytest.raises(FaceChoiceError, match=words):
        engine.restore(pair_of(astronaut), RestoreOptions.parse(chosen))
    boxes = [face.box for face in engine.restore(pair_of(astronaut), RestoreOptions()).faces]
    where = {str(n + 1): list(box) for n, box in enumerate(boxes)}
    same = RestoreOptions.parse({"faces": [1], "face_boxes": where})
    assert engine.restore(pair_of(astronaut), same).state == "done"


def test_in_a_group_each_face_is_restored_and_memory_stays_bounded(astronaut: Photo):
    half = astronaut.pixels[:260, 110:370]
    crowd = Photo(np.vstack([np.hstack([half] * 4)] * 3), "crowd.png", "png")
    engine = restorer(lambda crops: crops * 0.5)
    done = engine.restore(crowd, STRONG)
    assert len(done.faces) == 12
    assert engine.face_network.engine.batches == [FACES_PER_RUN, 12 - FACES_PER_RUN]
    for face in done.faces:
        x, y = (int(face.box[i] + face.box[i + 2]) // 2 for i in (0, 1))
        assert (done.pixels[y, x] != crowd.pixels[y, x]).any()


@pytest.mark.parametrize(
    "broken",
    [
        lambda crops: np.full_like(crops, np.nan),
        lambda crops: np.zeros_like(crops),
        lambda crops: np.full_like(crops, np.inf),
    ],
    ids=["nan", "flat", "infinite"],
)
def test_an_answer_that_is_no_picture_is_an_error_and_never_a_result(astronaut: Photo, broken):
    with pytest.raises(NetworkError, match=r"astronaut\.jpg: the model test returned no picture"):
        restorer(broken).restore(astronaut, RestoreOptions())


def test_other_looks_of_the_same_photo_need_no_second_run_of_the_network(astronaut: Photo):
    engine = restorer(lambda crops: crops * 0.7)
    kept = KeptIntermediates().of("astronaut")
    engine.restore(astronaut, RestoreOptions(), reuse=kept)
    other = RestoreOptions(strength=20, mode="detail", contrast=10)
    again = engine.restore(astronaut, other, reuse=kept)
    assert engine.face_network.engine.batches == [1]
    assert np.array_equal(again.pixels, engine.restore(astronaut, other).pixels)


def test_stages_are_announced_in_order_and_measured(astronaut: Photo):
    engine = restorer(lambda crops: crops)
    told = list(engine.restore_stages(astronaut, RestoreOptions()))
    assert told == ["detect", "align", "network", "blend", "adjust"]
    done = engine.restore(astronaut, RestoreOptions())
    assert set(done.timings) == set(told)
    assert all(seconds >= 0 for seconds in done.timings.values())


def test_a_photo_that_is_not_asked_on_stops_before_the_stage_last_told(astronaut: Photo):
    engine = restorer(lambda crops: crops)
    stages = engine.restore_stages(astronaut, RestoreOptions())
    assert "network" in stages  # asks on until then
    stages.close()
    assert engine.face_network.engine.batches == []


@pytest.mark.parametrize("side", [40, SIZE, 700])
def test_aligned_is_resize_run_and_nothing_else(astronaut: Photo, side: int):
    crop = Photo(np.ascontiguousarray(astronaut.pixels[:side, :side]), "crop.png", "png")
    done = restorer(lambda crops: -crops).restore(
        crop, RestoreOptions(aligned=True, strength=0, sharpen=100, brightness=50)
    )
    assert done.pixels.shape == (SIZE, SIZE, 3)
    assert done.warnings == [
        "“aligned” runs the network and does nothing else, so this was left out: strength, "
        "sharpen, brightness."
    ]
    if side == SIZE:
        assert np.array_equal(done.pixels, 255 - crop.pixels)


def test_finishing_touches_are_put_on_the_whole_photo(astronaut: Photo):
    options = RestoreOptions(strength=0, brightness=25)
    done = restorer(lambda crops: crops).restore(astronaut, options)
    dark = astronaut.pixels < 200
    assert (done.pixels[dark] == astronaut.pixels[dark] + 32).all()


class ACrowd(FaceDetector):
    """Finds faces in rows, each half over its neighbours."""

    def __init__(self, faces: list[Face]):
        super().__init__()
        self.faces = faces

    def detect(self, pixels: np.ndarray) -> list[Face]:
        return self.faces


def crowd_of(astronaut: Photo, rows: int, columns: int) -> tuple[Photo, list[Face]]:
    (face,) = face_detector().detect(astronaut.pixels)
    centre, step = face.landmarks.mean(axis=0), 60
    shift = [np.array([x * step, y * step]) for y in range(rows) for x in range(columns)]
    origin = np.array([step, step]) - centre / 2
    pixels = np.resize(astronaut.pixels, ((rows + 1) * step, (columns + 1) * step, 3))
    faces = [
        replace(face, landmarks=face.landmarks / 2 + origin + by, box=tuple(np.tile(by, 2) + 80))
        for by in shift
    ]
    faces = [replace(face, box=(box[0], box[1], box[0] + 60, box[1] + 60))
             for face in faces for box in [face.box]]  # fmt: skip
    return Photo(np.ascontiguousarray(pixels), "crowd.png", "png"), faces


def test_a_crowd_is_restored_part_by_part_with_the_same_pixels(astronaut: Photo, monkeypatch):
    photo, faces = crowd_of(astronaut, rows=12, columns=8)
    engine = restorer(lambda crops: crops * 0.5, ACrowd(faces))
    whole = engine.restore(photo, STRONG)
    monkeypatch.setattr("gpen_webui.stages.face_network.HELD_BYTES", 24 * SIZE * SIZE * 15)
    stages = list(engine.restore_stages(photo, STRONG))
    parts = engine.restore(photo, STRONG)
    assert parts.network is None
    assert stages.count("network") > 3
    assert sum(engine.face_network.engine.batches) == 3 * len(
        faces
    )  # each face once, in each of the runs
    assert max(engine.face_network.engine.batches) == FACES_PER_RUN
    assert np.abs(parts.pixels.astype(int) - whole.pixels).max() <= 1
    assert (whole.pixels != photo.pixels).any()


def test_the_memory_of_a_crowd_does_not_grow_with_its_faces(astronaut: Photo, monkeypatch):
    monkeypatch.setattr("gpen_webui.stages.face_network.HELD_BYTES", 24 * SIZE * SIZE * 15)

    def peak(rows: int) -> int:
        photo, faces = crowd_of(astronaut, rows, columns=8)
        engine = restorer(lambda crops: crops * 0.5, ACrowd(faces))
        tracemalloc.start()
        engine.restore(photo, STRONG)
        found = tracemalloc.get_traced_memory()[1] - 2 * photo.pixels.nbytes
        tracemalloc.stop()
        return found

    assert peak(rows=20) < 1.3 * peak(rows=5)


def test_all_faces_of_a_crowd_are_there_for_whoever_asks(astronaut: Photo, monkeypatch):
    monkeypatch.setattr("gpen_webui.stages.face_network.HELD_BYTES", 0)
    photo, faces = crowd_of(astronaut, rows=3, columns=8)
    engine = restorer(lambda crops: crops * 0.5, ACrowd(faces))
    kept = last(engine.restore_stages(photo, STRONG, keep_faces=True))
    assert len(kept.network.restored) == len(kept.network.crops) == len(faces)
