"""Nothing leaves this machine, and nothing is written outside the program's own folders.

The commands run as a user starts them, with an empty home folder, under strace.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gpen_webui.privacy import keep_private
from tests.extras import needs_extras
from tests.server import ASTRONAUT, Server, small_photo
from tests.system_calls import Watch, why_not

needs_strace = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
SILENCING = ("CI", "TF_BUILD", "JENKINS_URL", "DO_NOT_TRACK", "MPLCONFIGDIR")


class Surroundings:
    """An empty home, and folders of its own for everything that a command may write."""

    def __init__(self, folder: Path, models: Path, project: Path):
        self.home, self.temporary = folder / "home", folder / "temporary"
        self.outputs, self.models = folder / "outputs", models
        for made in (self.home, self.temporary, self.outputs):
            made.mkdir()
        self.own = (self.temporary, self.outputs, self.models, project / ".cache")
        # Where the tests run in CI, or switch reporting off themselves, it would be off anyhow.
        environment = {name: value for name, value in os.environ.items() if name not in SILENCING}
        environment = {
            name: value for name, value in environment.items() if not name.startswith("XDG_")
        }
        self.environment = environment | {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "GPEN_WEBUI_OUTPUTS": str(self.outputs),
            "GPEN_WEBUI_MODELS": str(self.models),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def left_behind(self) -> list[str]:
        """What lies in the home folder or among the temporary files."""
        return [str(path) for folder in (self.home, self.temporary) for path in folder.rglob("*")]


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    watch.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder that is new to the first test: PyTorch and OpenVINO both work there."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def surroundings(tmp_path: Path, models: Path, project: Path) -> Surroundings:
    return Surroundings(tmp_path, models, project)


def run(watch: Watch, surroundings: Surroundings, project: Path, *arguments: str) -> None:
    done = subprocess.run(
        [*watch.prefix, sys.executable, str(project / "app.py"), *arguments],
        env=surroundings.environment,
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def assert_private(watch: Watch, surroundings: Surroundings) -> None:
    assert watch.calls_to_other_machines() == []
    assert watch.writes_outside(*surroundings.own) == []
    assert surroundings.left_behind() == []


@needs_strace
def test_restore_asks_no_other_machine_and_writes_only_to_its_own_folders(
    watch: Watch, surroundings: Surroundings, project: Path
):
    photo = surroundings.outputs / "photo.jpg"
    photo.write_bytes(small_photo())
    run(watch, surroundings, project, "restore", str(photo))
    assert_private(watch, surroundings)


@needs_strace
def test_the_server_asks_no_other_machine_and_writes_only_to_its_own_folders(
    watch: Watch, surroundings: Surroundings, project: Path
):
    with Server(
        surroundings.outputs,
        environment=surroundings.environment,
        prefix=watch.prefix,
    ) as server:
        for page in ("/", "/batch", "/models", "/api/models", "/api/health"):
            assert server.get(page).status_code == 200
        album = server.new_album([("photo.jpg", small_photo())])
        assert server.wait_for(album)["counts"]["done"] == 1
        psutil.Process(server.process.pid).children()[0].terminate()  # strace itself is deaf
        assert server.process.wait(60) == 0
    assert_private(watch, surroundings)


@needs_strace
@pytest.mark.slow
def test_the_benchmark_asks_no_other_machine_and_writes_only_to_its_own_folders(
    watch: Watch, surroundings: Surroundings, project: Path
):
    run(watch, surroundings, project, "bench", "--quick", "--photos", "1")
    assert_private(watch, surroundings)


@needs_strace
@needs_extras
@pytest.mark.slow
def test_training_asks_no_other_machine_and_writes_only_to_its_own_folders(
    watch: Watch, surroundings: Surroundings, project: Path
):
    photos, faces = surroundings.outputs / "photos", surroundings.outputs / "faces"
    photos.mkdir()
    (photos / "one.jpg").write_bytes(ASTRONAUT.read_bytes())
    run(
        watch,
        surroundings,
        project,
        "train",
        "prepare",
        str(photos),
        "-o",
        str(faces),
        "--size",
        "128",
    )
    assert_private(watch, surroundings)
    for number in range(8):  # people; some are held out
        (faces / f"{number:04}--other-1.jpg").write_bytes(small_photo(number, side=256))
    small = "--size 64 --narrow 0.03125 --batch 2 --steps 2 --device cpu --stage fidelity".split()
    trained = surroundings.outputs / "trained"
    run(watch, surroundings, project, "train", "run", str(faces), "-o", str(trained), *small)
    run(
        watch,
        surroundings,
        project,
        "train",
        "evaluate",
        str(trained / "last.safetensors"),
        str(faces),
        "--count",
        "1",
    )
    assert_private(watch, surroundings)


def test_openvino_is_used_without_the_parts_that_report(project: Path):
    code = (
        "import importlib.util, sys, gpen_webui, openvino; openvino.Core(); "
        "loaded = [name for name, module in sys.modules.items() "
        "if module and name.startswith(('openvino.tools.ovc', 'openvino_telemetry'))]; "
        "print(loaded, importlib.util.find_spec('openvino_telemetry'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
    assert done.stdout == "[] None\n", done.stderr


def test_a_cache_folder_that_the_user_has_chosen_stays():
    environment = {"MPLCONFIGDIR": "/chosen"}
    keep_private({}, environment)
    assert environment["MPLCONFIGDIR"] == "/chosen"
    assert environment["DO_NOT_TRACK"] == "1"


@needs_strace
def test_the_watch_notices_connections_queries_and_writes(watch: Watch, tmp_path: Path):
    code = f"""
import os, socket
def attempt(family, *address):
    try: socket.socket(family, socket.SOCK_DGRAM).connect(address)
    except OSError: pass
attempt(socket.AF_INET, "127.0.0.1", 80)
attempt(socket.AF_INET, "127.0.0.53", 53)
attempt(socket.AF_INET, "192.0.2.1", 443)
attempt(socket.AF_INET6, "2001:db8::1", 443)
if os.fork() == 0:
    os.chdir({str(tmp_path)!r})
    open("made", "w").close(); os.rename(os.path.abspath("made"), os.path.abspath("moved"))
    os.mkdir(os.path.abspath("folder"))
else:
    os.wait()
"""
    subprocess.run([*watch.prefix, sys.executable, "-c", code], check=True)
    assert len(watch.calls_to_other_machines()) == 3
    assert len(watch.writes_outside(tmp_path.parent / "elsewhere")) == 3
    assert watch.writes_outside(tmp_path) == []
