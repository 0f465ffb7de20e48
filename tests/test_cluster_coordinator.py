"""The coordinator: photos given to other machines, and what they bring back."""

import hashlib
import http.client
import json
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest
import requests

from gpen_webui.jobs.service import JobService
from gpen_webui.jobs.store.jobs import NewPhoto
from gpen_webui.options import RestoreOptions
from gpen_webui.web import cluster
from gpen_webui.web.errors import NoRoomError
from tests.cluster_kit import KEY, Coordinator, PlayedWorker
from tests.jobs_kit import (
    JobsHarness,
    check_nothing_lost,
    files_in,
    start,
    states,
    wait_for_state,
)
from tests.waiting import wait_for

pytest_plugins = ["tests.cluster_fixtures"]

NAMES = [f"{n}.jpg" for n in range(4)]
SHORT_LEASE = 2  # seconds: long enough for some requests on a loaded machine


def test_an_album_is_restored_by_another_machine_and_its_reports_say_by_whom(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, NAMES)
    assert worker.work() == len(NAMES)
    job = wait_for_state(here.service, job, "done")
    check_nothing_lost(here.service, job)
    report = here.service.store.item(job.id, 2).report
    assert report["restored_by"] == {"machine": "attic", "kind": "avx2"}
    assert report["name"] == "2.jpg"
    assert states(here.service, job) == dict.fromkeys(NAMES, "done")


# Answers that get lost


def test_a_claim_whose_answer_got_lost_is_given_again_to_the_same_request(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, NAMES)
    first, again = worker.ask("request 1").json(), worker.ask("request 1").json()
    assert first == again
    assert here.service.store.job(job.id).counts["running"] == 1


def test_what_is_delivered_twice_is_recorded_once(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, ["a.jpg"])
    claim = worker.claim()
    data = worker.restore(claim)
    assert [worker.send(claim, data).status_code for _ in range(2)] == [200, 200]
    assert [worker.finish(claim, data).json() for _ in range(3)] == [{"send": False}] * 3
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))


def test_a_photo_without_a_face_is_passed_on_without_being_sent(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, ["landscape.jpg"])
    claim = worker.claim()
    report = worker.report(claim) | {"state": "no_face", "unchanged": True}
    assert worker.finish(claim, None, report=report).json() == {"send": False}
    job = wait_for_state(here.service, job, "done")
    assert here.service.store.result(job.id, 0).read_bytes() == b"landscape.jpg"
    assert here.service.store.item(job.id, 0).state == "no_face"


def test_an_original_can_be_fetched_in_parts_wherever_it_lies(here: Coordinator, tmp_path: Path):
    photo = tmp_path / "portrait.jpg"
    photo.write_bytes(b"portrait")
    worker = PlayedWorker(here.url)
    store = here.service.store
    job = store.create_job("album", "Summer 1931", RestoreOptions())
    store.add_originals(job.id, [NewPhoto(photo, "portrait.jpg")])
    here.service.runner.submit(job.id)
    claim = worker.claim()
    assert claim["original"] == {"sha256": "", "size": 8, "name": "portrait.jpg"}
    assert worker.original(claim, Range="bytes=3-") == b"trait"
    photo.unlink()
    gone = worker.session.get(f"{worker.url}/claims/{claim['claim']}/original", timeout=30)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_found")


def test_a_result_may_be_larger_than_any_other_request(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, ["a.jpg"])
    claim = worker.claim()
    data = worker.restore(claim).ljust(11_000_000)
    assert worker.send(claim, data).status_code == 200
    assert worker.finish(claim, data).status_code == 200
    job = wait_for_state(here.service, job, "done")
    assert here.service.store.result(job.id, 0).read_bytes() == data


