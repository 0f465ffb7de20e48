"""Albums of many photos: the work for each photo does not grow with them, nobody is held up."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import pytest

from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.service import JobService
from gpen_webui.jobs.store import removal
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.jobs import NewPhoto
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import ItemReport, RestoredFile
from tests.jobs_kit import STAGES, JobsHarness, collect, files_in, start, wait_for_state
from tests.waiting import wait_for

pytest_plugins = ["tests.jobs_fixtures"]


def uploads(service: JobService, names: list[str]) -> list[NewPhoto]:
    photos = []
    for name in names:
        path = service.store.incoming()
        path.write_bytes(name.encode())
        photos.append(NewPhoto(path, name))
    return photos


def album_of_paths(service: JobService, path: Path, names: list[str]) -> str:
    """An album of the same photo under these names."""
    job = service.store.create_job("album", "Large", RestoreOptions())
    service.store.add_originals(job.id, [NewPhoto(path, name) for name in names])
    return job.id


@pytest.fixture
def steps_of(monkeypatch) -> Callable[[Callable[[], object]], int]:
    """How many steps SQLite's machine takes for what is done, in all connections."""
    count = [0]

    def tick() -> int:
        count[0] += 1
        return 0

    class Counted(sqlite3.Connection):
        def __init__(self, *arguments, **more):
            super().__init__(*arguments, **more)
            self.set_progress_handler(tick, 10)

    def connect(*arguments, **more) -> sqlite3.Connection:
        return Counted(*arguments, **more)

    def counted(do: Callable[[], object]) -> int:
        before = count[0]
        do()
        return 10 * (count[0] - before)

    monkeypatch.setattr(sqlite3, "connect", connect)
    return counted


@pytest.fixture
def worked_by_hand(steps_of, harness: JobsHarness) -> Iterator[JobService]:
    """Nobody restores but the test: the model of the others is never loaded."""
    ended, load = Event(), harness.load

    def wait_and_load():
        ended.wait()
        return load()

    harness.load = wait_and_load
    yield harness.open()
    ended.set()


def restore_one(service: JobService, suffix: str = ".jpg") -> None:
    """What a worker asks and tells of one photo, from its claim to its result."""
    foreman = service.runner
    task = foreman.claim()
    for stage in STAGES:
        foreman.enter(task, stage)
    report = ItemReport(
        name=task.claim.name,
        state="done",
        options=task.claim.options.as_dict(),
        model="played",
        model_sha256="0" * 64,
        seconds=dict.fromkeys(STAGES, 0.1),
    )
    foreman.save(task, RestoredFile(b"result", suffix, report, None, None))
    foreman.finish(task, report)
    foreman.let_go(task)


@contextmanager
def store_of(service: JobService) -> Iterator[sqlite3.Connection]:
    """The store as another program sees it, which does not wait for locks."""
    path = service.settings.outputs / ".gpen-webui" / "jobs.sqlite"
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        yield connection


def test_many_uploads_are_taken_at_once_and_in_order(harness: JobsHarness, service: JobService):
    job = service.store.create_job("album", "Large", RestoreOptions())
    names = [f"{n}.jpg" for n in range(1234)]
    assert service.store.add_items(job.id, uploads(service, names)) == list(range(1234))
    assert [item.name for item in service.store.items(job.id)] == names
    for n in (0, 499, 500, 1233):
        assert service.store.original(job.id, n).read_text() == f"{n}.jpg"
    assert service.store.job(job.id).counts["waiting"] == 1234
    assert len(service.events.replay(job.id)) == 1235
    assert files_in(harness.outputs / ".gpen-webui" / "incoming") == set()


def test_of_many_uploads_those_with_a_known_key_are_taken_once(service: JobService):
    job = service.store.create_job("album", "Again", RestoreOptions())
    photos = [
        NewPhoto(photo.path, photo.name, photo.name) for photo in uploads(service, ["a", "b"])
    ]
    assert service.store.add_items(job.id, photos) == [0, 1]
    again = [
        NewPhoto(photo.path, photo.name, photo.name)
        for photo in uploads(service, ["b", "c", "c", "a"])
    ]
    assert service.store.add_items(job.id, again) == [1, 2, 2, 0]
    assert service.store.job(job.id).counts["total"] == 3
    assert service.store.original(job.id, 2).read_text() == "c"


def test_adding_photos_takes_no_more_work_in_a_large_album(steps_of, service: JobService):
    job = service.store.create_job("album", "Large", RestoreOptions())

    def add() -> None:
        service.store.add_items(job.id, uploads(service, [f"{n}.jpg" for n in range(100)]))

    first = steps_of(add)
    for _ in range(20):
        add()
    assert steps_of(add) < 2 * first


def test_restoring_a_photo_takes_no_more_work_in_a_large_album(tmp_path, steps_of, worked_by_hand):
    service = worked_by_hand
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")
    small = album_of_paths(service, photo, [f"{n}.jpg" for n in range(20)])
    service.runner.submit(small)
    restore_one(service)
    few = steps_of(lambda: restore_one(service))
    service.runner.pause(small)
    large = album_of_paths(service, photo, [f"{n}.jpg" for n in range(20_000)])
    service.runner.submit(large)
    restore_one(service)
    assert steps_of(lambda: restore_one(service)) < 2 * few


