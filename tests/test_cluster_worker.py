"""A worker against a coordinator that fails in every way: each photo is delivered once, whole.

The worker and its restoring process are the real ones; the pixels and the coordinator are played.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from gpen_webui.cluster.worker.client import AwayError, CoordinatorClient, RefusedError
from gpen_webui.cluster.worker.machine import environments, resolved_device
from gpen_webui.cluster.worker.work_folder import WorkFolder
from gpen_webui.cluster.worker.worker import Worker, WorkerOptions
from gpen_webui.errors import UserError
from gpen_webui.settings import Settings
from tests.checkpoint_bombs import RunsCode
from tests.played_coordinator import KEY, Photo, PlayedCoordinator
from tests.ports import free_port
from tests.waiting import wait_for
from tests.worker_kit import COMMAND, EMBEDDED, PROJECT, RunningWorker, check_restored

pytest_plugins = ["tests.worker_fixtures"]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are ended by signals")


def open_gate(folder: Path, name: str) -> None:
    (folder / name).touch()


def test_a_worker_proves_itself_then_restores_what_waits_and_leaves_no_photo_behind(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], tmp_path: Path
):
    photos = coordinator.add(*(f"{n}.jpg" for n in range(8)))
    [landscape] = coordinator.add("landscape.jpg")
    [bad] = coordinator.add("bad.jpg")
    [broken] = coordinator.add("broken.jpg")
    worker = start()
    coordinator.wait_until_ended([*photos, landscape, bad, broken])
    check_restored(photos)
    assert coordinator.probed == 1
    assert (landscape.ends[0]["sha256"], landscape.result) == (None, landscape.content)
    assert (bad.ends[0]["reason"], bad.ends[0]["stage"]) == ("photo", "open")
    assert bad.ends[0]["message"] == "bad.jpg is no photo."
    assert (broken.ends[0]["reason"], broken.ends[0]["stage"]) == ("machine", "network")
    worker.worker.stop()
    worker.join()
    assert worker.restored == 9
    assert coordinator.has_left
    kept = {path.name for path in (tmp_path / "work").rglob("*") if path.is_file()}
    assert kept == {"machine"}
    assert {beat["kind"] for beat in coordinator.beats[-1:]} == {"played"}


def test_every_lost_answer_and_refused_connection_is_made_good(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker]
):
    for kind in ("join", "probe", "original", "result", "finish", "fail", "claim", "beat", "leave"):
        coordinator.faults[kind] = ["lost", "away", "lost"]
    photos = coordinator.add("a.jpg", "b.jpg", "c.jpg")
    [bad] = coordinator.add("bad.jpg")
    worker = start()
    coordinator.wait_until_ended([*photos, bad])
    check_restored(photos)
    assert len(bad.ends) == 1
    worker.worker.stop()
    worker.join()
    assert coordinator.has_left
    assert not any(coordinator.faults.values()), "not every fault came about"


def test_a_result_is_kept_until_the_coordinators_disk_has_room_and_sent_again_if_it_broke(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker]
):
    worker = start()
    worker.wait_until_ready()
    coordinator.faults["result"] = ["full", "broken", "full", "broken"]
    coordinator.faults["finish"] = ["full", "proxy", "full"]
    coordinator.faults["beat"] = ["proxy"]
    [photo] = coordinator.add("a.jpg")
    coordinator.wait_until_ended([photo])
    check_restored([photo])
    assert coordinator.asked["original"] == 2, "it was fetched once more for each try"


def test_an_original_that_broke_off_is_gone_on_with_and_the_same_is_not_fetched_twice(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker]
):
    worker = start(slots=1)
    worker.wait_until_ready()
    coordinator.ranges.clear()
    coordinator.faults["original"] = ["cut"]
    content = bytes(1 << 20)
    first, second = Photo("first.jpg", content), Photo("second.jpg", content)
    coordinator.photos += [first, second]
    coordinator.wait_until_ended([first, second])
    check_restored([first, second])
    assert coordinator.ranges == [None, f"bytes={1 << 19}-"]


def test_two_photos_of_the_same_file_are_restored_at_once_from_one_download(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], tmp_path: Path
):
    worker = start(slots=2)
    worker.wait_until_ready()
    coordinator.ranges.clear()
    twins = [Photo("wait-one.jpg", b"the same"), Photo("wait-two.jpg", b"the same")]
    coordinator.photos += twins
    wait_for(lambda: str(coordinator.beats[-1]["claims"]).count("network") == 2)
    for twin in twins:
        open_gate(tmp_path, twin.name)
    coordinator.wait_until_ended(twins)
    check_restored(twins)
    assert len(coordinator.ranges) == 1


def test_a_photo_that_is_no_longer_what_was_recorded_is_left_to_the_coordinator(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker]
):
    worker = start(slots=1)
    worker.wait_until_ready()
    coordinator.ranges.clear()
    [changed] = coordinator.add("changed.jpg", recorded="0" * 64)
    coordinator.wait_until_ended([changed])
    assert changed.ends[0]["reason"] == "machine"
    assert "may have been changed there" in changed.ends[0]["message"]
    assert len(coordinator.ranges) == 3


def test_a_photo_that_kills_the_process_is_reported_and_costs_no_other_photo(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker]
):
    crash = Photo("crash.jpg", b"crash", crashed_before=True)  # so it is restored alone
    photos = coordinator.add("a.jpg", "b.jpg")
    coordinator.photos.append(crash)
    photos += coordinator.add("c.jpg", "d.jpg")
    start()
    coordinator.wait_until_ended([*photos, crash])
    check_restored(photos)
    [end] = crash.ends
    assert (end["reason"], end["stage"]) == ("crashed", "network")
    assert "SIGKILL" in end["message"]


def test_a_native_call_that_hangs_is_ended_and_its_neighbour_is_begun_again(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], tmp_path: Path
):
    worker = start()
    worker.wait_until_ready()
    [neighbour] = coordinator.add("wait-neighbour.jpg")
    coordinator.wait_until_claimed(neighbour)
    [hang] = coordinator.add("hang.jpg", seconds=0.5)
    coordinator.wait_until_ended([hang])
    open_gate(tmp_path, "wait-neighbour.jpg")
    coordinator.wait_until_ended([neighbour])
    [end] = hang.ends
    assert (end["reason"], end["stage"]) == ("photo", "network")
    assert end["message"].startswith("hang.jpg took longer than 0.5 seconds while restoring")
    check_restored([neighbour])
    assert coordinator.asked["original"] == 3


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_a_photo_that_takes_memory_without_end_is_ended_and_reported(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker]
):
    worker = start(memory=600 << 20)
    worker.wait_until_ready()
    [hunger] = coordinator.add("hunger.jpg")
    coordinator.wait_until_ended([hunger])
    photos = coordinator.add("a.jpg")
    coordinator.wait_until_ended(photos)
    check_restored(photos)
    assert hunger.ends[0]["reason"] == "crashed"
    assert "0.6 GB of memory" in hunger.ends[0]["message"]


def test_a_claim_that_was_taken_back_is_dropped_and_nothing_of_it_is_delivered(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], tmp_path: Path
):
    worker = start(slots=1)
    worker.wait_until_ready()
    [photo] = coordinator.add("wait.jpg")
    claim = coordinator.wait_until_claimed(photo)
    wait_for(lambda: any(each["stage"] == "network" for each in coordinator.beats[-1]["claims"]))
    coordinator.photos.remove(photo)
    coordinator.take_back(photo)
    open_gate(tmp_path, "wait.jpg")
    photos = coordinator.add("next.jpg")
    coordinator.wait_until_ended(photos)
    assert (photo.ends, coordinator.uploads) == ([], {})
    wait_for(lambda: claim not in str(coordinator.beats[-1]))


def test_a_worker_rests_while_the_coordinator_wants_it_to_and_proves_itself_where_asked(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker]
):
    worker = start()
    worker.wait_until_ready()
    coordinator.drain = True
    wait_for(lambda: worker.said("lets this machine rest"))
    photos = coordinator.add("a.jpg")
    claims = coordinator.asked["claim"]
    beats = len(coordinator.beats)
    wait_for(lambda: len(coordinator.beats) > beats + 8)
    assert coordinator.asked["claim"] <= claims + 2, "it asked for photos while it should rest"
    assert not photos[0].claim
    coordinator.drain, coordinator.refused = False, (409, "set_aside", "It failed five times.")
    wait_for(lambda: coordinator.probed > 2)
    coordinator.refused = None
    coordinator.wait_until_ended(photos)
    check_restored(photos)


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        ((409, "version", "It runs another version."), "It runs another version."),
        ((401, "no_access", "This machine was forgotten."), "This machine was forgotten."),
    ],
)
def test_a_worker_that_is_not_wanted_ends_with_the_coordinators_sentence(
    coordinator: PlayedCoordinator,
    start: Callable[..., RunningWorker],
    refused: tuple[int, str, str],
    words: str,
):
    worker = start()
    worker.wait_until_ready()
    coordinator.refused = refused
    worker.join()
    assert str(worker.error) == words


def test_a_wrong_key_and_a_wrong_address_are_said_in_words(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], tmp_path: Path
):
    worker = start(key="another key")
    worker.join()
    assert str(worker.error) == "The key is not the one of this server."
    with pytest.raises(UserError, match="no address of a coordinator"):
        Worker(WorkerOptions("", KEY, "box"), Settings(), WorkFolder(tmp_path / "other"), print)
    encrypted = CoordinatorClient(coordinator.url.replace("http:", "https:"))
    with pytest.raises(RefusedError, match="does not encrypt; give it as http://"):
        encrypted.leave()


def test_the_test_of_a_worker_goes_the_whole_way_and_says_what_is_wrong(
    coordinator: PlayedCoordinator, tmp_path: Path
):
    lines: list[str] = []
    options = WorkerOptions(coordinator.url, KEY, "box", 1, command=COMMAND)
    for refused, last in (
        (None, "The probe photo came back whole"),
        ((409, "precision", "Start it with --precision exact."), "Start it with"),
    ):
        coordinator.refused, folder = refused, WorkFolder(tmp_path / "work")
        try:
            Worker(options, Settings(models=PROJECT / "models"), folder, lines.append).test()
        except UserError as error:
            lines.append(str(error))
        finally:
            folder.close()
        assert lines[-1].startswith(last)
    assert (coordinator.probed, coordinator.has_left) == (2, True)


def test_the_test_of_a_worker_ends_where_nobody_answers(tmp_path: Path):
    lines: list[str] = []
    options = WorkerOptions(f"127.0.0.1:{free_port()}", KEY, "box", 1, command=COMMAND)
    with pytest.raises(AwayError, match=r"does not answer \(Connection refused\); check that"):
        Worker(options, Settings(), WorkFolder(tmp_path / "work"), lines.append).test()


def test_the_first_stop_finishes_what_is_in_progress_and_the_second_gives_it_back(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], tmp_path: Path
):
    worker = start(slots=1)
    worker.wait_until_ready()
    first, second = coordinator.add("wait-first.jpg", "wait-second.jpg")
    coordinator.wait_until_claimed(first)
    worker.worker.stop()
    open_gate(tmp_path, "wait-first.jpg")
    worker.join()
    check_restored([first])
    assert not second.claim
    again = start(slots=1)
    coordinator.wait_until_claimed(second)
    again.worker.stop()
    again.worker.give_up()
    again.join()
    assert (second.ends, again.restored) == ([], 0)


@pytest.mark.slow
def test_a_model_that_is_missing_here_is_fetched_once(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], tmp_path: Path
):
    empty = tmp_path / "models"
    empty.mkdir()
    coordinator.model_name = "studio-256"
    coordinator.faults["model"] = ["cut", "away"]
    worker = start(models=empty)
    worker.wait_until_ready()
    assert coordinator.asked["model"] == 3
    assert worker.said("Fetching the model studio-256 (15 MB)")
    worker.worker.stop()
    worker.join()
    [kept] = (tmp_path / "work" / "models" / coordinator.model_sha256).glob("*.safetensors")
    assert kept.read_bytes() == EMBEDDED.read_bytes()
    start(models=empty).wait_until_ready()
    assert coordinator.asked["model"] == 3, "it was fetched again"


def test_a_model_that_would_run_code_is_refused(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], tmp_path: Path
):
    coordinator.use_model(
        tmp_path / "trap.pth", pickle.dumps({"weight": RunsCode(tmp_path / "ran")})
    )
    coordinator.faults["model"] = ["cut", "away"]
    worker = start()
    worker.join()
    assert coordinator.asked["model"] == 3
    assert "The probe photo could not be restored: trap.pth" in str(worker.error)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("odd", ["claim", "original"])
def test_a_coordinator_can_name_no_file_outside_of_the_workers_folder(
    coordinator: PlayedCoordinator,
    start: Callable[..., RunningWorker],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    odd: str,
):
    own = tmp_path / "own.jpg"
    own.write_bytes(b"nobody else's")
    claimed, outside = coordinator.claimed, f"../../{own.name}"

    def with_path(claim: str) -> dict:
        told = claimed(claim)
        return (
            told
            | {
                "claim": {"claim": outside},
                "original": {"original": told["original"] | {"sha256": outside}},
            }[odd]
        )

    monkeypatch.setattr(coordinator, "claimed", with_path)
    worker = start()
    worker.join()
    assert "names a photo as no coordinator does" in str(worker.error)
    assert own.read_bytes() == b"nobody else's"
    assert coordinator.uploads == {}


def test_two_workers_of_one_name_do_not_share_a_folder(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], tmp_path: Path
):
    start()
    with pytest.raises(UserError, match=r"already works in .*another --name"):
        WorkFolder(tmp_path / "work")


def test_each_gpu_gets_a_process_of_its_own_that_sees_no_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert environments("cuda") == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "3"}]
    assert environments("cpu") == [{}]
    assert resolved_device("auto") == "cuda"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert environments("cuda") == [{}]
    assert resolved_device("auto") in ("cpu", "mps")
