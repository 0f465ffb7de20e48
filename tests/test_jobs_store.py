"""The job store: collecting photos, looking at jobs, and what can be wrong with its files."""

import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gpen_webui.jobs.records import (
    JobConflictError,
    StoreError,
    UnknownJobError,
)
from gpen_webui.jobs.service import JobService
from gpen_webui.jobs.store import database
from gpen_webui.jobs.store.jobs import NewPhoto
from gpen_webui.options import RestoreOptions
from tests.jobs_kit import (
    JobsHarness,
    check_nothing_lost,
    collect,
    files_in,
    staged_files,
    start,
    wait_for_state,
)
from tests.waiting import wait_for

pytest_plugins = ["tests.jobs_fixtures"]


def upload(service: JobService, data: bytes = b"photo") -> Path:
    path = service.store.incoming()
    path.write_bytes(data)
    return path


# Collecting


def test_repeated_clicks_make_one_job(service: JobService):
    def click(_: int) -> str:
        return service.store.create_job("album", "Click", RestoreOptions(), key="k1").id

    with ThreadPoolExecutor(8) as clicks:
        made = set(clicks.map(click, range(30)))
    assert len(made) == 1
    assert len(service.store.jobs()) == 1
    assert service.store.create_job("album", "Other", RestoreOptions(), key="k2").id not in made


def test_an_upload_that_is_sent_again_is_taken_once(harness: JobsHarness, service: JobService):
    job = service.store.create_job("album", "Again", RestoreOptions())
    first = service.store.add_item(job.id, "a.jpg", upload(service, b"1"), key="p1")
    again = service.store.add_item(job.id, "a.jpg", upload(service, b"1"), key="p1")
    other = service.store.add_item(job.id, "a.jpg", upload(service, b"1"), key="p2")
    assert (first.n, again.n, other.n) == (0, 0, 1)
    assert service.store.job(job.id).counts["total"] == 2
    assert files_in(harness.outputs / ".gpen-webui" / "incoming") == set()
    service.runner.submit(job.id)
    assert service.store.add_item(job.id, "a.jpg", upload(service, b"1"), key="p1").n == 0


def test_a_started_job_takes_no_further_photos(harness: JobsHarness, service: JobService):
    job = start(service, ["a.jpg"])
    with pytest.raises(JobConflictError, match="takes no further photos"):
        service.store.add_item(job.id, "b.jpg", upload(service))
    assert files_in(harness.outputs / ".gpen-webui" / "incoming") == set()


def test_photos_uploaded_at_once_get_numbers_without_gaps(service: JobService):
    job = service.store.create_job("album", "Many", RestoreOptions())

    def add(n: int) -> int:
        return service.store.add_item(job.id, f"{n}.jpg", upload(service, b"%d" % n)).n

    with ThreadPoolExecutor(8) as uploads:
        numbers = list(uploads.map(add, range(60)))
    assert sorted(numbers) == list(range(60))
    for item in service.store.items(job.id):
        assert service.store.original(job.id, item.n).read_bytes() + b".jpg" == item.name.encode()
    assert [event["seq"] for event in service.events.replay(job.id)] == list(range(1, 62))


def test_any_text_can_be_a_name(service: JobService):
    names = ["a\nb.jpg", "\x00.jpg", "\udcff.jpg", "x" * 5000, "", "<script>.jpg", "👩‍👧.jpg"]
    job = wait_for_state(service, start(service, names), "done")
    assert job.counts["done"] == len(names)
    check_nothing_lost(service, job)


def test_photos_by_path_are_added_without_being_read(service, tmp_path: Path):
    """One that cannot be read fails alone when its turn comes."""
    (tmp_path / "there.jpg").write_bytes(b"there")
    photos = [NewPhoto(tmp_path / name, name) for name in ("gone.jpg", "there.jpg")]
    job = service.store.create_job("album", "Paths", RestoreOptions())
    assert service.store.add_originals(job.id, photos) == [0, 1]
    items = service.store.items(job.id)
    assert [(item.size, item.sha256) for item in items] == [(0, ""), (5, "")]


# Looking


def test_jobs_are_listed_newest_first_in_pages(service: JobService):
    made = [collect(service, [f"{n}.jpg"]).id for n in range(5)]
    newest = service.store.jobs(limit=2)
    older = service.store.jobs(limit=9, before=newest[-1].id)
    assert [job.id for job in newest + older] == made[::-1]


def test_items_are_listed_in_order_in_pages(service: JobService):
    job = collect(service, [f"{n}.jpg" for n in range(5)])
    first = service.store.items(job.id, limit=2)
    rest = service.store.items(job.id, after=first[-1].n)
    assert [item.name for item in first + rest] == [f"{n}.jpg" for n in range(5)]


def test_disk_use_is_what_deleting_frees(harness: JobsHarness, service: JobService):
    jobs = [wait_for_state(service, start(service, ["a.jpg", "b.jpg"]), "done") for _ in range(2)]
    uploads = harness.outputs / ".gpen-webui" / "uploads"
    on_disk = [
        sum(p.stat().st_size for d in (uploads / job.id, job.folder) for p in d.glob("*.jpg"))
        + sum(p.stat().st_size for p in (uploads / job.id).iterdir())
        for job in jobs
    ]
    assert [service.store.job(job.id).bytes for job in jobs] == on_disk
    assert service.store.bytes_used() == sum(on_disk)
    service.runner.delete(jobs[0].id)
    assert service.store.bytes_used() == on_disk[1]


