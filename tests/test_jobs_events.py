"""Events: the whole story of a job, from the beginning or from anywhere, for any number."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from gpen_webui.jobs.records import UnknownJobError
from gpen_webui.jobs.service import JobService
from tests.jobs_kit import STAGES, JobsHarness, collect, start, wait_for_state
from tests.waiting import PATIENCE, wait_for

pytest_plugins = ["tests.jobs_fixtures"]


FIELDS = {
    "seq", "job", "type", "item", "name", "state", "stage", "faces", "seconds", "error", "result",
    "percent", "counts", "eta_seconds",
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
        stories = {tuple(listener.result(timeout=PATIENCE)) for listener in listeners}
    assert len(stories) == 1
    assert next(sleeper)["seq"] == 2
    sleeper.close()


def test_live_events_arrive_before_the_next_heartbeat(harness: JobsHarness, service: JobService):
    names = [f"{n}.jpg" for n in range(4)]
    gates = [harness.play.hold(name) for name in names]
    job = start(service, names)
    heard: list[str] = []

    def listen() -> None:
        for event in service.events.follow(job.id, heartbeat=3600):
            if (event["type"], event["state"]) == ("item", "done"):
                heard.append(event["name"])

    listener = Thread(target=listen, daemon=True)
    listener.start()
    for number, gate in enumerate(gates, start=1):
        gate.wait_until_reached()
        gate.open()
        wait_for(lambda number=number: heard == names[:number])
    listener.join(PATIENCE)
    assert not listener.is_alive()


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
    heard: list[dict] = []
    listener = Thread(
        target=lambda: heard.extend(service.events.follow(job.id, heartbeat=3600)), daemon=True
    )
    listener.start()
    wait_for(lambda: len(heard) == job.seq)
    service.runner.delete(job.id)
    listener.join(PATIENCE)
    assert not listener.is_alive()
    with pytest.raises(UnknownJobError):
        service.events.follow(job.id)


def ended(service: JobService, job) -> bool:
    return service.store.job(job.id).ended
