"""Events: the whole story of a job, from the beginning or from anywhere, for any number."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gpen_webui.jobs.records import UnknownJobError
from gpen_webui.jobs.service import JobService
from tests.jobs_kit import STAGES, JobsHarness, collect, start, wait_for_state
from tests.waiting import wait_for

pytest_plugins = ["tests.jobs_fixtures"]


FIELDS = {
    "seq", "job", "type", "item", "name", "state", "stage", "faces", "seconds", "error", "result",
    "counts", "eta_seconds",
}  # fmt: skip


def test_the_events_tell_a_photo_from_upload_to_result(service: JobService):
    job = start(service, ["a.jpg"])
    events = list(service.events.follow(job.id))
    assert all(set(event) == FIELDS for event in events)
    assert [(event["type"], event["state"], event["stage"]) for event in events] == [
        ("job", "collecting", None),
        ("item", "waiting", None),
        ("job", "waiting", None),
        ("job", "running", None),
        ("item", "running", None),
        *[("stage", "running", stage) for stage in STAGES],
        ("item", "done", None),
        ("job", "done", None),
    ]
    done = events[-2]
    assert (done["item"], done["name"], done["result"], done["faces"]) == (0, "a.jpg", "a.jpg", 0)
    assert done["counts"]["done"] == 1


def test_a_listener_hears_everything_once_whenever_it_comes_and_goes(harness, service):
    job = start(service, [f"{n}.jpg" for n in range(10)])
    heard: list[int] = []
    while not heard or heard[-1] < service.store.job(job.id).seq or not ended(service, job):
        for event in service.events.follow(job.id, after=heard[-1] if heard else 0):
            heard.append(event["seq"])
            if len(heard) % 7 == 0:
                break  # the connection is lost
    assert heard == list(range(1, heard[-1] + 1))


def test_any_part_of_the_story_can_be_read_again(service: JobService):
    job = wait_for_state(service, start(service, ["a.jpg", "b.jpg"]), "done")
    whole = service.events.replay(job.id)
    for after in range(len(whole) + 2):
        assert service.events.replay(job.id, after) == whole[after:]
        assert list(service.events.follow(job.id, after)) == whole[after:]


def test_twenty_listeners_hear_the_same_and_one_that_never_reads_holds_nobody_up(harness, service):
    job = collect(service, [f"{n}.jpg" for n in range(30)])
    sleeper = service.events.follow(job.id)
    next(sleeper)
    with ThreadPoolExecutor(20) as pool:
        listeners = [
            pool.submit(lambda: [json.dumps(event) for event in service.events.follow(job.id)])
            for _ in range(20)
        ]
        service.runner.submit(job.id)
        stories = {tuple(listener.result(timeout=20)) for listener in listeners}
    assert len(stories) == 1
    assert next(sleeper)["seq"] == 2
    sleeper.close()


def test_a_live_event_arrives_at_once(harness: JobsHarness, service: JobService):
    gate = harness.play.hold("a.jpg", "align")
    job = start(service, ["a.jpg"])
    gate.wait_until_reached()
    story = service.events.follow(job.id, after=service.store.job(job.id).seq)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(lambda: (next(story)["stage"], time.monotonic()))
        wait_for(lambda: service.events._notifier._waiting)
        opened = time.monotonic()
        gate.open()
        stage, when = heard.result(timeout=20)
    assert stage == "network"
    assert when - opened < 1
    story.close()


def test_silence_is_told_by_a_heartbeat(harness: JobsHarness, service: JobService):
    job = collect(service, ["a.jpg"])
    story = service.events.follow(job.id, heartbeat=0.05)
    assert [next(story) is None for _ in range(4)] == [False, False, True, True]
    story.close()


def test_the_story_goes_on_when_a_job_is_retried(harness: JobsHarness, service: JobService):
    harness.play.fail("a.jpg")
    job = wait_for_state(service, start(service, ["a.jpg"]), "done")
    harness.play.mend("a.jpg")
    seq = job.seq
    service.runner.retry(job.id)
    more = list(service.events.follow(job.id, after=seq))
    assert more[0]["state"] == "waiting"
    assert [event["state"] for event in more[-2:]] == ["done", "done"]


def test_a_deleted_job_ends_its_story(harness: JobsHarness, service: JobService):
    job = collect(service, ["a.jpg"])
    with ThreadPoolExecutor(1) as pool:
        story = pool.submit(lambda: list(service.events.follow(job.id)))
        wait_for(lambda: service.events._notifier._waiting)
        service.runner.delete(job.id)
        assert len(story.result(timeout=5)) >= 2
    with pytest.raises(UnknownJobError):
        service.events.follow(job.id)
    assert service.events._notifier._waiting == {}


def ended(service: JobService, job) -> bool:
    return service.store.job(job.id).ended