@pytest.mark.parametrize("n", [-1, 1, 2**40])
def test_there_is_nothing_to_see_of_unknown_photos_and_jobs(service: JobService, n: int):
    job = collect(service, ["a.jpg"])
    for look in (service.store.item, service.store.original, service.store.result):
        with pytest.raises(UnknownJobError):
            look(job.id, n)
        with pytest.raises(UnknownJobError):
            look("../../etc", 0)
    with pytest.raises(UnknownJobError):
        service.store.items("0" * 16)


def test_a_photo_has_no_result_before_it_is_restored(harness: JobsHarness, service: JobService):
    gate = harness.play.hold("a.jpg")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    assert service.store.result(job.id, 0) is None
    gate.open()
    wait_for_state(service, job, "done")
    assert service.store.result(job.id, 0).read_bytes().startswith(b"a.jpg restored")


# The files


def test_a_second_server_for_the_same_folder_is_refused_with_words(
    harness: JobsHarness, project: Path
):
    harness.open()
    code = (
        "import sys; from pathlib import Path; from gpen_webui.jobs.service import open_jobs\n"
        "from gpen_webui.settings import Settings; from gpen_webui.errors import UserError\n"
        "try: open_jobs(Settings(outputs=Path(sys.argv[1])))\n"
        "except UserError as error: print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", code, str(harness.outputs)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("OutputsInUseError Another GPEN WebUI (process ")
    assert str(harness.outputs) in done.stdout
    assert "--outputs" in done.stdout


def test_a_closed_folder_can_be_opened_again(harness: JobsHarness):
    job = collect(harness.open(), ["a.jpg"])
    harness.close()
    assert harness.open().store.job(job.id).counts["total"] == 1


def test_what_a_dead_process_left_half_done_is_removed(harness: JobsHarness):
    service = harness.open()
    job = collect(service, ["a.jpg"])
    harness.close()
    hidden = harness.outputs / ".gpen-webui"
    for leftover in ("incoming/x", f"incoming/{job.id}/1", "staging/.y.part"):
        path = hidden / leftover
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    service = harness.open()
    assert staged_files(harness.outputs) == set()
    assert files_in(hidden / "uploads") == {f"{job.id}/0"}
    assert [found.id for found in service.store.jobs()] == [job.id]


def test_a_locked_store_is_told_in_words_and_work_goes_on_when_it_is_free(harness, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr("gpen_webui.jobs.runner.foreman.RETRY_SECONDS", 0.05)
    service = harness.open()
    gate = harness.play.hold("0.jpg", "adjust")
    job = start(service, [f"{n}.jpg" for n in range(4)])
    gate.wait_until_reached()
    other = sqlite3.connect(harness.outputs / ".gpen-webui" / "jobs.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another program"):
        service.runner.pause(job.id)
    gate.open()
    wait_for(lambda: "locked" in service.pool.status()["message"])
    assert service.pool.status()["state"] == "failed"
    assert service.store.job(job.id).state == "running"  # looking is always possible
    other.execute("ROLLBACK")
    other.close()
    check_nothing_lost(service, wait_for_state(service, job, "done"))
    wait_for(lambda: service.pool.status()["state"] == "ready")


def test_a_removed_store_is_told_in_words_and_nothing_is_reported_as_done(harness: JobsHarness):
    service = harness.open()
    gate = harness.play.hold("a.jpg")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    away = harness.outputs.with_name("away")
    shutil.move(harness.outputs, away)
    gate.open()
    wait_for(lambda: "was removed" in service.pool.status()["message"])
    with pytest.raises(StoreError, match="was removed while the server was running"):
        service.store.create_job("album", "x", RestoreOptions())
    harness.close()
    shutil.rmtree(harness.outputs, ignore_errors=True)
    shutil.move(away, harness.outputs)
    service = harness.open()
    check_nothing_lost(service, wait_for_state(service, job, "done"))


def test_a_store_that_is_removed_while_nothing_is_done_is_told_until_it_is_back(
    harness: JobsHarness,
):
    service = harness.open()
    wait_for_state(service, start(service, ["a.jpg"]), "done")
    store = harness.outputs / ".gpen-webui" / "jobs.sqlite"
    away = store.rename(store.with_name("away"))
    assert service.pool.status()["state"] == "failed"
    assert "was removed" in service.pool.status()["message"]
    away.rename(store)
    assert service.pool.status()["state"] == "ready"


def test_a_store_of_a_newer_version_is_left_alone(harness: JobsHarness):
    harness.open()
    harness.close()
    database = sqlite3.connect(harness.outputs / ".gpen-webui" / "jobs.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="made by a newer GPEN WebUI"):
        harness.open()


def test_a_folder_that_cannot_be_made_is_told_in_words(tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be written"):
        JobsHarness(tmp_path / "file" / "outputs").open()
