"""Settings that one photo of an album has of its own, chosen before the album's start."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gpen_webui.jobs.records import Job, JobConflictError
from gpen_webui.jobs.service import JobService
from gpen_webui.options import RestoreOptions
from tests.cluster_runner import ClusterService
from tests.jobs_kit import REPORTS, collect, files_in, wait_for_state
from tests.waiting import wait_for

pytest_plugins = ["tests.jobs_fixtures"]
NAMES = ["t/a.jpg", "t/b.jpg", "t/c.jpg", "t/d.jpg"]
ALBUM = RestoreOptions(strength=30, min_face=40)


@pytest.fixture(params=[JobService, ClusterService])
def make_service(request: pytest.FixtureRequest) -> type:
    """Alone, and with photos that other machines restore."""
    return request.param


@pytest.fixture
def collected(service: JobService) -> Job:
    """An album in which b has a strength of its own, and d another one and a format."""
    job = collect(service, NAMES)
    service.store.set_own_options(job.id, 1, {"strength": 100})
    service.store.set_own_options(job.id, 3, {"strength": 10, "format": "png"})
    return job


def strengths(job: Job) -> dict[str, str]:
    """With which strength each file was made, by its name."""
    results = files_in(job.folder) - REPORTS
    return {name: (job.folder / name).read_text().split()[-1] for name in results}


def reported(job: Job) -> dict[str, dict]:
    report = json.loads((job.folder / "report.json").read_text())
    return {photo["name"]: photo for photo in report["photos"]}


def test_a_photo_follows_its_album_in_all_but_what_was_chosen_for_it(service, collected: Job):
    service.store.set_own_options(collected.id, 2, {"strength": ALBUM.strength})
    service.store.remove_item(collected.id, 0)
    assert service.store.item(collected.id, 1).options == {"strength": 100}
    service.store.describe(collected.id, options=ALBUM)  # chosen after those of the photos
    service.runner.submit(collected.id)
    job = wait_for_state(service, collected, "done")
    assert strengths(job) == {"t/b.jpg": "100", "t/c.jpg": "30", "t/d.png": "10"}
    b, c, d = service.store.items(job.id)
    assert b.options == replace(ALBUM, strength=100).as_dict()
    assert c.options is None  # as the album
    assert d.options == replace(ALBUM, strength=10, format="png").as_dict()
    assert {name: photo["options"]["strength"] for name, photo in reported(job).items()} == {
        "t/b.jpg": 100,
        "t/c.jpg": 30,
        "t/d.jpg": 10,
    }
    b, c, d = (job.folder / "report.html").read_text().split("<article")[1:]
    assert ("100" in b, "100" in c, "PNG" in d) == (True, False, True)
    with pytest.raises(JobConflictError, match=r"restore t/b\.jpg again"):
        service.store.set_own_options(job.id, 0, {"strength": 1})


def test_it_stays_through_failure_cancelling_restart_and_retry(harness, service, collected: Job):
    harness.play.fail("t/b.jpg")
    gates = [harness.play.hold(name) for name in ("t/c.jpg", "t/d.jpg")]
    service.runner.submit(collected.id)
    for gate in gates:  # both workers are there, so the photos before have ended
        gate.wait_until_reached()
    service.runner.cancel(collected.id)
    job = service.store.job(collected.id)
    kept = {
        name: (each["state"], each["options"]["strength"]) for name, each in reported(job).items()
    }
    assert kept == {
        "t/a.jpg": ("done", 70),
        "t/b.jpg": ("failed", 100),
        "t/c.jpg": ("cancelled", 70),
        "t/d.jpg": ("cancelled", 10),
    }
    harness.close()

    service = harness.open()
    harness.play.mend("t/b.jpg")
    service.runner.restore_rest(job.id)
    wait_for_state(service, job, "done")
    service.runner.retry(job.id)
    job = wait_for_state(service, job, "done")
    expected = {"t/a.jpg": "70", "t/b.jpg": "100", "t/c.jpg": "70", "t/d.png": "10"}
    assert strengths(job) == expected


def test_another_run_of_the_album_keeps_it_unless_it_is_told_not_to(service, collected: Job):
    service.runner.submit(collected.id)
    first = wait_for_state(service, collected, "done")
    second = service.runner.run_again(first.id, ALBUM)
    job = wait_for_state(service, second, "done")
    expected = {"t/a.jpg": "30", "t/b.jpg": "100", "t/c.jpg": "30", "t/d.png": "10"}
    assert strengths(job) == expected
    assert service.store.item(job.id, 1).options == replace(ALBUM, strength=100).as_dict()
    third = service.runner.run_again(job.id, replace(ALBUM, strength=100))
    job = wait_for_state(service, third, "done")
    assert service.store.item(job.id, 1).options is None  # the album has come to have it too
    assert strengths(job)["t/d.png"] == "10"
    fourth = service.runner.run_again(job.id, ALBUM, keep_own=False)
    assert set(strengths(wait_for_state(service, fourth, "done")).values()) == {"30"}


def test_a_photo_alone_gets_what_it_is_run_again_with(service):
    job = collect(service, ["a.jpg"], kind="photo")
    service.runner.submit(job.id)
    job = wait_for_state(service, job, "done")
    service.runner.redo(job.id, 0, RestoreOptions(strength=5))
    wait_for_state(service, job, "done")
    again = service.runner.run_again(job.id, RestoreOptions(strength=60))
    assert strengths(wait_for_state(service, again, "done"))["a.jpg"] == "60"


def test_a_photo_that_is_restored_once_more_goes_before_those_with_settings_of_their_own(
    make_harness,
):
    harness = make_harness(workers=1)
    service = harness.open()
    job = collect(service, NAMES)
    service.store.set_own_options(job.id, 3, {"strength": 10})
    gate = harness.play.hold("t/b.jpg")
    service.runner.submit(job.id)
    gate.wait_until_reached()
    wait_for(lambda: service.store.item(job.id, 0).state == "done")
    service.runner.redo(job.id, 0, RestoreOptions(strength=100))
    gate.open()
    wait_for_state(service, job, "done")
    assert harness.play.begun == ["t/a.jpg", "t/b.jpg", "t/a.jpg", "t/c.jpg", "t/d.jpg"]


def test_a_damaged_store_keeps_it_as_it_was_chosen(harness, service, collected: Job):
    harness.close()
    path: Path = harness.outputs / ".gpen-webui" / "jobs.sqlite"
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(path, "r+b") as file:
        file.write(b"\0" * 100)
    service = harness.open()
    assert [item.options for item in service.store.items(collected.id)] == [
        None,
        {"strength": 100},
        None,
        {"strength": 10, "format": "png"},
    ]
