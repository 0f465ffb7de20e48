"""What any runner of jobs must do: the promises of gpen_webui/jobs/interface.py.

A new runner is added to RUNNERS: something that is called like JobService and has its
attributes. The store is the real one; only the pixels are played.
"""

import hashlib
import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gpen_webui.errors import UserError
from gpen_webui.jobs.records import JobConflictError, UnknownJobError
from gpen_webui.jobs.service import JobService
from gpen_webui.options import RestoreOptions
from tests.jobs_kit import (
    STAGES,
    Bench,
    check_nothing_lost,
    collect,
    content,
    files_in,
    staged_files,
    start,
    states,
    wait_for,
    wait_for_state,
)

RUNNERS = {"threads": JobService}


@pytest.fixture(params=RUNNERS)
def make_bench(request: pytest.FixtureRequest, tmp_path: Path):
    benches: list[Bench] = []

    def make(**settings: object) -> Bench:
        make_service = RUNNERS[request.param]
        benches.append(Bench(tmp_path / "outputs", make_service=make_service, **settings))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


@pytest.fixture
def service(bench: Bench):
    return bench.open()


# Carrying out


def test_every_photo_of_an_album_ends_once_and_has_its_result(bench: Bench, service):
    bench.play.fail("torn.jpg")
    names = [f"{n}.jpg" for n in range(20)] + ["torn.jpg", "landscape.jpg"]
    job = start(service, names)
    job = wait_for_state(service, job, "done")
    assert job.counts == {
        "total": 22, "waiting": 0, "running": 0, "done": 20, "no_face": 1, "failed": 1,
        "cancelled": 0,
    }  # fmt: skip
    assert sorted(bench.play.begun) == sorted(names)
    check_nothing_lost(service, job)


def test_a_failure_is_told_in_words_with_its_stage_and_does_not_end_the_album(bench, service):
    bench.play.fail("torn.jpg", stage="open")
    bench.play.fail("odd.jpg", RuntimeError("index 3 out of range"), stage="blend")
    job = wait_for_state(service, start(service, ["torn.jpg", "odd.jpg", "good.jpg"]), "done")
    torn, odd, _ = service.store.items(job.id)
    assert torn.error == {"stage": "open", "message": "torn.jpg is no photo."}
    assert odd.error["stage"] == "blend"
    assert "odd.jpg" in odd.error["message"]
    assert "index 3" not in odd.error["message"]
    assert states(service, job)["good.jpg"] == "done"


def test_an_album_of_which_nothing_could_be_restored_is_done_and_has_its_report(bench, service):
    bench.play.fail("a.jpg")
    job = wait_for_state(service, start(service, ["a.jpg"]), "done")
    check_nothing_lost(service, job)
    assert files_in(job.folder) == {"report.json"}


def test_names_and_tree_are_kept_and_no_two_results_meet(bench: Bench, service):
    names = ["1931/Köln/a.jpg", "1931/a.jpg", "A.jpg", "a.jpg", "../../b.jpg", "report.json"]
    job = wait_for_state(service, start(service, names), "done")
    assert files_in(job.folder) == {
        "1931/Köln/a.jpg", "1931/a.jpg", "A.jpg", "a (2).jpg", "b.jpg", "report (2).json",
        "report.json",
    }  # fmt: skip
    check_nothing_lost(service, job)
    assert job.folder.parent == bench.outputs


def test_the_report_tells_every_photo_in_order(bench: Bench, service):
    bench.play.fail("b.jpg")
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


def test_originals_named_by_path_are_never_touched(bench: Bench, service, tmp_path: Path):
    photo = tmp_path / "only scan.jpg"
    photo.write_bytes(content("grandmother"))
    before = (photo.stat().st_mtime_ns, hashlib.sha256(photo.read_bytes()).digest())
    job = service.store.create_job("album", "Grandmother", RestoreOptions())
    service.store.add_original(job.id, photo.name, photo)
    service.runner.submit(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))
    service.runner.delete(job.id)
    assert (photo.stat().st_mtime_ns, hashlib.sha256(photo.read_bytes()).digest()) == before


