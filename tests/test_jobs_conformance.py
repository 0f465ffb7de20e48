"""What any runner of jobs must do: the promises of gpen_webui/jobs/runner/interface.py.

Those for when something goes wrong are in test_jobs_conformance_faults.py.
"""

import hashlib
import json
import re
from pathlib import Path

import pytest

from gpen_webui.jobs.records import JobConflictError, UnknownJobError
from gpen_webui.jobs.service import JobService
from gpen_webui.jobs.store.jobs import NewPhoto
from gpen_webui.options import RestoreOptions
from tests.jobs_kit import (
    REPORTS,
    STAGES,
    JobsHarness,
    check_nothing_lost,
    collect,
    content,
    files_in,
    start,
    states,
    wait_for_state,
)
from tests.waiting import wait_for

pytest_plugins = ["tests.jobs_fixtures"]


# Carrying out


def test_every_photo_of_an_album_ends_once_and_has_its_result(harness: JobsHarness, service):
    harness.play.fail("torn.jpg")
    names = [f"{n}.jpg" for n in range(20)] + ["torn.jpg", "landscape.jpg"]
    job = start(service, names)
    job = wait_for_state(service, job, "done")
    assert job.counts == {
        "total": 22, "waiting": 0, "running": 0, "done": 20, "no_face": 1, "failed": 1,
        "cancelled": 0,
    }  # fmt: skip
    assert sorted(harness.play.begun) == sorted(names)
    check_nothing_lost(service, job)


def test_a_failure_is_told_in_words_with_its_stage_and_does_not_end_the_album(harness, service):
    harness.play.fail("torn.jpg", stage="open")
    harness.play.fail("odd.jpg", RuntimeError("index 3 out of range"), stage="blend")
    job = wait_for_state(service, start(service, ["torn.jpg", "odd.jpg", "good.jpg"]), "done")
    torn, odd, _ = service.store.items(job.id)
    assert torn.error == {"stage": "open", "message": "torn.jpg is no photo."}
    assert odd.error["stage"] == "blend"
    assert "odd.jpg" in odd.error["message"]
    assert "index 3" not in odd.error["message"]
    assert states(service, job)["good.jpg"] == "done"


def test_an_album_of_which_nothing_could_be_restored_is_done_and_has_its_report(harness, service):
    harness.play.fail("a.jpg")
    job = wait_for_state(service, start(service, ["a.jpg"]), "done")
    check_nothing_lost(service, job)
    assert files_in(job.folder) == REPORTS


def test_names_and_tree_are_kept_and_no_two_results_meet(harness: JobsHarness, service):
    names = ["1931/Köln/a.jpg", "1931/a.jpg", "A.jpg", "a.jpg", "../../b.jpg", "report.json"]
    job = wait_for_state(service, start(service, names), "done")
    assert files_in(job.folder) == {
        "1931/Köln/a.jpg", "1931/a.jpg", "A.jpg", "a (2).jpg", "b.jpg", "report (2).json",
        *REPORTS,
    }  # fmt: skip
    check_nothing_lost(service, job)
    assert job.folder.parent == harness.outputs


def test_the_report_for_people_shows_what_is_restored_before_and_after(harness, service):
    harness.play.fail("torn.jpg")
    names = ["a.jpg", "torn.jpg", "landscape.jpg"]
    job = wait_for_state(service, start(service, names), "done")
    page = (job.folder / "report.html").read_text("utf-8")
    assert re.findall(r'<p class="pair" data-result="(.*?)">', page) == ["a.jpg", "landscape.jpg"]


def test_the_report_tells_every_photo_in_order(harness: JobsHarness, service):
    harness.play.fail("b.jpg")
    options = RestoreOptions(strength=30)
    job = start(service, ["a.jpg", "b.jpg", "landscape.jpg"], options=options)
    job = wait_for_state(service, job, "done")
    report = json.loads((job.folder / "report.json").read_text(encoding="utf-8"))
    assert [photo["name"] for photo in report["photos"]] == ["a.jpg", "b.jpg", "landscape.jpg"]
    assert [photo["state"] for photo in report["photos"]] == ["done", "failed", "no_face"]
    assert report["photos"][1]["error"] == {"stage": "detect", "message": "b.jpg is no photo."}
    assert (report["counts"]["total"], report["state"]) == (3, "done")
    assert report["options"]["strength"] == 30
    assert report["model"] == "played"


