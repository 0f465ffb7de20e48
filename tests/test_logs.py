"""The log: one line per record, whatever photos are called, and nothing in it that is secret."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from gpen_webui.jobs.service import JobService
from gpen_webui.logs import about, log_to_file
from gpen_webui.pipeline import StageError
from gpen_webui.settings import Settings, SettingsError
from tests.jobs_kit import JobsHarness, start, wait_for_state
from tests.waiting import wait_for

pytest_plugins = ["tests.jobs_fixtures"]

log = logging.getLogger("gpen_webui.test")
NAMES_THAT_FORGE = [
    "a\n2026-01-01 00:00:00,000 INFO gpen_webui: forged.jpg",
    "b\r\x85\u2028\u2029forged.jpg",
    "c\x1b[2Jforged.jpg",
    "d\u202egpj.egrof.jpg",
    "e\udcff.jpg",
]


@pytest.fixture(autouse=True)
def quiet():
    yield
    logger = logging.getLogger("gpen_webui")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate, logger.level = True, logging.NOTSET


@pytest.mark.parametrize("name", NAMES_THAT_FORGE)
@pytest.mark.parametrize("format", ["text", "json"])
def test_a_name_cannot_forge_a_line(tmp_path: Path, name: str, format: str):
    path = log_to_file(tmp_path, format=format)
    with about(job="7f"):
        log.info("%s: restored", name)
        log.info("the next one")
    text = path.read_bytes().decode("utf-8")
    first, second = text.splitlines()
    assert "restored" in first
    assert "the next one" in second
    assert all(sign.isprintable() or sign == "\n" for sign in text)


def test_a_traceback_cannot_forge_a_line_either(tmp_path: Path):
    path = log_to_file(tmp_path)
    try:
        raise ValueError("bad\n2026-01-01 00:00:00,000 INFO gpen_webui: forged")
    except ValueError:
        log.exception("%s: failed", "a.jpg")
    first, *others = path.read_text(encoding="utf-8").splitlines()
    assert "a.jpg: failed" in first
    assert all(line.startswith("    | ") for line in others)
    assert "ValueError: bad" in others[-2]


@pytest.mark.parametrize("format", ["text", "json"])
def test_the_token_is_not_in_the_log(tmp_path: Path, format: str):
    path = log_to_file(tmp_path, format=format)
    log.info("GET /?token=hunter2hunter2&x=1 Authorization: Bearer hunter2hunter2")
    text = path.read_text(encoding="utf-8")
    assert "hunter2" not in text
    assert "x=1" in text


def test_the_level_decides_what_is_told(tmp_path: Path):
    path = log_to_file(tmp_path, level="warning")
    log.info("quiet")
    log.warning("loud")
    assert re.findall("quiet|loud", path.read_text(encoding="utf-8")) == ["loud"]


@pytest.mark.parametrize("wrong", [{"log_level": "loud"}, {"log_format": "xml"}])
def test_an_unknown_level_or_format_is_refused_with_words(wrong: dict):
    with pytest.raises(SettingsError, match="must be one of"):
        Settings(**wrong)


# What is told of a photo


def records_of(harness: JobsHarness, service: JobService) -> list[dict]:
    wait_for(lambda: service.pool.status()["busy"] == 0)  # the end is logged once it is recorded
    path = harness.outputs / ".gpen-webui" / "gpen-webui.log"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_log_tells_the_way_of_each_photo(harness: JobsHarness):
    log_to_file(harness.outputs, format="json")
    service = harness.open()
    error = StageError("detect", "torn.jpg is no photo.")
    error.__cause__ = ValueError("the cause of it")
    harness.play.fail("torn.jpg", error)
    job = start(service, ["a.jpg", "torn.jpg", "landscape.jpg"])
    job = wait_for_state(service, job, "done")
    service.runner.retry(job.id)
    wait_for(lambda: harness.play.begun.count("torn.jpg") == 2)
    wait_for_state(service, job, "done")
    records = [record for record in records_of(harness, service) if "item" in record]
    ways = {
        n: [(record["event"], record["attempt"]) for record in records if record["item"] == n]
        for n in range(3)
    }
    assert ways[0] == [("begun", 1), ("done", 1)]
    assert ways[1] == [("begun", 1), ("failed", 1), ("begun", 2), ("failed", 2)]
    assert ways[2] == [("begun", 1), ("no_face", 1)]
    assert {record["job"] for record in records} == {job.id}
    assert all(record["worker"].startswith("restore-") for record in records)
    (done,) = [record for record in records if record["event"] == "done"]
    assert done["result"] == f"{job.folder.name}/a.jpg"
    assert {"open", "network", "save"} <= set(done["seconds"])
    failed = next(record for record in records if record["event"] == "failed")
    assert "torn.jpg is no photo." in failed["message"]
    assert "ValueError: the cause of it" in failed["traceback"]


def test_the_log_tells_what_was_stopped_and_what_users_asked(harness: JobsHarness):
    log_to_file(harness.outputs, format="json")
    service = harness.open()
    gate = harness.play.hold("a.jpg", "network")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    service.runner.cancel(job.id)
    gate.open()
    wait_for(lambda: service.pool.status()["busy"] == 0)
    records = records_of(harness, service)
    (stopped,) = [record for record in records if record.get("event") == "stopped"]
    assert (stopped["stage"], stopped["item"]) == ("network", 0)
    asked = [record["message"] for record in records if record["message"].startswith("job ")]
    assert asked[:2] == ["job started", "job cancelled"]


def test_the_log_names_the_worker_that_was_given_up(make_harness):
    harness = make_harness(workers=1, max_photo_seconds=0.3)
    log_to_file(harness.outputs)
    service = harness.open()
    harness.play.hold("endless.jpg", "network")
    job = wait_for_state(service, start(service, ["endless.jpg"]), "done")
    text = (harness.outputs / ".gpen-webui" / "gpen-webui.log").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if "took longer than" in line]
    assert f"[worker=restore-1 job={job.id} item=0 attempt=1]" in line