def test_a_job_is_started_once_however_often_it_is_submitted(bench: Bench, service):
    gate = bench.play.hold("a.jpg")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    again = service.runner.submit(job.id)
    assert (again.state, again.folder) == ("running", job.folder)
    gate.open()
    job = wait_for_state(service, job, "done")
    assert service.runner.submit(job.id) == job
    assert bench.play.begun == ["a.jpg"]


def test_a_job_without_photos_cannot_be_started(bench: Bench, service):
    job = service.store.create_job("album", "Empty", RestoreOptions())
    with pytest.raises(JobConflictError, match="no photos yet"):
        service.runner.submit(job.id)


# Turns


def test_a_single_photo_goes_before_albums_and_albums_take_turns(make_bench):
    bench = make_bench(workers=1)
    service = bench.open()
    gate = bench.play.hold("first.jpg")
    albums = [start(service, ["first.jpg"])]
    gate.wait_until_reached()
    albums.append(start(service, ["a1.jpg", "a2.jpg", "a3.jpg"]))
    albums.append(start(service, ["b1.jpg", "b2.jpg", "b3.jpg"]))
    albums.append(start(service, ["single.jpg"], kind="photo"))
    gate.open()
    for job in albums:
        wait_for_state(service, job, "done")
    assert bench.play.begun == [
        "first.jpg", "single.jpg", "a1.jpg", "b1.jpg", "a2.jpg", "b2.jpg", "a3.jpg", "b3.jpg",
    ]  # fmt: skip


# What users ask for


def test_a_paused_job_finishes_what_is_in_hand_and_begins_nothing_until_resumed(bench, service):
    gates = [bench.play.hold(f"{n}.jpg") for n in range(2)]
    job = start(service, [f"{n}.jpg" for n in range(6)])
    for gate in gates:
        gate.wait_until_reached()
    assert service.runner.pause(job.id).state == "paused"
    for gate in gates:
        gate.open()
    job = wait_for_state(service, job, "paused")
    assert (job.counts["done"], job.counts["waiting"]) == (2, 4)
    assert len(bench.play.begun) == 2
    assert job.eta_seconds is None
    assert service.runner.pause(job.id).state == "paused"
    service.runner.resume(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))
    assert len(bench.play.begun) == 6


def test_a_job_whose_last_photo_ends_while_it_is_paused_is_done(bench: Bench, service):
    gate = bench.play.hold("a.jpg")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    service.runner.pause(job.id)
    gate.open()
    check_nothing_lost(service, wait_for_state(service, job, "done"))


@pytest.mark.parametrize("stage", STAGES)
def test_cancelling_stops_the_photo_in_hand_and_keeps_what_is_done(bench, service, stage: str):
    gate = bench.play.hold("2.jpg", stage)
    job = start(service, ["1.jpg", "2.jpg", "3.jpg", "4.jpg"])
    gate.wait_until_reached()
    wait_for(lambda: states(service, job)["1.jpg"] == "done")
    job = service.runner.cancel(job.id)
    gate.open()
    assert job.state == "cancelled"
    assert states(service, job)["2.jpg"] == "cancelled"
    assert states(service, job)["1.jpg"] == "done"
    wait_for(lambda: service.runner.status()["busy"] == 0)
    assert [entered for name, entered in bench.play.entered if name == "2.jpg"][-1] == stage
    check_nothing_lost(service, job)
    assert service.runner.cancel(job.id).seq == job.seq


def test_a_job_cancelled_before_it_began_leaves_no_folder(bench: Bench, service):
    gate = bench.play.hold("busy.jpg")
    busy = [start(service, ["busy.jpg"]), start(service, ["busy.jpg"])]
    gate.wait_until_reached()
    wait_for(lambda: service.runner.status()["busy"] == 2)
    job = service.runner.cancel(start(service, ["a.jpg"]).id)
    gate.open()
    assert states(service, job) == {"a.jpg": "cancelled"}
    assert not job.folder.exists()
    for other in busy:
        wait_for_state(service, other, "done")


def test_a_job_can_be_cancelled_while_it_is_collected(bench: Bench, service):
    job = service.runner.cancel(collect(service, ["a.jpg"]).id)
    assert (job.state, states(service, job)) == ("cancelled", {"a.jpg": "cancelled"})
    with pytest.raises(JobConflictError):
        service.store.add_item(job.id, "b.jpg", written(service, b"b"))