def test_originals_named_by_path_are_never_touched(harness: JobsHarness, service, tmp_path: Path):
    photo = tmp_path / "only scan.jpg"
    photo.write_bytes(content("grandmother"))
    before = (photo.stat().st_mtime_ns, hashlib.sha256(photo.read_bytes()).digest())
    job = service.store.create_job("album", "Grandmother", RestoreOptions())
    service.store.add_originals(job.id, [NewPhoto(photo, photo.name)])
    service.runner.submit(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))
    service.runner.delete(job.id)
    assert (photo.stat().st_mtime_ns, hashlib.sha256(photo.read_bytes()).digest()) == before


def test_a_job_is_started_once_however_often_it_is_submitted(harness: JobsHarness, service):
    gate = harness.play.hold("a.jpg")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    again = service.runner.submit(job.id)
    assert (again.state, again.folder) == ("running", job.folder)
    gate.open()
    job = wait_for_state(service, job, "done")
    assert service.runner.submit(job.id) == job
    assert harness.play.begun == ["a.jpg"]


def test_a_job_without_photos_cannot_be_started(harness: JobsHarness, service):
    job = service.store.create_job("album", "Empty", RestoreOptions())
    with pytest.raises(JobConflictError, match="no photos yet"):
        service.runner.submit(job.id)


def test_a_job_that_was_cancelled_without_photos_cannot_be_run_again(harness: JobsHarness, service):
    job = service.store.create_job("album", "Empty", RestoreOptions())
    service.runner.cancel(job.id)
    with pytest.raises(JobConflictError, match="no photos to run again"):
        service.runner.run_again(job.id, RestoreOptions())
    assert [found.id for found in service.store.jobs()] == [job.id]


# Turns


def test_a_single_photo_goes_before_albums_and_albums_take_turns(make_harness):
    harness = make_harness(workers=1)
    service = harness.open()
    gate = harness.play.hold("first.jpg")
    albums = [start(service, ["first.jpg"])]
    gate.wait_until_reached()
    albums.append(start(service, ["a1.jpg", "a2.jpg", "a3.jpg"]))
    albums.append(start(service, ["b1.jpg", "b2.jpg", "b3.jpg"]))
    albums.append(start(service, ["single.jpg"], kind="photo"))
    gate.open()
    for job in albums:
        wait_for_state(service, job, "done")
    assert harness.play.begun == [
        "first.jpg", "single.jpg", "a1.jpg", "b1.jpg", "a2.jpg", "b2.jpg", "a3.jpg", "b3.jpg",
    ]  # fmt: skip


# What users ask for


def test_a_paused_job_finishes_what_is_in_hand_and_begins_nothing_until_resumed(harness, service):
    gates = [harness.play.hold(f"{n}.jpg") for n in range(2)]
    job = start(service, [f"{n}.jpg" for n in range(6)])
    for gate in gates:
        gate.wait_until_reached()
    assert service.runner.pause(job.id).state == "paused"
    for gate in gates:
        gate.open()
    job = wait_for_state(service, job, "paused")
    assert (job.counts["done"], job.counts["waiting"]) == (2, 4)
    assert len(harness.play.begun) == 2
    assert job.eta_seconds is None
    assert service.runner.pause(job.id).state == "paused"
    service.runner.resume(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))
    assert len(harness.play.begun) == 6


def test_a_job_whose_last_photo_ends_while_it_is_paused_is_done(harness: JobsHarness, service):
    gate = harness.play.hold("a.jpg")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    service.runner.pause(job.id)
    gate.open()
    check_nothing_lost(service, wait_for_state(service, job, "done"))


