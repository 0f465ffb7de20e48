"""A store that is damaged, cut short, emptied or gone: no upload is lost, and what can be known
of albums and results is known again."""

import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gpen_webui.jobs.records import StoreError
from gpen_webui.jobs.service import JobService
from gpen_webui.jobs.store import rescue
from gpen_webui.jobs.store.backups import DAY, back_up, backup_paths
from gpen_webui.options import RestoreOptions
from tests.damaged_store import (
    COLLECTED,
    DONE,
    PAGE,
    check_no_upload_is_lost,
    flip,
    photos_of,
    restored_results,
    truncate,
)
from tests.jobs_kit import JobsHarness, check_nothing_lost, collect, start, wait_for_state

pytest_plugins = ["tests.jobs_fixtures"]


@pytest.fixture(scope="module")
def outputs_as_left(tmp_path_factory) -> Path:
    """An album that is done and one that is being collected, as a killed process leaves them."""
    harness = JobsHarness(tmp_path_factory.mktemp("left") / "outputs")
    service = harness.open()
    wait_for_state(service, start(service, DONE), "done")
    collect(service, COLLECTED)
    left = harness.outputs.with_name("left")
    backups = shutil.ignore_patterns("*backup*")  # the first may be in the making
    shutil.copytree(harness.outputs, left, ignore=backups)  # with its WAL, in the middle of work
    harness.close()
    return left


@pytest.fixture
def left(outputs_as_left: Path, harness: JobsHarness) -> Path:
    """The folder .gpen-webui of such outputs, without a backup of the store."""
    shutil.copytree(outputs_as_left, harness.outputs)
    hidden = harness.outputs / ".gpen-webui"
    for backup in backup_paths(hidden / "jobs.sqlite"):
        backup.unlink(missing_ok=True)
    return hidden


@pytest.fixture
def checkpointed(left: Path) -> Path:
    """The store's file, with everything in it and no WAL beside it."""
    path = left / "jobs.sqlite"
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not (left / "jobs.sqlite-wal").exists()
    return path


# Nothing is lost


def test_a_missing_store_is_made_again_from_uploads_names_and_reports(
    harness: JobsHarness, left: Path
):
    for path in left.glob("jobs.sqlite*"):
        path.unlink()
    service = harness.open()
    check_no_upload_is_lost(service)
    albums = {job.name: job for job in service.store.jobs()}
    assert set(albums) == {"Summer 1931", "lost+found"}
    assert albums["Summer 1931"].state == "done"
    assert restored_results(service) == len(DONE)
    found = service.store.items(albums["lost+found"].id)
    assert [item.name for item in found] == [f"Summer 1931/{name}" for name in COLLECTED]


def test_an_album_lost_and_found_is_told_restored_and_deleted_like_any_other(harness, left):
    for path in left.glob("jobs.sqlite*"):
        path.unlink()
    service = harness.open()
    [lost] = [job for job in service.store.jobs() if job.name == "lost+found"]
    assert (lost.state, lost.counts["total"]) == ("collecting", len(COLLECTED))
    assert "No album knows these photos" in lost.reason
    service.runner.submit(lost.id)
    done = wait_for_state(service, lost, "done")
    assert done.counts["done"] == len(COLLECTED)
    assert done.reason is None
    check_nothing_lost(service, done)
    service.runner.delete(lost.id)
    assert sum(path.is_file() for path in (left / "uploads").rglob("*")) == len(DONE)
    harness.close()
    assert {job.name for job in harness.open().store.jobs()} == {"Summer 1931"}


def test_an_empty_store_is_made_again(harness: JobsHarness, left: Path):
    (left / "jobs.sqlite").write_bytes(b"")
    (left / "jobs.sqlite-wal").unlink()
    service = harness.open()
    check_no_upload_is_lost(service)
    assert restored_results(service) == len(DONE)


def test_uploads_that_nobody_knows_are_kept_at_every_start(harness: JobsHarness):
    harness.open()
    harness.close()
    stray = harness.outputs / ".gpen-webui" / "uploads" / "somebody" / "7"
    stray.parent.mkdir()
    stray.write_bytes(b"grandmother")
    for _ in range(3):
        service = harness.open()
        [lost] = service.store.jobs()
        [item] = service.store.items(lost.id)
        assert (lost.name, item.name) == ("lost+found", "somebody/photo 7")
        assert service.store.original(lost.id, 0).read_bytes() == b"grandmother"
        harness.close()


def test_a_photo_sent_to_an_album_never_takes_the_place_of_one_that_was_lost(harness: JobsHarness):
    service = harness.open()
    job = collect(service, ["a.jpg"])
    harness.close()
    (harness.outputs / ".gpen-webui" / "uploads" / job.id / "1").write_bytes(b"lost")
    service = harness.open()
    upload = service.store.incoming()
    upload.write_bytes(b"new")
    item = service.store.add_item(job.id, "b.jpg", upload)
    [lost] = [found for found in service.store.jobs() if found.name == "lost+found"]
    assert service.store.original(job.id, item.n).read_bytes() == b"new"
    assert service.store.original(lost.id, 0).read_bytes() == b"lost"
    service.runner.delete(job.id)
    assert service.store.original(lost.id, 0).read_bytes() == b"lost"


