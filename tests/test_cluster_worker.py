"""A worker against a coordinator that fails in every way: each photo is delivered once, whole.

The worker and its restoring process are the real ones; the pixels and the coordinator are played.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from gpen_webui.cluster.worker.work_folder import WorkFolder
from gpen_webui.cluster.worker.worker import Worker, WorkerOptions
from gpen_webui.errors import UserError
from gpen_webui.options import RestoreOptions
from gpen_webui.settings import Settings
from tests.jobs_kit import restored_text
from tests.played_coordinator import KEY, Photo, PlayedCoordinator
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are ended by signals")

PROJECT = Path(__file__).resolve().parent.parent
EMBEDDED = PROJECT / "models" / "gpen-mini-256.safetensors"
COMMAND = (sys.executable, "-m", "tests.worker_child", "played")


class RunningWorker:
    """A worker in a thread of this process. lines: what it said. error: how it ended."""

    def __init__(self, coordinator: PlayedCoordinator, folder: Path, **options: object):
        self.lines: list[str] = []
        self.error: UserError | None = None
        self.restored = -1
        self.folder = WorkFolder(folder)
        defaults = {"slots": 2, "ask_seconds": 0.1, "command": COMMAND, "key": KEY, "name": "box"}
        settings = Settings(models=options.pop("models", PROJECT / "models"))
        self.worker = Worker(
            WorkerOptions(coordinator.url, **(defaults | options)),
            settings,
            self.folder,
            self.lines.append,
        )
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.restored = self.worker.run()
        except UserError as error:
            self.error = error
        finally:
            self.folder.close()

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.said("Ready") or self.error, said=lambda: str(self.lines))
        assert not self.error, self.error

    def said(self, words: str) -> bool:
        return any(words in line for line in self.lines)

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive(), self.lines


@pytest.fixture
def coordinator() -> Iterator[PlayedCoordinator]:
    played = PlayedCoordinator(EMBEDDED)
    yield played
    played.close()


@pytest.fixture
def start(
    coordinator: PlayedCoordinator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., RunningWorker]]:
    monkeypatch.setenv("GATES", str(tmp_path))
    workers: list[RunningWorker] = []

    def begin(**options: object) -> RunningWorker:
        workers.append(RunningWorker(coordinator, tmp_path / "work", **options))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.worker.give_up()
        worker.join()


def open_gate(folder: Path, name: str) -> None:
    (folder / name).touch()


def check_restored(photos: list[Photo]) -> None:
    """Each was recorded once, with the only right result."""
    for photo in photos:
        [end] = photo.ends
        assert "report" in end, end
        assert photo.result == restored_text(photo.content, RestoreOptions())


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
    coordinator.faults["finish"] = ["full", "full"]
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


def test_a_model_that_is_missing_here_is_fetched_once_and_one_that_runs_code_is_refused(
    coordinator: PlayedCoordinator,
    start: Callable[..., RunningWorker],
    tmp_path: Path,
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


def test_two_workers_of_one_name_do_not_share_a_folder(
    coordinator: PlayedCoordinator, start: Callable[..., RunningWorker], tmp_path: Path
):
    start()
    with pytest.raises(UserError, match=r"already works in .*another --name"):
        WorkFolder(tmp_path / "work")
