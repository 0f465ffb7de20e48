"""The restorer by itself: what it asks of the network and what it makes of the answer."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpen_webui.engines.base import Engine, check_shape
from gpen_webui.faces.detect import Face, FaceDetector
from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.models.installed import InstalledModel
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.stages.face_network import FACES_PER_RUN, NetworkError
from gpen_webui.stages.restorer import Restorer, last

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
    return Restorer(OneLineEngine(function), detector or FaceDetector(), model)


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
    done = engine.restore(sky, RestoreOptions(sharpen=100, brightness=30))
    assert (done.state, done.faces) == ("no_face", [])
    assert np.array_equal(done.pixels, sky.pixels)
    assert engine.face_network.engine.batches == []


def test_faces_below_the_smallest_size_are_left_alone_and_said_so(astronaut: Photo):
    engine = restorer(lambda crops: -crops)
    done = engine.restore(astronaut, RestoreOptions(min_face=400))
    assert done.state == "no_face"
    assert np.array_equal(done.pixels, astronaut.pixels)
    assert "less than the smallest of 400 px" in done.faces[0].reason
    assert done.warnings == ["1 face is too small and left alone."]


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
        self.faces = faces

    def detect(self, pixels: np.ndarray) -> list[Face]:
        return self.faces


def crowd_of(astronaut: Photo, rows: int, columns: int) -> tuple[Photo, list[Face]]:
    (face,) = FaceDetector().detect(astronaut.pixels)
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

    assert peak(rows=40) < 1.3 * peak(rows=10)


def test_all_faces_of_a_crowd_are_there_for_whoever_asks(astronaut: Photo, monkeypatch):
    monkeypatch.setattr("gpen_webui.stages.face_network.HELD_BYTES", 0)
    photo, faces = crowd_of(astronaut, rows=3, columns=8)
    engine = restorer(lambda crops: crops * 0.5, ACrowd(faces))
    kept = last(engine.restore_stages(photo, STRONG, keep_faces=True))
    assert len(kept.network.restored) == len(kept.network.crops) == len(faces)
