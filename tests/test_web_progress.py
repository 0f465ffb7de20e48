"""WebSockets: every event once and in order, whoever else watches or does not read."""

import json
import socket
import threading

import pytest
import websocket

from gpen_webui.web import websockets
from tests.server import Server, events_of, small_photo
from tests.waiting import PATIENCE, wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("outputs")) as server:
        yield server


def photos(count: int, first: int = 0) -> list[tuple[str, bytes]]:
    return [(f"{n}.jpg", small_photo(n)) for n in range(first, first + count)]


def wait_until_nobody_watches(server: Server, patience: float = PATIENCE) -> None:
    wait_for(lambda: not server.get("/api/health").json()["watchers"], patience)


def test_a_watcher_sees_every_event_once_and_in_order(server: Server):
    job = server.new_album(photos(3), start=False)
    watcher = server.watch(f"/ws/jobs/{job}")
    server.post(f"/api/jobs/{job}/start")
    events = list(events_of(watcher))
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[-1]["type"], events[-1]["state"]) == ("job", "done")
    assert events == server.get(f"/api/jobs/{job}/events").json()
    items = [event for event in events if event["type"] == "item"]
    ended = [event["item"] for event in items if event["state"] == "done"]
    assert sorted(ended) == [0, 1, 2]


def test_the_stages_of_a_photo_are_told_in_their_order(server: Server):
    job = server.new_album(photos(1))
    stages = [
        event["stage"]
        for event in events_of(server.watch(f"/ws/jobs/{job}"))
        if event["type"] == "stage"
    ]
    assert stages == ["open", "detect", "align", "network", "blend", "adjust", "save"]


def test_a_watcher_that_comes_back_misses_nothing(server: Server):
    job = server.new_album(photos(6, first=10))
    seen, after = [], 0
    while not seen or seen[-1]["state"] != "done" or seen[-1]["type"] != "job":
        watcher = server.watch(f"/ws/jobs/{job}?after={after}")
        for event in events_of(watcher):
            seen.append(event)
            after = event["seq"]
            if after % 7 == 0:
                watcher.sock.close()  # breaks off without a word
                break
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))


def test_after_the_last_event_nothing_is_told_and_the_socket_closes(server: Server):
    job = server.wait_for(server.new_album(photos(1)))
    watcher = server.watch(f"/ws/jobs/{job['id']}?after={job['seq']}")
    opcode, frame = watcher.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    assert int.from_bytes(frame[:2], "big") == 1000


def test_twenty_watchers_and_one_that_never_reads_delay_nobody(server: Server):
    job = server.new_album(photos(8, first=20), start=False)
    deaf = server.watch(f"/ws/jobs/{job}", sockopt=((1, 8, 1024),))  # a tiny SO_RCVBUF
    told: list[list[int]] = [[] for _ in range(20)]
    threads = [
        threading.Thread(
            target=lambda seqs: seqs.extend(
                event["seq"] for event in events_of(server.watch(f"/ws/jobs/{job}"))
            ),
            args=(seqs,),
        )
        for seqs in told
    ]
    for thread in threads:
        thread.start()
    server.post(f"/api/jobs/{job}/start")
    server.wait_for(job)
    for thread in threads:
        thread.join(PATIENCE)
    last = server.job(job)["seq"]
    assert all(seqs == list(range(1, last + 1)) for seqs in told)
    assert server.get("/api/health").status_code == 200
    deaf.sock.close()


def test_the_threads_of_those_who_have_gone_end(server: Server):
    job = server.new_album(photos(1), start=False)
    sockets = [server.watch(f"/ws/jobs/{job}") for _ in range(5)]
    assert server.get("/api/health").json()["watchers"] >= 5
    for watcher in sockets:
        watcher.sock.close()
    wait_until_nobody_watches(server)


def test_sending_to_a_client_that_never_reads_ends(monkeypatch):
    monkeypatch.setattr(websockets, "SEND_SECONDS", 0.3)
    ours, theirs = socket.socketpair()
    steady = websockets.SteadySocket(ours)
    with pytest.raises(OSError):  # noqa: PT011 - whatever the system calls it
        steady.send(bytes(50_000_000))
    with pytest.raises(OSError):  # noqa: PT011 - and it stays so: half a message was sent
        steady.send(b"more")
    theirs.close()


@pytest.mark.slow
def test_a_client_that_does_not_answer_pings_is_cut_off(server: Server):
    job = server.new_album(photos(1), start=False)
    deaf = server.watch(f"/ws/jobs/{job}")
    wait_until_nobody_watches(server, 5 * websockets.PING_SECONDS)
    deaf.sock.close()


def test_idle_sockets_leave_room_for_requests(server: Server):
    job = server.new_album(photos(1), start=False)
    sockets, refusals = [], []
    for _ in range(140):
        try:
            sockets.append(server.watch(f"/ws/jobs/{job}"))
        except websocket.WebSocketBadStatusException as refusal:
            refusals.append(refusal.status_code)
    assert server.get("/batch").status_code == 200
    assert len(sockets) >= 100
    assert set(refusals) == {503}
    for watcher in sockets:
        watcher.close()
    wait_until_nobody_watches(server)


def test_a_socket_of_an_unknown_job_is_refused_in_words(server: Server):
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        server.watch("/ws/jobs/0123456789abcdef")
    assert refused.value.status_code == 404
    assert "no such job" in json.loads(refused.value.resp_body)["error"]["message"]


def test_an_ordinary_request_for_a_socket_is_refused_in_words(server: Server):
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    for headers in ({}, upgrade):
        answer = server.get("/ws/models", headers=headers)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].endswith(".")


def test_the_socket_of_a_deleted_job_closes(server: Server):
    job = server.new_album(photos(1), start=False)
    watcher = server.watch(f"/ws/jobs/{job}")
    watcher.recv()
    server.delete(f"/api/jobs/{job}")
    assert all(event["seq"] for event in events_of(watcher))


def test_the_models_are_told_when_something_changes(server: Server):
    watcher = server.watch("/ws/models")
    first = json.loads(watcher.recv())
    assert {"models", "engine", "fast_mode"} == set(first)
    job = server.new_album(photos(30, first=60))  # more than are done before it is noticed
    assert json.loads(watcher.recv())["engine"] != first["engine"]
    server.post(f"/api/jobs/{job}/cancel")
    watcher.close()
