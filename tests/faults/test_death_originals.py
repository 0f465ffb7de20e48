"""Results go where originals and other files of the user lie, and the process dies again and again.

However it dies, whatever it is asked next: no file that was there before is changed, and
nothing is left that is not a whole result.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.album import album, contents_of, write_files

PHOTOS = 8


def strangers(count: int) -> dict[str, bytes]:
    """Files of the user that have the names of results."""
    return {name: b"a precious file: " + name.encode() for name in album(count)}


def kill(process: subprocess.Popen) -> None:
    """As a power cut, or the kernel when memory is short."""
    process.kill()


def stop_politely(process: subprocess.Popen) -> None:
    """As a machine that shuts down."""
    process.terminate()


def press_ctrl_c_twice(process: subprocess.Popen) -> None:
    """As somebody in a hurry."""
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)


WAYS_TO_DIE: tuple[Callable[[subprocess.Popen], None], ...] = (
    kill,
    stop_politely,
    press_ctrl_c_twice,
)


class DyingRun:
    """A folder of photos whose results go to a folder that is full of the user's files."""

    def __init__(self, folder: Path, project: Path, seed: int, into_album: bool):
        self.photos = folder / "photos"
        self.results = self.photos if into_album else folder / "results"
        self.random = random.Random(seed)
        self._project = project
        self._outputs = folder / "outputs"
        write_files(self.photos, album(PHOTOS))
        self.before = album(PHOTOS)
        if not into_album:
            self.before = strangers(PHOTOS)
            for name, content in self.before.items():
                (self.results / name).parent.mkdir(parents=True, exist_ok=True)
                (self.results / name).write_bytes(content)

    def die(self, way: Callable[[subprocess.Popen], None], skip_existing: bool) -> None:
        """Begin, and die at a random moment."""
        process = self._start(skip_existing)
        for _ in range(self.random.randint(0, 3)):
            process.stdout.readline()
        time.sleep(self.random.choice([0, self.random.uniform(0, 0.3), self.random.uniform(0, 3)]))
        way(process)
        process.communicate(timeout=240)
        self.check_originals()

    def finish(self) -> dict[str, dict]:
        """Let it work in peace; the reports of the photos."""
        told, errors = self._start(skip_existing=False).communicate(timeout=240)
        assert json.loads(told.splitlines()[-1])["counts"]["done"] == PHOTOS, errors
        self.check_originals()
        report = json.loads((self.results / "report.json").read_text(encoding="utf-8"))
        return {photo["name"]: photo for photo in report["photos"]}

    def check_originals(self) -> None:
        """Nothing of the user's was changed."""
        there = contents_of(self.results)
        assert {name: there.get(name) for name in self.before} == self.before
        photos = contents_of(self.photos)
        assert {name: photos.get(name) for name in album(PHOTOS)} == album(PHOTOS)

    def _start(self, skip_existing: bool) -> subprocess.Popen:
        more = ["--skip-existing"] if skip_existing else []
        return subprocess.Popen(
            [sys.executable, "app.py", "restore", self.photos, "-o", self.results, "--json", *more],
            cwd=self._project,
            env={"GPEN_WEBUI_OUTPUTS": str(self._outputs), "PATH": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def check(run: DyingRun, undisturbed: dict[str, bytes]) -> None:
    """Everything is restored, and everything in the folder is somebody's."""
    reports = run.finish()
    there = contents_of(run.results)
    assert reports.keys() == album(PHOTOS).keys()
    for name, report in reports.items():
        assert report["result"] not in run.before
        assert there[report["result"]] == undisturbed[name]
    results = set(undisturbed.values())
    new = {name: data for name, data in there.items() if name not in run.before}
    del new["report.json"], new["report.html"]
    assert {name for name, data in new.items() if data not in results} == set()


@pytest.mark.parametrize("into_album", [True, False], ids=["the album itself", "strangers' files"])
def test_three_deaths_change_no_file_of_the_user(
    tmp_path, project, undisturbed, figures, into_album: bool
):
    run = DyingRun(tmp_path, project, seed=1, into_album=into_album)
    for way in WAYS_TO_DIE:
        run.die(way, skip_existing=run.random.random() < 0.5)
        figures["deaths beside the user's files"] += 1
    check(run, undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("into_album", [True, False], ids=["the album itself", "strangers' files"])
def test_a_hundred_deaths_change_no_file_of_the_user(
    tmp_path, project, undisturbed, figures, into_album: bool, seed: int
):
    run = DyingRun(tmp_path, project, seed, into_album)
    for death in range(10):
        run.die(WAYS_TO_DIE[death % 3], skip_existing=run.random.random() < 0.5)
        figures["deaths beside the user's files"] += 1
    check(run, undisturbed)


def test_a_photo_that_kills_the_command_is_left_out_after_the_third_time(tmp_path, project):
    photos, results = tmp_path / "photos", tmp_path / "results"
    write_files(photos, album(4))
    (photos / "crash.jpg").write_bytes(album(5)["1931/4.jpg"])

    def run(*more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "tests.faults.poisoned_server", "restore", photos,
             "-o", results, *more],
            cwd=project,
            env={"GPEN_WEBUI_OUTPUTS": str(tmp_path / "outputs"), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=240,
        )  # fmt: skip

    assert [run("--skip-existing").returncode for _ in range(3)] == [-signal.SIGSEGV] * 3
    for _ in range(2):  # and it stays left out
        done = run("--skip-existing")
        assert done.returncode == 1, done.stderr
        assert "crash.jpg crashed the restorer 3 times and was left out" in done.stderr
        report = json.loads((results / "report.json").read_text(encoding="utf-8"))
        states = {photo["name"]: photo["state"] for photo in report["photos"]}
        assert states == {**dict.fromkeys(album(4), "done"), "crash.jpg": "failed"}
        assert set(contents_of(results)) == {*album(4), "report.json", "report.html"}
    assert run().returncode == -signal.SIGSEGV  # asked for once more, it is tried once more
