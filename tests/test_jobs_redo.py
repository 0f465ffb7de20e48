"""One photo of an album with settings of its own: the rest stays, and its result is never lost."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gpen_webui.jobs.html_report import is_html_report
from gpen_webui.jobs.records import Job, JobConflictError
from gpen_webui.jobs.runner import foreman, saving
from gpen_webui.jobs.service import JobService
from gpen_webui.jobs.store.commands import JobCommands
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.removal import Remover
from gpen_webui.options import RestoreOptions
from tests.jobs_kit import (
    REPORTS,
    Gate,
    JobsHarness,
    check_nothing_lost,
    collect,
    files_in,
    start,
    states,
    wait_for_state,
)
from tests.waiting import wait_for

pytest_plugins = ["tests.jobs_fixtures"]
STRONG = RestoreOptions(strength=100)
NAMES = ["t/a.jpg", "t/b.jpg"]


@pytest.fixture
def done(service: JobService) -> Job:
    return wait_for_state(service, start(service, NAMES), "done")


def text_of(folder: Path, name: str) -> str:
    return (folder / name).read_text().strip()


def hidden_files(harness: JobsHarness) -> set[str]:
    hidden = harness.outputs / ".gpen-webui"
    return {
        name for part in ("earlier", "staging", "thumbnails") for name in files_in(hidden / part)
    }


def reported(folder: Path) -> dict[str, dict]:
    report = json.loads((folder / "report.json").read_text())
    return {photo["name"]: photo for photo in report["photos"]}


def test_one_photo_gets_another_result_in_its_place_and_the_rest_stays(harness, service, done: Job):
    other = (done.folder / "t/a.jpg").stat()
    service.runner.redo(done.id, 1, STRONG)
    job = wait_for_state(service, done, "done")
    assert text_of(job.folder, "t/b.jpg") == "t/b.jpg restored at 100"
    assert (job.folder / "t/a.jpg").stat() == other
    assert files_in(job.folder) == {*NAMES, *REPORTS}
    assert {name: photo["options"]["strength"] for name, photo in reported(job.folder).items()} == {
        "t/a.jpg": 70,
        "t/b.jpg": 100,
    }
    assert "100" in (job.folder / "report.html").read_text().split("b.jpg</a>")[1]
    a, b = service.store.items(job.id)
    assert (a.attempt, b.attempt) == (1, 2)
    assert (a.options, b.options["strength"]) == (None, 100)
    assert hidden_files(harness) == set()


def test_another_format_replaces_the_file_of_the_earlier_one(service, done: Job):
    service.runner.redo(done.id, 0, RestoreOptions(format="png"))
    job = wait_for_state(service, done, "done")
    assert files_in(job.folder) == {"t/a.png", "t/b.jpg", *REPORTS}
    service.runner.delete(job.id)
    assert not job.folder.exists()


def test_a_result_that_somebody_has_changed_since_is_theirs(service, done: Job):
    (done.folder / "t/a.jpg").write_text("retouched by hand, for hours")
    service.runner.redo(done.id, 0, STRONG)
    job = wait_for_state(service, done, "done")
    assert text_of(job.folder, "t/a.jpg") == "retouched by hand, for hours"
    assert text_of(job.folder, "t/a (2).jpg") == "t/a.jpg restored at 100"


def test_settings_that_fail_leave_the_earlier_result_and_say_why(harness, service, done: Job):
    harness.play.fail("t/a.jpg")
    service.runner.redo(done.id, 0, STRONG)
    job = wait_for_state(service, done, "done")
    assert job.counts["done"] == 2
    item = service.store.item(job.id, 0)
    assert item.warnings[-2:] == [
        "The new settings could not be applied, so the earlier result was kept.",
        "t/a.jpg is no photo.",
    ]
    assert text_of(job.folder, "t/a.jpg") == "t/a.jpg restored at 70"
    assert reported(job.folder)["t/a.jpg"]["warnings"] == item.warnings
    assert item.options is None
    service.runner.redo(done.id, 0, STRONG)
    wait_for_state(service, done, "done")
    assert service.store.item(job.id, 0).warnings == item.warnings  # one reason, the latest


def test_while_it_is_restored_again_the_result_so_far_is_shown(harness, service, done: Job):
    gate = harness.play.hold("t/a.jpg")
    service.runner.redo(done.id, 0, STRONG)
    gate.wait_until_reached()
    assert service.store.job(done.id).state == "running"
    assert service.store.result(done.id, 0).read_text() == "t/a.jpg restored at 70"
    assert service.store.saved_files(done.id) == NAMES
    with pytest.raises(JobConflictError, match="just being restored"):
        service.runner.redo(done.id, 0, RestoreOptions())
    job = service.runner.cancel(done.id)
    assert states(service, job) == dict.fromkeys(NAMES, "done")
    assert job.state == "done"  # nothing was given up, so there is no rest to be restored
    assert json.loads((done.folder / "report.json").read_text())["state"] == "done"
    gate.open()
    wait_for(lambda: service.pool.status()["busy"] == 0)
    assert text_of(job.folder, "t/a.jpg") == "t/a.jpg restored at 70"
    assert hidden_files(harness) == set()


def test_a_cancelled_result_that_is_in_its_place_makes_room_for_the_earlier(
    harness, service, done: Job, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(foreman, "SAVING_PATIENCE", 0.1)
    gate = Gate()

    def replace(*arguments, replace=saving.replace):
        replace(*arguments)
        gate.pass_through()

    monkeypatch.setattr(saving, "replace", replace)
    service.runner.redo(done.id, 0, STRONG)
    gate.wait_until_reached()
    assert text_of(done.folder, "t/a.jpg") == "t/a.jpg restored at 100"
    service.runner.cancel(done.id)
    gate.open()
    wait_for(lambda: service.pool.status()["busy"] == 0)
    assert text_of(done.folder, "t/a.jpg") == "t/a.jpg restored at 70"
    assert service.store.item(done.id, 0).report["options"]["strength"] == 70
    assert hidden_files(harness) == set()


@pytest.mark.parametrize("point", ["placed", "recorded"])
def test_a_death_on_the_way_to_another_result_loses_neither(harness: JobsHarness, point: str):
    service = harness.open()
    job = wait_for_state(service, start(service, ["0.jpg", "1.jpg"]), "done")
    harness.close()
    files = StoreFiles(harness.outputs)
    with closing(Database(files.database)) as database:
        JobCommands(files, database, Remover(files, database)).redo(job.id, 1, STRONG)
    child = [sys.executable, "-m", "tests.jobs_child", str(harness.outputs), point, "1.jpg"]
    assert subprocess.run(child).returncode == -9
    assert text_of(job.folder, "1.jpg") == "1.jpg restored at 100"
    assert files_in(files.earlier)
    service = harness.open()
    job = wait_for_state(service, job, "done")
    assert text_of(job.folder, "1.jpg") == "1.jpg restored at 100"
    assert service.store.item(job.id, 1).report["options"]["strength"] == 100
    assert files_in(job.folder) == {"0.jpg", "1.jpg", *REPORTS}
    assert hidden_files(harness) == set()


def test_what_was_given_up_is_restored_when_asked_for(harness, service):
    gate = harness.play.hold("b.jpg")
    job = start(service, ["a.jpg", "b.jpg", "c.jpg"])
    gate.wait_until_reached()
    wait_for(lambda: states(service, job)["a.jpg"] == "done")
    service.runner.cancel(job.id)
    gate.open()
    wait_for(lambda: service.pool.status()["busy"] == 0)
    kept = service.store.item(job.id, 0)
    service.runner.restore_rest(job.id)
    job = wait_for_state(service, job, "done")
    assert job.counts["done"] == 3
    assert service.store.item(job.id, 0) == kept
    check_nothing_lost(service, job)
    with pytest.raises(JobConflictError, match="was given up"):
        service.runner.restore_rest(job.id)


def test_an_album_that_was_given_up_before_it_began_can_be_restored(service):
    job = collect(service, ["a.jpg", "b.jpg"])
    service.runner.cancel(job.id)
    service.runner.restore_rest(job.id)
    check_nothing_lost(service, wait_for_state(service, job, "done"))


def test_a_photo_that_was_taken_out_before_the_start_is_not_restored(harness, service):
    job = collect(service, ["a.jpg", "b.jpg", "c.jpg"])
    service.store.remove_item(job.id, 1)
    assert service.store.job(job.id).counts["total"] == 2
    assert files_in(harness.outputs / ".gpen-webui" / "uploads" / job.id) == {"0", "2"}
    service.runner.submit(job.id)
    job = wait_for_state(service, job, "done")
    assert [(item.n, item.name) for item in service.store.items(job.id)] == [
        (0, "a.jpg"),
        (1, "c.jpg"),
    ]
    assert text_of(job.folder, "c.jpg") == "c.jpg restored at 70"
    check_nothing_lost(service, job)
    with pytest.raises(JobConflictError, match="has been started"):
        service.store.remove_item(job.id, 0)


def test_the_report_for_people_takes_the_place_of_no_other_file(service):
    job = collect(service, ["a.jpg"])
    started = service.runner.pause(service.runner.submit(job.id).id)
    started.folder.mkdir(exist_ok=True)
    (started.folder / "report.html").write_text("my own notes")
    service.runner.resume(job.id)
    job = wait_for_state(service, job, "done")
    assert (job.folder / "report.html").read_text() == "my own notes"
    assert is_html_report(job.folder / "report (2).html")
    service.runner.delete(job.id)
    assert files_in(job.folder) == {"report.html"}
