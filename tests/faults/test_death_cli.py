"""`restore --skip-existing` is killed again and again, and nothing is lost or done twice.

As for the server: SIGKILL at seeded moments, also right after a photo was told as done, then
a run in peace. The results are those of an undisturbed run, to the last byte.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpen_webui.states import RESTORED_ITEMS
from tests.faults.album import PHOTOS, album, contents_of, old_prints, write_files
from tests.faults.conftest import results_in_peace

EVERYTHING = (
    "--repair auto --fade auto --enlarge 2 --background clean --denoise 40 --sharpen 20 "
    "--contrast 10 --brightness 5 --enhance-detail --upright"
).split()


class KilledRun:
    """A folder of photos, restored by a command that dies."""

    def __init__(
        self, folder: Path, project: Path, files: dict[str, bytes], seed: int, *options: str
    ):
        self.photos, self.results = folder / "photos", folder / "results"
        self.files, self.names = files, list(files)
        self.options = options
        self.random = random.Random(seed)
        self.told: set[str] = set()
        self._project = project
        self._outputs = folder / "outputs"
        write_files(self.photos, files)

    def kill_after(self, seconds: float) -> None:
        """Kill it after this time."""
        process = self._start()
        time.sleep(seconds)
        self._kill(process)

    def kill_when_told(self, count: int) -> None:
        """Kill it a moment after so many photos were told as done in this run."""
        process = self._start()
        for line in process.stdout:
            photo = json.loads(line)
            if "name" not in photo or photo.get("skipped"):
                continue
            self._note(photo)
            count -= 1
            if count <= 0:
                break
        time.sleep(self.random.choice([0, self.random.uniform(0, 0.05)]))
        self._kill(process)

    def finish(self) -> None:
        """Let it work in peace."""
        told, errors = self._start().communicate(timeout=1800)
        lines = [json.loads(line) for line in told.splitlines()]
        photos = {photo["name"]: photo for photo in lines[:-1]}
        assert photos.keys() == set(self.names), errors
        assert self.told <= {name for name, photo in photos.items() if photo.get("skipped")}
        for name, photo in photos.items():
            if photo["state"] == "failed":  # three of the deaths met it
                assert "crashed the restorer 3 times" in photo["error"]["message"]
                self._restore_again(name)
            else:
                assert photo["state"] in RESTORED_ITEMS

    def _restore_again(self, name: str) -> None:
        """As somebody does whose photo was left out: name it alone."""
        folder = self.results / Path(name).parent
        command = [sys.executable, "app.py", "restore", self.photos / name, "-o", folder]
        command += self.options
        subprocess.run(command, cwd=self._project, env=self._environment, check=True)
        for report in ("report.json", "report.html"):
            (folder / report).unlink()

    @property
    def _environment(self) -> dict[str, str]:
        return {"GPEN_WEBUI_OUTPUTS": str(self._outputs), "PATH": ""}

    def _start(self) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "app.py", "restore", self.photos, "-o", self.results, "--json",
             "--skip-existing", *self.options],
            cwd=self._project,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def _kill(self, process: subprocess.Popen) -> None:
        process.kill()
        for line in process.communicate()[0].splitlines(keepends=True):
            if line.endswith("\n") and "name" in (photo := json.loads(line)):
                self._note(photo)

    def _note(self, photo: dict) -> None:
        if not photo.get("skipped"):
            assert photo["name"] not in self.told, "it was restored twice"
            self.told.add(photo["name"])


def check(run: KilledRun, undisturbed: dict[str, bytes]) -> None:
    """Every photo was restored once, the same as in peace; nothing else is there."""
    run.finish()
    results = contents_of(run.results)
    report = json.loads(results.pop("report.json"))
    assert results.pop("report.html")
    assert results == {name: undisturbed[name] for name in run.names}
    assert {photo["name"] for photo in report["photos"]} == set(run.names)
    ended = ("done", "no_face", "failed")
    assert sum(report["counts"][state] for state in ended) == len(run.names)
    assert contents_of(run.photos) == run.files


def test_three_deaths_of_the_command_lose_nothing(tmp_path, project, undisturbed, figures):
    run = KilledRun(tmp_path, project, album(16), 1)
    run.kill_after(0.3)
    run.kill_when_told(1)
    run.kill_when_told(5)
    check(run, undisturbed)
    figures["deaths of the command survived"] += 3


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_deaths_of_the_command_lose_nothing(
    tmp_path, project, undisturbed, figures, seed: int
):
    run = KilledRun(tmp_path, project, album(PHOTOS), seed)
    for kill in range(10):
        if kill % 3 == 0:
            run.kill_after(run.random.uniform(0.2, 3))
        else:
            run.kill_when_told(run.random.randint(1, 5))
    check(run, undisturbed)
    figures["deaths of the command survived"] += 10


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_old_prints_with_everything_on_survive_deaths(tmp_path, project, figures):
    files = old_prints(100)
    undisturbed = results_in_peace(project, tmp_path / "peace", files, *EVERYTHING)
    run = KilledRun(tmp_path, project, files, 5, *EVERYTHING)
    for kill in range(6):
        if kill % 2:
            run.kill_after(run.random.uniform(1, 8))  # in the middle of any stage
        else:
            run.kill_when_told(run.random.randint(1, 20))
    check(run, undisturbed)
    figures["deaths of the command survived"] += 6
