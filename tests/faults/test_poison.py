"""Photos that crash, hang or starve the native code: they fail, and their album goes on."""

from pathlib import Path

import pytest

from tests.faults.album import album
from tests.server import Server, events_of

POISONED = ("-m", "tests.faults.poisoned_server")


def with_poison(name: str) -> list[tuple[str, bytes]]:
    """A small album, in whose middle one photo is poison."""
    photos = list(album(8).items())
    return [*photos[:3], (name, photos[3][1]), *photos[4:]]


def check_only_one_failed(job: dict, name: str) -> dict:
    """All others are restored; the one that failed."""
    states = {item["name"]: item["state"] for item in job["items"]}
    assert states.pop(name) == "failed"
    assert set(states.values()) == {"done"}
    [item] = [item for item in job["items"] if item["name"] == name]
    return item


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="gunicorn only")
def test_a_photo_that_crashes_the_process_three_times_is_left_out(tmp_path: Path, figures):
    with Server(tmp_path, command=POISONED) as server:
        job = server.new_album(with_poison("crash.jpg"))
        found = wait_through_crashes(server, job)
        item = check_only_one_failed(found, "crash.jpg")
        events = list(events_of(server.watch(f"/ws/jobs/{job}?after=0")))
    assert "crashed the restorer 3 times" in item["error"]["message"]
    assert item["error"]["stage"] == "network"
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    done = [event["name"] for event in events if event["state"] == "done" and event["name"]]
    assert sorted(done) == sorted([*(item["name"] for item in found["items"]
                                     if item["state"] == "done"), "Album"])  # fmt: skip
    figures["crashes of native code survived"] += 3


@pytest.mark.slow
def test_photos_that_never_end_fail_at_their_time_limit_and_take_no_worker(tmp_path, figures):
    with Server(tmp_path, "--max-photo-seconds", "3", command=POISONED) as server:
        job = server.new_album(with_poison("endless.jpg"))
        found = server.wait_for(job)
        item = check_only_one_failed(found, "endless.jpg")
        assert "took longer than 3 seconds while restoring the faces" in item["error"]["message"]
        health = server.get("/api/health").json()
        assert (health["stuck"], health["workers"], health["status"]) == (1, 2, "ready")
        again = server.new_album(list(album(4).items()))
        assert server.wait_for(again)["counts"]["done"] == 4
    figures["endless photos survived"] += 1


def test_a_photo_for_which_the_network_has_no_memory_fails_alone(tmp_path: Path):
    with Server(tmp_path, "--workers", "1", command=POISONED) as server:
        found = server.wait_for(server.new_album(with_poison("hungry.jpg")))
        item = check_only_one_failed(found, "hungry.jpg")
    assert item["error"]["stage"] == "network"
    assert "needs more memory than is free" in item["error"]["message"]


def wait_through_crashes(server: Server, job: str) -> dict:
    """As Server.wait_for, while the server's working process dies now and then."""
    while True:
        try:
            return server.wait_for(job)
        except OSError:  # it is just being started again
            server.session.close()