def test_a_photo_that_is_restored_again_elsewhere_keeps_its_result_where_that_fails(
    here: Coordinator,
):
    worker = PlayedWorker(here.url)
    job = start(here.service, ["a.jpg"])
    worker.work()
    job = wait_for_state(here.service, job, "done")
    first = here.service.store.result(job.id, 0).read_bytes()
    here.service.runner.redo(job.id, 0, RestoreOptions(strength=90))
    claim = worker.claim()
    assert claim["options"]["strength"] == 90
    assert worker.fail(claim, "photo", "It is torn.") == 200
    wait_for_state(here.service, job, "done")
    assert here.service.store.result(job.id, 0).read_bytes() == first
    here.service.runner.redo(job.id, 0, RestoreOptions(strength=90))
    worker.work()
    wait_for_state(here.service, job, "done")
    assert b"restored at 90" in here.service.store.result(job.id, 0).read_bytes()


# What must not be taken


def test_a_damaged_result_is_refused_and_may_be_sent_again(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, ["a.jpg"])
    claim = worker.claim()
    data = worker.restore(claim)
    answer = worker.send(claim, data[:-1] + b"!", hashlib.sha256(data).hexdigest())
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "damaged")
    assert worker.finish(claim, data).json() == {"send": True}
    assert worker.carry_out(claim).status_code == 200
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))


def test_an_upload_that_breaks_off_leaves_nothing_and_may_be_sent_again(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, ["a.jpg"])
    claim = worker.claim()
    data = worker.restore(claim)
    begin_upload(here, worker, claim, data).close()
    assert worker.finish(claim, data).json() == {"send": True}
    assert worker.carry_out(claim).status_code == 200
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))
    wait_for(lambda: received(here) == set())


def test_an_upload_that_outlives_its_claim_leaves_nothing(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, ["a.jpg"])
    claim = worker.claim()
    data = worker.restore(claim)
    connection = begin_upload(here, worker, claim, data)
    wait_for(lambda: received(here))
    assert worker.fail(claim, "given-up") == 200
    connection.send(data[5:])
    assert connection.getresponse().status == 409
    assert received(here) == set()
    connection.close()
    assert worker.carry_out(worker.claim()).status_code == 200
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))


def test_a_result_whose_claim_ends_while_it_waits_for_its_turn_leaves_nothing(
    here: Coordinator, monkeypatch: pytest.MonkeyPatch
):
    worker = PlayedWorker(here.url)
    start(here.service, ["a.jpg"])
    claim = worker.claim()
    data, ends = worker.restore(claim), []

    class Slot:
        def acquire(self, timeout: float) -> bool:
            ends.append(worker.fail(claim, "given-up"))
            return True

        def release(self) -> None:
            pass

    monkeypatch.setattr(cluster, "result_slots", Slot())
    answer = worker.send(claim, data)
    assert (ends, answer.status_code, received(here)) == ([200], 409, set())


def begin_upload(
    here: Coordinator, worker: PlayedWorker, claim: dict, data: bytes
) -> http.client.HTTPConnection:
    """Send the first five bytes of a result."""
    connection = http.client.HTTPConnection("127.0.0.1", here.port, timeout=30)
    connection.putrequest("PUT", f"/cluster/v1/claims/{claim['claim']}/result")
    connection.putheader("Authorization", worker.session.headers["Authorization"])
    connection.putheader("X-Content-SHA256", hashlib.sha256(data).hexdigest())
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data[:5])
    return connection


