"""A photo's result is the same file, byte for byte, whoever else is at work and in which order."""

import hashlib
import os
import random
import sys
import threading
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import pytest

from gpen_webui.bench.photos import draw_photo
from gpen_webui.networks import choose_workers
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import open_restorer, restore_file, run_workers
from gpen_webui.settings import Settings
from tests.tiny_gpen import make_tiny_model

SIDES = (240, 300, 360, 420, 480, 540)


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    folder = tmp_path_factory.mktemp("models")
    return Settings(models=folder, model=str(make_tiny_model(folder).path))


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    """Six of different sizes, so that they are at different stages at any moment; the last
    shows three faces."""
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for number, side in enumerate(SIDES):
        photo = cv2.resize(draw_photo(number), (side, side), interpolation=cv2.INTER_AREA)
        if number == len(SIDES) - 1:
            photo = cv2.hconcat([photo] * 3)
        paths.append(folder / f"{number}.jpg")
        cv2.imwrite(str(paths[-1]), photo)
    return paths


def restore_album(settings: Settings, photos: list[Path], workers: int) -> dict[str, str]:
    """The hash of every photo's result, by name."""
    hashes = {}

    def restore(restorer, photo: Path) -> int:
        restored = restore_file(restorer, photo, photo.name, RestoreOptions())
        hashes[photo.name] = hashlib.sha256(restored.data).hexdigest()
        return len(restored.report.faces)

    with closing(open_restorer(settings, workers)) as restorer:
        faces = sum(run_workers(photos, partial(restore, restorer), workers))
    assert faces == len(SIDES) + 2
    return hashes


def test_the_results_do_not_depend_on_workers_or_order(settings, photos):
    expected = restore_album(settings, photos, 1)
    assert len(set(expected.values())) == len(photos)
    for workers in (1, 2, 4):
        shuffled = random.Random(workers).sample(photos, len(photos))
        assert restore_album(settings, shuffled, workers) == expected, workers


def test_as_many_workers_as_wished_or_else_as_suit_the_machine(settings):
    assert choose_workers(replace(settings, workers=3)) == 3
    assert choose_workers(replace(settings, workers=0)) >= 1


def test_with_little_memory_photos_are_restored_one_at_a_time_and_that_is_said(
    settings, monkeypatch
):
    for limit, is_little in ((2 << 30, True), (8 << 30, False)):
        monkeypatch.setattr("gpen_webui.engines.cores.memory_limit", lambda limit=limit: limit)
        monkeypatch.setattr("gpen_webui.engines.photos_at_once.cpu_cores", lambda: 4)
        workers = choose_workers(replace(settings, workers=0))
        assert workers == (1 if is_little else 4)
        with closing(open_restorer(replace(settings, workers=0), 1)) as restorer:
            assert ("one at a time" in restorer.description) == is_little
    assert choose_workers(replace(settings, workers=3)) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows priorities of threads")
def test_threads_that_prepare_photos_leave_the_cores_to_the_network():
    def priority(_: object) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert set(run_workers([1, 2, 3], priority, 2)) == {min(19, priority(None) + 5)}
