"""A store of an earlier version is brought up to date, also where it is damaged."""

import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from gpen_webui.jobs.store.backups import backup_paths
from gpen_webui.jobs.store.schema import VERSION
from gpen_webui.options import RestoreOptions
from tests.damaged_store import PAGE, truncate
from tests.jobs_kit import JobsHarness, check_nothing_lost, wait_for_state

pytest_plugins = ["tests.jobs_fixtures"]


@pytest.fixture(params=range(1, VERSION))
def version(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def earlier(version: int, harness: JobsHarness, tmp_path: Path) -> dict:
    """Outputs as that version left them in the middle of its work; what it knew."""
    data = Path(__file__).parent / "data" / f"store-version-{version}.zip"
    with zipfile.ZipFile(data) as archive:
        archive.extractall(tmp_path)
    return json.loads((tmp_path / "expected.json").read_text("utf-8"))


def test_a_store_of_an_earlier_version_is_brought_up_to_date(harness: JobsHarness, earlier: dict):
    service = harness.open()
    assert service.rescue is None
    for job_id, expected in earlier.items():
        job = service.store.job(job_id)
        shown = job.as_dict() | {"folder": job.folder.name if job.folder else None}
        events = service.events.replay(job_id)
        known = [event | {"percent": None} for event in expected["events"]]  # it was not told then
        assert events[: len(known)] == known
        if job.state in ("collecting", "done", "cancelled"):
            assert (
                shown == expected["job"] or job.counts["done"] > expected["job"]["counts"]["done"]
            )
        for item in service.store.items(job_id):
            if item.state in ("done", "no_face"):
                assert service.store.result(job_id, item.n).is_file()
            was = expected["items"][item.n]
            assert (item.name, item.key, item.sha256) == (was["name"], was["key"], was["sha256"])
    for job_id, expected in earlier.items():
        job = service.store.job(job_id)
        if expected["job"]["state"] in ("running", "waiting"):
            job = wait_for_state(service, job, "done")
            assert job.counts["done"] == expected["job"]["counts"]["total"]
            check_nothing_lost(service, job)


def test_a_photo_of_an_earlier_version_can_be_restored_again(harness: JobsHarness, earlier: dict):
    service = harness.open()
    jobs = [service.store.job(job_id) for job_id in earlier]
    job = next(job for job in jobs if job.state == "done" and job.counts["done"])
    n = next(item.n for item in service.store.items(job.id) if item.state == "done")
    service.runner.redo(job.id, n, RestoreOptions(strength=99))
    wait_for_state(service, job, "done")
    assert service.store.result(job.id, n).read_bytes().endswith(b" restored at 99")


def test_an_earlier_version_is_backed_up_before_it_is_changed(
    harness: JobsHarness, earlier: dict, version: int
):
    harness.open()
    harness.close()
    stores = backup_paths(harness.outputs / ".gpen-webui" / "jobs.sqlite")
    versions = []
    for path in stores:
        with closing(sqlite3.connect(path)) as backup:
            versions.append(backup.execute("PRAGMA user_version").fetchone()[0])
    assert versions == [VERSION, version]


def test_a_damaged_store_of_an_earlier_version_is_read_too(harness: JobsHarness, earlier: dict):
    store = harness.outputs / ".gpen-webui" / "jobs.sqlite"
    truncate(store, store.stat().st_size - PAGE)
    service = harness.open()
    found = {job.id: job for job in service.store.jobs(limit=50)}
    total = sum(job.counts["total"] for job in found.values())
    assert total >= sum(expected["job"]["counts"]["total"] for expected in earlier.values()) - 1
    assert set(earlier) <= set(found)