def test_retry_does_the_failed_photos_again_and_only_them(bench: Bench, service):
    for name in ("b.jpg", "c.jpg"):
        bench.play.fail(name)
    job = wait_for_state(service, start(service, ["a.jpg", "b.jpg", "c.jpg"]), "done")
    bench.play.mend("b.jpg")
    bench.play.begun.clear()
    service.runner.retry(job.id)
    wait_for(lambda: sorted(bench.play.begun) == ["b.jpg", "c.jpg"])
    job = wait_for_state(service, job, "done")
    assert states(service, job) == {"a.jpg": "done", "b.jpg": "done", "c.jpg": "failed"}
    check_nothing_lost(service, job)
    bench.play.mend("c.jpg")
    service.runner.retry(job.id)
    job = wait_for_state(service, job, "done")
    assert job.counts["done"] == 3
    report = json.loads((job.folder / "report.json").read_text(encoding="utf-8"))
    assert report["counts"]["failed"] == 0
    with pytest.raises(JobConflictError, match="No photo of “Summer 1931” has failed"):
        service.runner.retry(job.id)


def test_running_again_restores_the_same_photos_with_other_options(bench: Bench, service):
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


def test_deleting_removes_our_copies_and_results_and_nothing_else(bench: Bench, service):
    job = wait_for_state(service, start(service, ["t/a.jpg", "u/b.jpg"]), "done")
    (job.folder / "t" / "my notes.txt").write_text("mine")
    service.runner.delete(job.id)
    assert files_in(job.folder) == {"t/my notes.txt"}
    assert files_in(bench.outputs / ".gpen-webui" / "uploads") == set()
    assert service.store.jobs() == []
    with pytest.raises(UnknownJobError):
        service.store.job(job.id)


def test_a_running_job_can_be_deleted(bench: Bench, service):
    gate = bench.play.hold("a.jpg")
    job = start(service, ["a.jpg", "b.jpg"])
    gate.wait_until_reached()
    service.runner.delete(job.id)
    gate.open()
    wait_for(lambda: service.runner.status()["busy"] == 0)
    assert not job.folder.exists()
    assert service.store.jobs() == []
    check_nothing_lost(service, wait_for_state(service, start(service, ["c.jpg"]), "done"))


@pytest.mark.parametrize("ask", ["submit", "pause", "resume", "cancel", "retry", "delete"])
def test_there_is_nothing_to_ask_of_an_unknown_job(bench: Bench, service, ask: str):
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
def test_what_makes_no_sense_is_refused_with_words(bench: Bench, service, state: str, ask: str):
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


# What can go wrong


@pytest.mark.parametrize("point", ["claimed", *STAGES, "placed", "recorded", "reported"])
def test_a_death_at_any_point_loses_nothing_and_does_nothing_twice(bench: Bench, point: str):
    killed(bench.outputs, point, "2.jpg")
    had_results = done_in(bench.outputs)
    service = bench.open()
    [job] = service.store.jobs()
    job = wait_for_state(service, job, "done")
    assert job.counts["done"] == 5
    assert not had_results & set(bench.play.begun)
    check_nothing_lost(service, job)


def test_photos_in_hand_at_a_death_come_last_and_one_by_one(bench: Bench):
    killed(bench.outputs, "network", "1.jpg")
    gate = bench.play.hold("1.jpg")
    service = bench.open()
    [job] = service.store.jobs()
    other = start(service, ["other.jpg"])
    gate.wait_until_reached()
    late = start(service, ["late.jpg"], kind="photo")
    time.sleep(0.2)
    assert states(service, late) == {"late.jpg": "waiting"}
    gate.open()
    for some in (job, other, late):
        wait_for_state(service, some, "done")
    suspects = {item.name for item in service.store.items(job.id) if item.attempt == 2}
    assert "1.jpg" in suspects
    stages = [name for name, _ in bench.play.entered if name not in ("other.jpg", "late.jpg")]
    at_the_end = stages[-len(suspects) * len(STAGES) :]
    assert [at_the_end[i] for i in range(0, len(at_the_end), len(STAGES))] == sorted(suspects)
    assert at_the_end == sorted(at_the_end)