def test_a_report_that_makes_no_sense_is_refused_and_the_claim_stays(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, ["a.jpg"])
    claim = worker.claim()
    data = worker.restore(claim)
    assert worker.send(claim, data).status_code == 200
    report = worker.report(claim)
    for wrong in (
        report | {"state": "failed"}, report | {"faces": "two"}, {}, None,
        report | {"seconds": {"network": "long"}}, report | {"seconds": {'x"} 1': 1.0}},
        report | {"notes": [1]},
    ):  # fmt: skip
        assert worker.finish(claim, data, report=wrong).status_code in (400, 422), wrong
    for wrong in (report | {"seconds": {"network": inf}}, report | {"faces": [{"score": [nan]}]}):
        message = {"report": wrong, "sha256": None, "suffix": ".jpg"}
        address = f"{worker.url}/claims/{claim['claim']}/finish"
        headers = {"Content-Type": "application/json"}
        answer = worker.session.post(address, json.dumps(message), headers=headers, timeout=30)
        assert answer.status_code in (400, 422), wrong
    for wrong in ("", "../../jobs.sqlite", "part", "A" * 64, "0" * 65):
        assert worker.finish(claim, data, sha256=wrong).status_code == 422, wrong
    assert worker.finish(claim, data, suffix=".html").status_code == 422
    assert worker.finish(claim, data, suffix="/../../x.jpg").status_code == 422
    assert worker.finish(claim, None).status_code == 422
    assert worker.finish(claim, data).status_code == 200
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))


def test_only_the_worker_that_has_a_claim_may_bring_its_result(here: Coordinator):
    worker, other = PlayedWorker(here.url), PlayedWorker(here.url, "cellar")
    start(here.service, ["a.jpg"])
    claim = worker.claim()
    assert other.send(claim, b"mine").status_code == 409
    assert other.finish(claim, b"mine").status_code == 409
    assert other.fail(claim, "photo") == 409
    assert worker.send({"claim": "../../../jobs"}, b"mine").status_code in (404, 409)
    assert worker.carry_out(claim).status_code == 200


def test_tokens_are_good_for_their_own_side_only_and_can_be_revoked(make_coordinator):
    here = make_coordinator(token="the-token-of-browsers")
    worker = PlayedWorker(here.url)
    for token, path, status in (
        (worker.session.headers["Authorization"], "/api/jobs", 401),
        ("Bearer the-token-of-browsers", "/api/jobs", 404),  # which this server does not have
        ("Bearer the-token-of-browsers", "/cluster/v1/beat", 401),
        ("Bearer ", "/cluster/v1/beat", 401),
    ):
        headers = {"Authorization": token}
        send = requests.post if "beat" in path else requests.get
        assert send(here.url + path, json={}, headers=headers, timeout=30).status_code == status
    start(here.service, NAMES)
    claim = worker.claim()
    here.service.others.forget(here.service.others.find("attic"))
    assert worker.finish(claim, b"late").status_code == 401
    assert worker.ask().status_code == 401
    other = PlayedWorker(here.url, "attic")
    assert other.claim()["attempt"] == 2


def test_a_wrong_key_lets_nobody_join_and_cannot_be_guessed(here: Coordinator):
    worker = PlayedWorker(here.url, join=False, key="is it this one?")
    assert worker.join().status_code == 403
    assert "new-key" in worker.join().json()["error"]["message"]
    assert {worker.join().status_code for _ in range(10)} == {403, 429}
    rows = (here.harness.outputs / ".gpen-webui" / "jobs.sqlite-wal").read_bytes()
    assert KEY.encode() not in rows


# Who may claim


@pytest.mark.parametrize(
    ("about", "code"),
    [({"version": "1931"}, "version"), ({"precision": "fast"}, "precision")],
)
def test_a_worker_that_would_restore_otherwise_gets_no_photo(here: Coordinator, about, code):
    worker = PlayedWorker(here.url)
    worker.about |= about
    start(here.service, NAMES)
    other = PlayedWorker(here.url, "cellar", join=False, **about)
    for answer in (worker.ask(), other.join()):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)


def test_a_worker_gets_photos_only_after_it_has_restored_the_probe_photo(here: Coordinator):
    worker = PlayedWorker(here.url, join=False)
    worker.join()
    start(here.service, NAMES)
    assert worker.ask().json()["error"]["code"] == "probe_first"
    claim = worker.post("probe").json()
    worker.send(claim, b"no picture")
    assert worker.finish(claim, b"no picture").status_code == 422
    assert worker.ask().json()["error"]["code"] == "probe_first"
    assert worker.beat()["reload"]
    assert worker.pass_probe().status_code == 200
    assert worker.beat() == {"drop": [], "drain": False, "reload": False, "wake": 4}
    assert worker.work() == len(NAMES)