@pytest.mark.parametrize("stage", STAGES)
def test_cancelling_stops_the_photo_in_hand_and_keeps_what_is_done(harness, service, stage: str):
    gate = harness.play.hold("2.jpg", stage)
    job = start(service, ["1.jpg", "2.jpg", "3.jpg", "4.jpg"])
    gate.wait_until_reached()
    wait_for(lambda: states(service, job)["1.jpg"] == "done")
    job = service.runner.cancel(job.id)
    gate.open()
    assert job.state == "cancelled"
    assert states(service, job)["2.jpg"] == "cancelled"
    assert states(service, job)["1.jpg"] == "done"
    wait_for(lambda: service.pool.status()["busy"] == 0)
    assert [entered for name, entered in harness.play.entered if name == "2.jpg"][-1] == stage
    check_nothing_lost(service, job)
    assert service.runner.cancel(job.id).seq == job.seq


def test_a_job_cancelled_before_it_began_leaves_no_folder(harness: JobsHarness, service):
    gate = harness.play.hold("busy.jpg")
    busy = [start(service, ["busy.jpg"]), start(service, ["busy.jpg"])]
    gate.wait_until_reached()
    wait_for(lambda: all(service.store.job(job.id).counts["running"] for job in busy))
    job = service.runner.cancel(start(service, ["a.jpg"]).id)
    gate.open()
    assert states(service, job) == {"a.jpg": "cancelled"}
    assert not job.folder.exists()
    for other in busy:
        wait_for_state(service, other, "done")


def test_a_job_can_be_cancelled_while_it_is_collected(harness: JobsHarness, service):
    job = service.runner.cancel(collect(service, ["a.jpg"]).id)
    assert (job.state, states(service, job)) == ("cancelled", {"a.jpg": "cancelled"})
    with pytest.raises(JobConflictError):
        service.store.add_item(job.id, "b.jpg", written(service, b"b"))


def test_retry_does_the_failed_photos_again_and_only_them(harness: JobsHarness, service):
    for name in ("b.jpg", "c.jpg"):
        harness.play.fail(name)
    job = wait_for_state(service, start(service, ["a.jpg", "b.jpg", "c.jpg"]), "done")
    harness.play.mend("b.jpg")
    harness.play.begun.clear()
    service.runner.retry(job.id)
    wait_for(lambda: sorted(harness.play.begun) == ["b.jpg", "c.jpg"])
    job = wait_for_state(service, job, "done")
    assert states(service, job) == {"a.jpg": "done", "b.jpg": "done", "c.jpg": "failed"}
    check_nothing_lost(service, job)
    harness.play.mend("c.jpg")
    service.runner.retry(job.id)
    job = wait_for_state(service, job, "done")
    assert job.counts["done"] == 3
    report = json.loads((job.folder / "report.json").read_text(encoding="utf-8"))
    assert report["counts"]["failed"] == 0
    with pytest.raises(JobConflictError, match="No photo of “Summer 1931” has failed"):
        service.runner.retry(job.id)


def test_running_again_restores_the_same_photos_with_other_options(harness: JobsHarness, service):
    first = wait_for_state(service, start(service, ["t/a.jpg", "b.jpg"]), "done")
    options = RestoreOptions(strength=20)
    second = service.runner.run_again(first.id, options, key="click")
    assert service.runner.run_again(first.id, options, key="click").id == second.id
    second = wait_for_state(service, second, "done")
    assert (second.parent, second.options["strength"]) == (first.id, 20)
    assert second.folder != first.folder
    service.runner.delete(first.id)
    check_nothing_lost(service, second)
    third = service.runner.run_again(second.id, RestoreOptions(strength=10))
    check_nothing_lost(service, wait_for_state(service, third, "done"))


def test_deleting_removes_our_copies_and_results_and_nothing_else(harness: JobsHarness, service):
    job = wait_for_state(service, start(service, ["t/a.jpg", "u/b.jpg"]), "done")
    (job.folder / "t" / "my notes.txt").write_text("mine")
    service.runner.delete(job.id)
    assert files_in(job.folder) == {"t/my notes.txt"}
    assert files_in(harness.outputs / ".gpen-webui" / "uploads") == set()
    assert service.store.jobs() == []
    with pytest.raises(UnknownJobError):
        service.store.job(job.id)


def test_a_running_job_can_be_deleted(harness: JobsHarness, service):
    gate = harness.play.hold("a.jpg")
    job = start(service, ["a.jpg", "b.jpg"])
    gate.wait_until_reached()
    service.runner.delete(job.id)
    gate.open()
    wait_for(lambda: service.pool.status()["busy"] == 0)
    assert not job.folder.exists()
    assert service.store.jobs() == []
    check_nothing_lost(service, wait_for_state(service, start(service, ["c.jpg"]), "done"))