def test_a_photo_that_crashes_three_times_is_left_out_and_the_album_goes_on(bench: Bench):
    for _ in range(3):
        killed(bench.outputs, "network", "2.jpg")
    service = bench.open()
    [job] = service.store.jobs()
    job = wait_for_state(service, job, "done")
    assert (job.counts["done"], job.counts["failed"]) == (4, 1)
    [item] = [item for item in service.store.items(job.id) if item.state == "failed"]
    assert item.name == "2.jpg"
    assert "crashed the restorer 3 times" in item.error["message"]
    assert item.error["stage"] == "network"
    check_nothing_lost(service, job)
    service.runner.retry(job.id)
    assert wait_for_state(service, job, "done").counts["done"] == 5


def test_a_stopped_server_goes_on_where_it_was(bench: Bench, make_bench):
    service = bench.open()
    gate = bench.play.hold("1.jpg", "network")
    job = start(service, [f"{n}.jpg" for n in range(4)])
    gate.wait_until_reached()
    bench.close()
    other = make_bench()
    service = other.open()
    job = wait_for_state(service, job, "done")
    assert [item.attempt for item in service.store.items(job.id)].count(2) <= 2
    check_nothing_lost(service, job)


def test_a_photo_that_takes_too_long_fails_and_takes_no_worker_with_it(make_bench):
    bench = make_bench(workers=1, max_photo_seconds=0.5)
    service = bench.open()
    gate = bench.play.hold("endless.jpg", "network")
    job = start(service, ["endless.jpg", "a.jpg", "b.jpg"])
    job = wait_for_state(service, job, "done")
    assert states(service, job) == {"endless.jpg": "failed", "a.jpg": "done", "b.jpg": "done"}
    error = service.store.item(job.id, 0).error
    assert error["stage"] == "network"
    assert "took longer than 0.5 seconds while restoring the faces" in error["message"]
    assert service.runner.status()["stuck"] == 1
    gate.open()
    wait_for(lambda: service.runner.status()["stuck"] == 0)
    assert service.runner.status()["workers"] == 1
    check_nothing_lost(service, job)


def test_a_cancelled_photo_that_hangs_takes_no_worker_with_it_either(make_bench):
    bench = make_bench(workers=1, max_photo_seconds=0.5)
    service = bench.open()
    gate = bench.play.hold("endless.jpg", "network")
    job = start(service, ["endless.jpg"])
    gate.wait_until_reached()
    service.runner.cancel(job.id)
    other = wait_for_state(service, start(service, ["a.jpg"]), "done")
    check_nothing_lost(service, other)
    assert states(service, job) == {"endless.jpg": "cancelled"}


def test_a_full_disk_pauses_the_job_with_the_reason_and_resuming_completes_it(bench, service):
    bench.play.result_bytes = 3_000_000
    job = collect(service, [f"{n}.jpg" for n in range(5)])
    with no_file_larger_than(2_000_000):
        service.runner.submit(job.id)
        job = wait_for_state(service, job, "paused")
    assert "cannot be written" in job.reason
    assert "resume" in job.reason
    assert job.counts["done"] + job.counts["no_face"] + job.counts["failed"] == 0
    assert files_in(job.folder) == set()
    assert staged_files(bench.outputs) == set()
    service.runner.resume(job.id)
    job = wait_for_state(service, job, "done")
    assert (job.reason, job.counts["done"]) == (None, 5)
    check_nothing_lost(service, job)


def test_a_report_that_cannot_be_written_pauses_the_job_until_it_can(bench: Bench, service):
    gate = bench.play.hold("a.jpg", "save")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    (job.folder / "report.json").mkdir(parents=True)
    gate.open()
    job = wait_for_state(service, job, "paused")
    assert job.counts["done"] == 1
    assert str(job.folder) in job.reason
    (job.folder / "report.json").rmdir()
    service.runner.resume(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))