def test_a_drained_worker_ends_what_it_has_and_gets_nothing_more(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, NAMES)
    claim = worker.claim()
    machines = here.service.others
    machines.drain(machines.find("attic"))
    assert worker.ask().json()["error"]["code"] == "drained"
    assert worker.beat(claim)["drain"]
    assert worker.carry_out(claim).status_code == 200
    machines.drain(machines.find("attic"), is_drained=False)
    assert worker.work() == len(NAMES) - 1
    wait_for_state(here.service, job, "done")


def test_a_single_photo_is_restored_here_unless_this_machine_is_busy(make_coordinator):
    here = make_coordinator(works_itself=True)
    worker = PlayedWorker(here.url)
    gate = here.harness.play.hold("a.jpg")
    other = here.harness.play.hold("b.jpg")
    start(here.service, ["a.jpg"], kind="photo")
    gate.wait_until_reached()
    assert worker.ask().status_code == 204
    start(here.service, ["b.jpg"], kind="photo")
    other.wait_until_reached()
    start(here.service, ["c.jpg"], kind="photo")
    assert worker.claim()["name"] == "c.jpg"


def test_an_album_stays_with_the_kind_of_machine_that_it_began_with(make_coordinator):
    here = make_coordinator(same_bytes=True)
    old, new = PlayedWorker(here.url, "old"), PlayedWorker(here.url, "new", kind="avx512")
    twin = PlayedWorker(here.url, "twin")
    first, second = start(here.service, NAMES), start(here.service, NAMES)
    claim = old.claim()
    assert claim["job"] == first.id
    claims = [claim, new.claim(), new.claim(), twin.claim(), twin.claim()]
    assert [each["job"] for each in claims] == [first.id, second.id, second.id, first.id, first.id]


def test_an_album_says_that_its_kind_of_machine_has_gone_until_one_is_back(make_coordinator):
    here = make_coordinator(same_bytes=True, lease_seconds=SHORT_LEASE)
    here.coordinator.machines.set_kind("another")
    old, new = PlayedWorker(here.url, "old"), PlayedWorker(here.url, "new", kind="avx512")
    job = start(here.service, NAMES)
    old.carry_out(old.claim())
    old.post("leave")
    store = here.service.store
    told = wait_for(lambda: store.job(job.id).reason)
    assert "(--same-bytes)" in told
    assert "kind, avx2, is at work (old began it)" in told
    assert store.job(job.id).eta_seconds is None
    assert here.service.events.replay(job.id)[-1]["error"]["message"] == told
    assert new.ask().status_code == 204
    twin = PlayedWorker(here.url, "twin")
    wait_for(lambda: store.job(job.id).reason is None)
    assert store.job(job.id).eta_seconds is not None
    twin.carry_out(twin.claim())
    twin.post("leave")
    wait_for(lambda: store.job(job.id).reason)
    here.close()
    here = make_coordinator(same_bytes=False)
    assert here.service.store.job(job.id).reason is None
    other = PlayedWorker(here.url, "other", kind="avx512")
    assert other.work() == len(NAMES) - 2
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))


# Machines that fall silent, and restarts


def test_a_photo_of_a_machine_that_fell_silent_is_restored_by_another_and_blamed_on_nobody(
    make_coordinator,
):
    here = make_coordinator(lease_seconds=SHORT_LEASE)
    silent, other = PlayedWorker(here.url), PlayedWorker(here.url, "cellar")
    job = start(here.service, ["a.jpg"])
    late = silent.claim()
    assert other.ask().status_code == 204
    wait_for(lambda: here.service.store.item(job.id, 0).state == "waiting")
    claim = other.claim()
    assert (claim["attempt"], claim["crashed_before"]) == (2, False)
    assert silent.send(late, b"late").status_code == 409
    assert silent.finish(late, b"late").status_code == 409
    assert silent.beat(late)["drop"] == [late["claim"]]
    assert other.carry_out(claim).status_code == 200
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))