def test_a_store_whose_wal_vanished_loses_no_upload(harness: JobsHarness, left: Path):
    for suffix in ("-wal", "-shm"):
        (left / f"jobs.sqlite{suffix}").unlink(missing_ok=True)
    check_no_upload_is_lost(harness.open())


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9])
def test_a_store_whose_wal_was_cut_short_loses_no_upload(
    harness: JobsHarness, left: Path, part: float
):
    wal = left / "jobs.sqlite-wal"
    truncate(wal, int(part * wal.stat().st_size))
    check_no_upload_is_lost(harness.open())


def test_a_wal_without_its_store_is_read(harness: JobsHarness, left: Path):
    (left / "jobs.sqlite").unlink()
    service = harness.open()
    check_no_upload_is_lost(service)
    assert set(photos_of(service)) == {"Summer 1931"}
    assert restored_results(service) == len(DONE)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_store_that_was_cut_short_loses_no_upload(
    harness: JobsHarness, checkpointed: Path, share
):
    truncate(checkpointed, int(share * checkpointed.stat().st_size))
    service = harness.open()
    check_no_upload_is_lost(service)
    assert restored_results(service) == len(DONE)


@pytest.mark.slow
def test_a_store_that_was_cut_short_anywhere_loses_no_upload(tmp_path, checkpointed: Path):
    for size in range(0, checkpointed.stat().st_size, PAGE // 2):
        check_harmed(tmp_path, checkpointed, lambda path, size=size: truncate(path, size))


@pytest.mark.parametrize("seed", range(8))
def test_a_store_with_flipped_bits_loses_no_upload(
    harness: JobsHarness, checkpointed: Path, seed: int
):
    size = checkpointed.stat().st_size
    flip(checkpointed, random.Random(seed).choices(range(100, size), k=40))
    check_no_upload_is_lost(harness.open())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_store_with_flipped_bits_anywhere_loses_no_upload(tmp_path: Path, checkpointed: Path):
    size = checkpointed.stat().st_size
    for seed in range(300):
        chance = random.Random(seed)
        places = chance.choices(range(100, size), k=chance.choice([1, 3, 30, 300]))
        check_harmed(tmp_path, checkpointed, lambda path, places=places: flip(path, places))


def check_harmed(tmp_path: Path, store: Path, harm) -> None:
    """What comes of the outputs around `store` when it is harmed; they stay as they are."""
    outputs = tmp_path / "harmed"
    shutil.rmtree(outputs, ignore_errors=True)
    shutil.copytree(store.parent.parent, outputs)
    harm(outputs / ".gpen-webui" / "jobs.sqlite")
    harness = JobsHarness(outputs)
    try:
        check_no_upload_is_lost(harness.open())
    finally:
        harness.close()


@pytest.mark.parametrize("page", range(1, 12))
def test_a_store_with_a_page_of_zeros_keeps_what_is_on_the_others(harness, checkpointed, page):
    with open(checkpointed, "r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\0" * PAGE)
    service = harness.open()
    check_no_upload_is_lost(service)
    assert restored_results(service) == len(DONE)


def test_a_store_without_its_first_page_is_read_all_the_same(
    harness: JobsHarness, checkpointed: Path
):
    flip(checkpointed, list(range(PAGE)))
    service = harness.open()
    assert set(photos_of(service)) == {"Summer 1931"}
    check_no_upload_is_lost(service)
    assert restored_results(service) == len(DONE)


# What is said and kept


def test_the_remedy_that_is_named_for_a_damaged_store_works(harness: JobsHarness):
    service = harness.open()
    wait_for_state(service, start(service, DONE), "done")
    store = harness.outputs / ".gpen-webui" / "jobs.sqlite"
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = store.stat().st_size
    with open(store, "r+b") as file:
        file.seek(PAGE)
        file.write(b"\xff" * (size - PAGE))
    with pytest.raises(StoreError, match="stop the server and start it again"):
        use_all_of_it(service)
    harness.close()
    service = harness.open()
    assert "was damaged; it is kept as jobs.damaged-" in str(service.rescue)
    [kept] = store.parent.glob("jobs.damaged-*.sqlite")
    assert kept.stat().st_size == size
    assert set().union(*photos_of(service).values()) == set(DONE)
    check_nothing_lost(service, wait_for_state(service, start(service, ["new.jpg"]), "done"))


def use_all_of_it(service: JobService) -> None:
    for job in service.store.jobs():
        service.store.items(job.id)
        service.events.replay(job.id)
    service.store.create_job("album", "x", RestoreOptions())


def test_a_whole_store_is_not_touched(harness: JobsHarness, checkpointed: Path):
    service = harness.open()
    assert service.rescue is None
    assert list(checkpointed.parent.glob("jobs.damaged*")) == []


@pytest.mark.parametrize("point", ["complete", "not kept", "kept", "replaced"])
def test_a_death_while_the_store_is_replaced_changes_nothing(
    harness, checkpointed, monkeypatch, point
):
    truncate(checkpointed, checkpointed.stat().st_size // 2)

    class Death(BaseException):
        pass

    link, flush, flushed = os.link, rescue.flush_folder, []

    def die_at_link(*arguments):
        if point == "kept":
            link(*arguments)
        raise Death

    def die_after_renaming(folder: Path):
        flush(folder)
        flushed.append(folder)
        if len(flushed) == (1 if point == "complete" else 2):
            raise Death

    with monkeypatch.context() as patch:
        if point in ("not kept", "kept"):
            patch.setattr(os, "link", die_at_link)
        else:
            patch.setattr(rescue, "flush_folder", die_after_renaming)
        with pytest.raises(Death):
            harness.open()
    service = harness.open()
    check_no_upload_is_lost(service)
    assert restored_results(service) == len(DONE)


# Backups


def test_the_store_is_backed_up_at_the_start(harness: JobsHarness):
    job = collect(harness.open(), ["a.jpg"])
    harness.close()
    harness.open()
    harness.close()
    newest, _ = backup_paths(harness.outputs / ".gpen-webui" / "jobs.sqlite")
    with closing(sqlite3.connect(newest)) as backup:
        assert backup.execute("SELECT id FROM jobs").fetchall() == [(job.id,)]
        assert backup.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_two_generations_are_kept_and_the_older_is_a_day_older(harness: JobsHarness, monkeypatch):
    service = harness.open()
    store = harness.outputs / ".gpen-webui" / "jobs.sqlite"
    newest, older = backup_paths(store)

    def jobs_in(path: Path) -> int:
        with closing(sqlite3.connect(path)) as backup:
            return backup.execute("SELECT count(*) FROM jobs").fetchone()[0]

    now = [store.stat().st_mtime + 10]
    monkeypatch.setattr("gpen_webui.jobs.store.backups.time.time", lambda: now[0])
    for count in (1, 2, 3):
        collect(service, ["a.jpg"])
        assert back_up(store)
        assert jobs_in(newest) == count
    assert jobs_in(older) < 3
    now[0] += 2 * DAY  # however long the others took
    collect(service, ["a.jpg"])
    assert back_up(store)
    assert (jobs_in(newest), jobs_in(older)) == (4, 3)


def test_a_store_that_is_not_there_is_not_made_by_backing_it_up(tmp_path: Path):
    assert not back_up(tmp_path / "a store #1?.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_restores_albums_that_the_damaged_store_has_lost(harness: JobsHarness, left: Path):
    store = left / "jobs.sqlite"
    assert back_up(store)
    for path in left.glob("jobs.sqlite*"):
        path.unlink()
    service = harness.open()
    check_no_upload_is_lost(service)
    albums = photos_of(service)
    assert set(albums) == {"Summer 1931"}
    assert [job.counts["total"] for job in service.store.jobs()] == [len(COLLECTED), len(DONE)]
    assert restored_results(service) == len(DONE)


@pytest.mark.parametrize("is_backed_up_again", [False, True])
def test_an_album_that_was_deleted_after_the_backup_does_not_come_back(
    harness: JobsHarness, is_backed_up_again: bool
):
    service = harness.open()
    gone = wait_for_state(service, start(service, ["gone.jpg"]), "done")
    kept = wait_for_state(service, start(service, ["kept.jpg"]), "done")
    store = harness.outputs / ".gpen-webui" / "jobs.sqlite"
    assert back_up(store)
    shutil.copyfile(backup_paths(store)[0], backup_paths(store)[1])
    service.runner.delete(gone.id)
    assert not is_backed_up_again or back_up(store)
    harness.close()
    store.unlink()
    service = harness.open()
    assert [job.id for job in service.store.jobs()] == [kept.id]


def test_a_damaged_backup_beside_a_damaged_store_loses_no_upload(
    harness: JobsHarness, checkpointed: Path
):
    assert back_up(checkpointed)
    newest, _ = backup_paths(checkpointed)
    truncate(newest, newest.stat().st_size // 3)
    truncate(checkpointed, checkpointed.stat().st_size // 2)
    check_no_upload_is_lost(harness.open())


def test_a_damaged_store_never_drives_out_a_good_backup(harness: JobsHarness, checkpointed: Path):
    assert back_up(checkpointed)
    good = backup_paths(checkpointed)[0].read_bytes()
    with open(checkpointed, "r+b") as file:
        file.seek(2 * PAGE)
        file.write(b"\0" * PAGE)
    assert not back_up(checkpointed)
    assert backup_paths(checkpointed)[0].read_bytes() == good