def test_results_that_vanished_are_restored_again_on_resume(bench: Bench, service):
    gate = bench.play.hold("2.jpg", "save")
    job = start(service, ["t/1.jpg", "2.jpg", "3.jpg"])
    gate.wait_until_reached()
    wait_for(lambda: states(service, job)["3.jpg"] == "done")
    for path in job.folder.rglob("*.jpg"):
        path.unlink()
    (job.folder / "t").rmdir()
    job.folder.rmdir()
    gate.open()
    job = wait_for_state(service, job, "paused")
    assert "was removed" in job.reason
    assert not job.folder.exists()
    service.runner.resume(job.id)
    job = wait_for_state(service, job, "done")
    assert job.counts["done"] == 3
    assert files_in(job.folder) == {"t/1.jpg", "2.jpg", "3.jpg", "report.json"}
    seqs = [event["seq"] for event in service.events.replay(job.id)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_file_of_the_user_in_the_results_folder_is_never_overwritten(bench: Bench, service):
    gate = bench.play.hold("a.jpg", "network")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    job.folder.mkdir()
    (job.folder / "a.jpg").write_text("mine")
    gate.open()
    wait_for_state(service, job, "done")
    assert (job.folder / "a.jpg").read_text() == "mine"
    assert service.store.item(job.id, 0).result == "a (2).jpg"
    service.runner.delete(job.id)
    assert files_in(job.folder) == {"a.jpg"}


def test_a_model_that_cannot_be_loaded_pauses_the_job_with_the_reason(bench: Bench, service):
    bench.load_error = UserError("There is no model “x”; choose another.")
    job = wait_for_state(service, start(service, ["a.jpg"]), "paused")
    assert job.reason == "There is no model “x”; choose another."
    assert service.runner.status()["state"] == "failed"
    assert service.runner.status()["message"] == job.reason
    bench.load_error = None
    service.runner.resume(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))
    assert service.runner.status()["state"] == "ready"


# The model


def test_the_model_is_loaded_once_and_not_before_it_is_needed(bench: Bench, service):
    assert service.runner.status()["state"] == "idle"
    assert bench.loaded == []
    for _ in range(3):
        wait_for_state(service, start(service, ["a.jpg", "b.jpg"]), "done")
    assert len(bench.loaded) == 1
    assert bench.play.restorers == set(bench.loaded)
    status = service.runner.status()
    assert (status["state"], status["model"], status["workers"]) == ("ready", "played", 2)


def test_the_model_can_be_loaded_before_the_first_photo(bench: Bench, service):
    service.runner.warm_up()
    wait_for(lambda: service.runner.status()["state"] == "ready")
    assert len(bench.loaded) == 1


def test_a_replaced_model_is_used_from_the_next_photo_on(make_bench):
    bench = make_bench(workers=1)
    service = bench.open()
    gate = bench.play.hold("a.jpg")
    job = start(service, ["a.jpg", "b.jpg"])
    gate.wait_until_reached()
    service.runner.replace_restorer()
    assert not bench.loaded[0].closed
    gate.open()
    wait_for_state(service, job, "done")
    assert len(bench.loaded) == 2
    wait_for(lambda: bench.loaded[0].closed)
    assert not bench.loaded[1].closed


def test_a_single_photo_with_another_strength_needs_no_network(bench: Bench, service):
    first = wait_for_state(service, start(service, ["a.jpg"], kind="photo"), "done")
    assert bench.play.reused.pop() is None
    stronger = service.runner.run_again(first.id, RestoreOptions(strength=90))
    wait_for_state(service, stronger, "done")
    assert bench.play.reused.pop() is not None
    other_faces = service.runner.run_again(first.id, RestoreOptions(min_face=99))
    wait_for_state(service, other_faces, "done")
    assert bench.play.reused.pop() is None


# Helpers


def killed(outputs: Path, point: str, name: str) -> None:
    """Work on the album 0.jpg ... 4.jpg in a process of its own until it is killed."""
    command = [sys.executable, "-m", "tests.jobs_child", str(outputs), point, name]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == -9, done.stderr


def done_in(outputs: Path) -> set[str]:
    """The photos that the store of a dead process calls done."""
    with closing(sqlite3.connect(outputs / ".gpen-webui" / "jobs.sqlite")) as store:
        return {row[0] for row in store.execute("SELECT name FROM items WHERE state = 'done'")}


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses to write more than this into any file, as a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def written(service: JobService, data: bytes) -> Path:
    """A complete upload."""
    upload = service.store.incoming()
    upload.write_bytes(data)
    return upload