def test_4_000_photos_of_one_name_are_named_without_comparing_them_all(
    tmp_path, steps_of, worked_by_hand
):
    service = worked_by_hand
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")
    job = album_of_paths(service, photo, ["image.bmp"] * 4000)
    service.runner.submit(job)
    steps = steps_of(lambda: [restore_one(service, ".png") for _ in range(20)])
    assert steps < 20 * 20_000
    results = [item.result for item in service.store.items(job, limit=20)]
    assert results == ["image.png", *(f"image ({n}).png" for n in range(2, 21))]


def test_the_events_of_a_photo_take_little_room(service: JobService):
    job = wait_for_state(service, start(service, [f"{n}.jpg" for n in range(50)]), "done")
    assert len(service.events.replay(job.id)) > 50 * 10
    with store_of(service) as connection:
        query = "SELECT sum(length(counts) + length(ifnull(detail, '')) + 30) FROM events"
        assert connection.execute(query).fetchone()[0] < 50 * 1000


def test_the_counters_are_what_counting_gives(harness: JobsHarness, service: JobService):
    harness.play.fail("1.jpg")
    done = wait_for_state(service, start(service, ["1.jpg", "landscape.jpg", "3.jpg"]), "done")
    gate = harness.play.hold("5.jpg")
    cancelled = start(service, ["4.jpg", "5.jpg", "6.jpg"])
    gate.wait_until_reached()
    service.runner.cancel(cancelled.id)
    gate.open()
    harness.play.mend("1.jpg")
    service.runner.retry(done.id)
    wait_for_state(service, done, "done")
    service.runner.run_again(done.id, RestoreOptions(strength=1))
    collect(service, ["7.jpg"])
    for job in service.store.jobs():
        if job.state != "collecting":
            wait_for_state(service, job, "done", "cancelled")
    for job in service.store.jobs():
        items = service.store.items(job.id)
        for state, count in job.counts.items():
            expected = len(items) if state == "total" else sum(i.state == state for i in items)
            assert count == expected, (job.name, state)
        assert service.events.replay(job.id)[-1]["counts"] == job.counts


# Deleting


def test_a_large_album_is_removed_in_slices_between_which_others_go_on(
    harness: JobsHarness, service: JobService, monkeypatch
):
    monkeypatch.setattr(removal, "ITEMS_AT_ONCE", 10)
    job = wait_for_state(service, start(service, [f"{n}.jpg" for n in range(35)]), "done")
    seen, remove = [], StoreFiles.remove_originals

    def remove_and_look(files, sources) -> None:
        remove(files, sources)
        with store_of(service) as store:
            store.execute("BEGIN IMMEDIATE")  # nobody holds it meanwhile
            seen.append(store.execute("SELECT count(*) FROM items").fetchone()[0])

    monkeypatch.setattr(StoreFiles, "remove_originals", remove_and_look)
    service.runner.delete(job.id)
    assert seen == [35, 25, 15, 5]
    assert service.store.jobs() == []
    assert files_in(harness.outputs / ".gpen-webui" / "uploads") == set()
    assert not job.folder.exists()


def test_an_album_that_cannot_be_deleted_is_told_and_holds_up_no_other(harness, service):
    stubborn, other = (wait_for_state(service, start(service, ["a.jpg"]), "done") for _ in range(2))
    upload = service.store.original(stubborn.id, 0)
    upload.unlink()
    (upload / "in the way").mkdir(parents=True)  # a file's name that cannot be removed as one
    with pytest.raises(StoreError, match=r"Some files of the deleted “Summer 1931” cannot"):
        service.runner.delete(stubborn.id)
    service.runner.delete(other.id)
    assert service.store.jobs() == []
    assert not other.folder.exists()
    harness.close()
    (upload / "in the way").rmdir()
    upload.rmdir()
    service = harness.open()
    wait_for(lambda: service.store.bytes_used() == 0)
    assert not stubborn.folder.exists()


def test_a_removal_that_was_interrupted_goes_on_at_the_next_start(harness, service, monkeypatch):
    job = wait_for_state(service, start(service, [f"{n}.jpg" for n in range(30)]), "done")
    monkeypatch.setattr(removal, "ITEMS_AT_ONCE", 10)
    remove, calls = StoreFiles.remove_originals, []

    def die_later(files, sources) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        remove(files, sources)

    monkeypatch.setattr(StoreFiles, "remove_originals", die_later)
    with pytest.raises(KeyboardInterrupt):
        service.runner.delete(job.id)
    harness.close()
    service = harness.open()
    assert service.store.jobs() == []
    wait_for(lambda: service.store.bytes_used() == 0)
    assert files_in(harness.outputs / ".gpen-webui" / "uploads") == set()
    assert not job.folder.exists()