@pytest.mark.parametrize("ask", ["submit", "pause", "resume", "cancel", "retry", "delete"])
def test_there_is_nothing_to_ask_of_an_unknown_job(harness: JobsHarness, service, ask: str):
    with pytest.raises(UnknownJobError):
        getattr(service.runner, ask)("0123456789abcdef")


@pytest.mark.parametrize(
    ("state", "ask"),
    [
        ("collecting", "pause"),
        ("collecting", "resume"),
        ("collecting", "retry"),
        ("collecting", "run_again"),
        ("done", "pause"),
        ("done", "resume"),
        ("done", "cancel"),
        ("cancelled", "pause"),
        ("cancelled", "resume"),
        ("cancelled", "retry"),
    ],
)
def test_what_makes_no_sense_is_refused_with_words(
    harness: JobsHarness, service, state: str, ask: str
):
    job = collect(service, ["a.jpg"])
    if state == "done":
        service.runner.submit(job.id)
        wait_for_state(service, job, "done")
    elif state == "cancelled":
        service.runner.cancel(job.id)
    before = service.store.job(job.id)
    more = [RestoreOptions()] if ask == "run_again" else []
    with pytest.raises(JobConflictError, match="Summer 1931"):
        getattr(service.runner, ask)(job.id, *more)
    assert service.store.job(job.id) == before


# The model


def test_the_model_is_loaded_once_and_not_before_it_is_needed(harness: JobsHarness, service):
    assert service.pool.status()["state"] == "idle"
    assert harness.loaded == []
    for _ in range(3):
        wait_for_state(service, start(service, ["a.jpg", "b.jpg"]), "done")
    assert len(harness.loaded) == 1
    assert harness.play.restorers == set(harness.loaded)
    status = service.pool.status()
    assert (status["state"], status["model"], status["workers"]) == ("ready", "played", 2)


def test_the_model_can_be_loaded_before_the_first_photo(harness: JobsHarness, service):
    service.pool.warm_up()
    wait_for(lambda: service.pool.status()["state"] == "ready")
    assert len(harness.loaded) == 1


def test_a_replaced_model_is_used_from_the_next_photo_on(make_harness):
    harness = make_harness(workers=1)
    service = harness.open()
    gate = harness.play.hold("a.jpg")
    job = start(service, ["a.jpg", "b.jpg"])
    gate.wait_until_reached()
    service.pool.replace_restorer()
    assert not harness.loaded[0].closed
    gate.open()
    wait_for_state(service, job, "done")
    assert len(harness.loaded) == 2
    wait_for(lambda: harness.loaded[0].closed)
    assert not harness.loaded[1].closed


def test_how_far_a_long_stage_is_can_be_followed(harness, service, monkeypatch):
    monkeypatch.setattr("gpen_webui.jobs.runner.foreman.PROGRESS_SECONDS", 0)
    harness.play.percents = (20, 60)
    job = wait_for_state(service, start(service, ["a.jpg"]), "done")
    events = service.store.events(job.id, 0)
    told = [(event["stage"], event["percent"]) for event in events if event["type"] == "stage"]
    assert [step for step in told if step[0] == "network"] == [
        ("network", None),
        ("network", 20),
        ("network", 60),
    ]


def test_a_single_photo_with_another_strength_needs_no_network(harness: JobsHarness, service):
    first = wait_for_state(service, start(service, ["a.jpg"], kind="photo"), "done")
    assert harness.play.reused.pop() is None
    stronger = service.runner.run_again(first.id, RestoreOptions(strength=90))
    wait_for_state(service, stronger, "done")
    assert harness.play.reused.pop() is not None
    other_faces = service.runner.run_again(first.id, RestoreOptions(min_face=99))
    wait_for_state(service, other_faces, "done")
    assert harness.play.reused.pop() is None


def written(service: JobService, data: bytes) -> Path:
    """A complete upload."""
    upload = service.store.incoming()
    upload.write_bytes(data)
    return upload
