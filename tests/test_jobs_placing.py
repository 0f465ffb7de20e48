"""Where results lie: never where anything else is, and never nowhere."""

from __future__ import annotations

import errno
import os

import pytest

from gpen_webui.files import placing
from tests.calls import calls_of
from tests.jobs_kit import JobsHarness, check_nothing_lost, collect, files_in, start, wait_for_state
from tests.test_jobs_conformance_faults import killed
from tests.waiting import wait_for

pytest_plugins = ["tests.jobs_fixtures"]


def results_of(service, job) -> dict[str, str]:
    return {item.name: item.result for item in service.store.items(job.id)}


@pytest.mark.parametrize(
    "names", [["report.json/a.jpg", "b.jpg"], ["REPORT.json/a.jpg", "Report.JSON"]]
)
def test_an_album_with_a_folder_or_photo_called_as_the_report_is_completed(
    harness: JobsHarness, names
):
    service = harness.open()
    job = wait_for_state(service, start(service, names), "done")
    assert job.counts["done"] == 2
    check_nothing_lost(service, job)


def test_a_photo_whose_new_suffix_makes_it_another_ones_folder_gets_another_name(
    harness: JobsHarness,
):
    harness.play.suffixes["a.jpg"] = ".png"
    service = harness.open()
    job = start(service, ["a.jpg", "a.png/x.jpg"])
    job = wait_for_state(service, job, "done")
    assert results_of(service, job) == {"a.jpg": "a (2).png", "a.png/x.jpg": "a.png/x.jpg"}
    check_nothing_lost(service, job)


def test_a_name_without_suffix_keeps_its_dots(harness: JobsHarness):
    harness.play.suffixes["St. Anna"] = ".jpg"
    service = harness.open()
    job = wait_for_state(service, start(service, ["St. Anna"]), "done")
    assert results_of(service, job) == {"St. Anna": "St. Anna.jpg"}


def test_files_of_the_user_where_folders_are_needed_are_gone_around(harness: JobsHarness):
    gate = harness.play.hold("t/a.jpg", "network")
    service = harness.open()
    job = start(service, ["t/a.jpg", "t/b.jpg"])
    gate.wait_until_reached()
    job.folder.mkdir(exist_ok=True)
    mine = job.folder / "t"
    if mine.is_dir():  # the other photo was quicker
        for path in mine.iterdir():
            wait_for(lambda: "t/b.jpg" in results_of(service, job).values())
            path.rename(job.folder / "moved.jpg")
        mine.rmdir()
    mine.write_text("mine")
    gate.open()
    job = wait_for_state(service, job, "done")
    assert mine.read_text() == "mine"
    assert results_of(service, job)["t/a.jpg"] == "t (2)/a.jpg"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ, errno.ENOENT])
def test_a_name_that_the_disk_cannot_hold_is_replaced_by_a_plain_one(
    harness: JobsHarness, monkeypatch, code: int
):
    def refusing(function):
        def called(*arguments, **more):
            if not str(arguments[-1]).isascii():
                raise OSError(code, os.strerror(code))
            return function(*arguments, **more)

        return called

    monkeypatch.setattr(os, "link", refusing(os.link))
    monkeypatch.setattr(placing, "create_file", refusing(placing.create_file))
    service = harness.open()
    job = wait_for_state(service, start(service, ["奶奶.jpg", "Käthe.jpg", "a.jpg"]), "done")
    assert results_of(service, job) == {
        "奶奶.jpg": "photo.jpg",
        "Käthe.jpg": "Kathe.jpg",
        "a.jpg": "a.jpg",
    }
    items = {item.name: item.warnings for item in service.store.items(job.id)}
    assert "its result is called Kathe.jpg" in items["Käthe.jpg"][0]
    assert items["a.jpg"] == []
    check_nothing_lost(service, job)


@pytest.mark.parametrize("point", ["placed", "save"])
def test_a_file_that_takes_the_results_name_while_no_process_lives_is_left_alone(
    harness: JobsHarness, point: str
):
    killed(harness.outputs, point, "2.jpg")
    [folder] = [path for path in harness.outputs.iterdir() if path.name[0] != "."]
    (folder / "2.jpg").unlink(missing_ok=True)
    (folder / "2.jpg").write_text("mine")
    service = harness.open()
    [job] = service.store.jobs()
    job = wait_for_state(service, job, "done")
    assert (folder / "2.jpg").read_text() == "mine"
    assert results_of(service, job)["2.jpg"] == "2 (2).jpg"
    service.runner.delete(job.id)
    assert files_in(folder) == {"2.jpg"}


def test_planning_an_album_of_one_name_does_not_grow_with_the_square(harness: JobsHarness):
    service = harness.open()
    few, many = (collect(service, ["image.jpg"] * n) for n in (100, 200))
    for job in (few, many):
        service.store.job(job.id)
    calls = [calls_of(lambda job=job: service.runner.submit(job.id)) for job in (few, many)]
    assert calls[1] < 2.5 * calls[0]


def test_every_photo_of_one_name_gets_its_own_result_also_under_another_suffix(
    harness: JobsHarness,
):
    harness.play.suffixes["image.jpg"] = ".png"
    service = harness.open()
    job = wait_for_state(service, start(service, ["image.jpg"] * 60), "done")
    assert job.counts["done"] == 60
    assert len({item.result for item in service.store.items(job.id)}) == 60


def test_a_name_that_other_systems_cannot_hold_is_replaced_and_that_is_said(harness: JobsHarness):
    service = harness.open()
    job = wait_for_state(service, start(service, ['say "cheese": 1?.jpg', "Köln/a.jpg"]), "done")
    first, second = service.store.items(job.id)
    assert first.result == "say _cheese__ 1_.jpg"
    assert first.result in first.warnings[0]
    assert second.warnings == []