def test_beats_keep_a_claim_while_the_leases_of_silent_machines_run_out(make_coordinator):
    here = make_coordinator(lease_seconds=SHORT_LEASE)
    worker, silent = PlayedWorker(here.url), PlayedWorker(here.url, "cellar")
    job = start(here.service, NAMES)
    claim = worker.claim()
    for _ in range(2):
        lost, dropped = silent.claim()["item"], []

        def is_lost(lost: int = lost, dropped: list = dropped) -> bool:
            dropped += worker.beat(claim)["drop"]
            return here.service.store.item(job.id, lost).state == "waiting"

        wait_for(is_lost)
        assert dropped == []
    assert worker.carry_out(claim).json() == {"send": False}


def test_after_a_restart_photos_stay_with_their_machines_and_are_not_blamed(make_coordinator):
    here = make_coordinator()
    worker = PlayedWorker(here.url)
    job = start(here.service, NAMES)
    delivered, held = worker.claim(), worker.claim()
    data = worker.restore(delivered)
    worker.send(delivered, data)
    here.close()
    again = make_coordinator()
    worker.url = again.url + "/cluster/v1"
    assert again.service.store.job(job.id).counts["running"] == 2
    assert worker.beat(delivered, held)["drop"] == []
    assert worker.finish(delivered, data).json() == {"send": False}
    assert worker.carry_out(held).json() == {"send": False}
    worker.work()
    check_nothing_lost(again.service, wait_for_state(again.service, job, "done"))
    assert {item.attempt for item in again.service.store.items(job.id)} == {1}
    assert again.service.store.crashes(job.id) == {}


def test_without_other_machines_after_a_restart_their_photos_wait_again(make_coordinator):
    here = make_coordinator()
    worker = PlayedWorker(here.url)
    job = start(here.service, NAMES)
    worker.claim()
    here.close()
    with_one = make_alone(here.harness)
    check_nothing_lost(with_one, wait_for_state(with_one, job, "done"))
    assert with_one.store.crashes(job.id) == {}


# What users do meanwhile


def test_cancel_pause_and_delete_while_three_photos_are_elsewhere(here: Coordinator):
    worker = PlayedWorker(here.url)
    cancelled, paused, deleted = (start(here.service, NAMES) for _ in range(3))
    claims = {claim["job"]: claim for claim in (worker.claim() for _ in range(3))}
    here.service.runner.cancel(cancelled.id)
    here.service.runner.pause(paused.id)
    here.service.runner.delete(deleted.id)
    dropped = worker.beat(*claims.values())["drop"]
    assert set(dropped) == {claims[cancelled.id]["claim"], claims[deleted.id]["claim"]}
    assert worker.carry_out(claims[paused.id]).status_code == 200
    for job in (cancelled, deleted):
        assert worker.finish(claims[job.id], b"late").status_code == 409
    assert worker.ask().status_code == 204
    assert not cancelled.folder.exists()
    here.service.runner.resume(paused.id)
    worker.work()
    check_nothing_lost(here.service, wait_for_state(here.service, paused, "done"))
    assert not deleted.folder.exists()


def test_a_result_for_which_there_is_no_room_is_brought_later(here: Coordinator, monkeypatch):
    worker = PlayedWorker(here.url)
    job = start(here.service, NAMES)
    claim = worker.claim()
    data = worker.restore(claim)

    def is_full(more: int) -> None:
        raise NoRoomError("The disk is full; make room.")

    with monkeypatch.context() as full:
        full.setattr("gpen_webui.web.cluster.check_room", is_full)
        assert worker.send(claim, data).status_code == 507
    paused = here.service.store.job(job.id)
    assert (paused.state, paused.reason) == ("paused", "The disk is full; make room.")
    assert worker.ask().status_code == 204
    assert worker.carry_out(claim).status_code == 200
    here.service.runner.resume(job.id)
    worker.work()
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))


def test_a_result_waits_with_its_worker_while_the_results_folder_is_away(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, NAMES)
    worker.carry_out(worker.claim())
    claim = worker.claim()
    away = job.folder.rename(job.folder.with_name("away"))
    data = worker.restore(claim)
    assert worker.send(claim, data).status_code == 200
    assert worker.finish(claim, data).status_code == 507
    paused = here.service.store.job(job.id)
    assert paused.state == "paused"
    assert "was removed" in paused.reason
    away.rename(job.folder)
    assert worker.finish(claim, data).json() == {"send": False}
    here.service.runner.resume(job.id)
    worker.work()
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))


# Photos and machines that fail


def test_a_photo_that_cannot_be_restored_fails_with_the_workers_words(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, ["torn.jpg"])
    assert worker.fail(worker.claim(), "photo", "torn.jpg is no photo.") == 200
    wait_for_state(here.service, job, "done")
    item = here.service.store.item(job.id, 0)
    assert item.error == {"stage": "network", "message": "torn.jpg is no photo."}


def test_a_photo_that_crashes_processes_is_alone_and_left_out_after_two_machines(
    here: Coordinator,
):
    worker, other = PlayedWorker(here.url), PlayedWorker(here.url, "cellar")
    job = start(here.service, ["poison.jpg"])
    for _ in range(2):
        claim = worker.claim()
        assert worker.fail(claim, "crashed") == 200
    assert worker.ask().status_code == 204  # another machine has to try it
    start(here.service, ["good.jpg"])
    good = other.claim()
    assert (good["name"], other.ask().status_code) == ("good.jpg", 204)  # it has to be alone
    assert other.carry_out(good).status_code == 200
    claim = other.claim()
    assert claim["crashed_before"]
    assert other.ask().status_code == 204
    assert other.fail(claim, "crashed") == 200
    wait_for_state(here.service, job, "done")
    assert states(here.service, job) == {"poison.jpg": "failed"}


def test_a_machine_that_fails_with_photo_after_photo_is_set_aside_and_no_photo_is_blamed(
    here: Coordinator,
):
    bad, good = PlayedWorker(here.url), PlayedWorker(here.url, "cellar")
    names = [f"{n}.jpg" for n in range(6)]
    job = start(here.service, names)
    for reason in ("machine", "crashed", "crashed", "machine", "crashed"):
        assert bad.fail(bad.claim(), reason, "The memory is broken.") == 200
    assert bad.ask().json()["error"]["code"] == "set_aside"
    assert here.service.store.crashes(job.id) == {}
    assert good.work() == len(names)
    check_nothing_lost(here.service, wait_for_state(here.service, job, "done"))
    assert bad.pass_probe().status_code == 200
    assert bad.ask().status_code == 204


def test_what_a_worker_gives_up_waits_again_and_is_not_counted(here: Coordinator):
    worker = PlayedWorker(here.url)
    job = start(here.service, NAMES)
    for _ in range(6):
        assert worker.fail(worker.claim(), "given-up") == 200
    worker.claim()
    assert worker.post("leave").status_code == 200
    assert here.service.store.job(job.id).counts["waiting"] == len(NAMES)
    assert here.service.store.crashes(job.id) == {}


def received(here: Coordinator) -> set[str]:
    return files_in(here.harness.outputs / ".gpen-webui" / "received")


def make_alone(harness: JobsHarness) -> JobService:
    """The same outputs, without other machines."""
    harness.settings = replace(harness.settings, cluster=None)
    return harness.open()
