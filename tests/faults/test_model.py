"""Weights that change under the server's feet, and downloads that are cut off anywhere."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gpen_webui.models.download import download_model
from tests.faults.album import album, contents_of
from tests.faults.test_disk import COUNT, check_all_done, wait_for_some
from tests.faults.test_poison import wait_through_crashes
from tests.file_server import FileServer
from tests.reference_case import ReferenceCase
from tests.server import Server

NAME = "gpen-bfr-256"
EMBEDDED = "gpen-mini-256.safetensors"


@pytest.fixture
def models(project: Path, tmp_path: Path) -> Path:
    """A models folder of our own, with the embedded model."""
    models = tmp_path / "models"
    models.mkdir()
    for path in (project / "models").iterdir():
        if path.is_file():
            shutil.copy(path, models)
    return models


def replace(path: Path) -> None:
    """Another file takes its place."""
    other = path.with_name("other")
    other.write_bytes(bytes(reversed(path.read_bytes())))
    os.replace(other, path)


def truncate(path: Path) -> None:
    """The file itself loses its second half."""
    os.truncate(path, path.stat().st_size // 2)


HARMS = {"replaced": replace, "truncated": truncate, "deleted": Path.unlink}


@pytest.mark.parametrize(
    "harm",
    ["truncated", *(pytest.param(h, marks=pytest.mark.slow) for h in ("replaced", "deleted"))],
)
def test_an_album_under_way_does_not_notice_what_happens_to_the_weights(
    models: Path, tmp_path: Path, undisturbed, harm: str
):
    with Server(tmp_path / "outputs", "--models", str(models)) as server:
        job = server.new_album(list(album(COUNT).items()))
        wait_for_some(server, job)
        HARMS[harm](models / EMBEDDED)
        check_all_done(server, job, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_cache_is_made_anew_even_if_it_ends_the_working_process(
    models: Path, tmp_path: Path, undisturbed, harm: str
):
    with Server(tmp_path / "outputs", "--models", str(models)) as server:
        job = server.new_album(list(album(COUNT).items()))
        wait_for_some(server, job)
        for path in (models / ".cache").rglob("network.*"):
            HARMS[harm](path)
        wait_through_crashes(server, job)
        check_all_done(server, job, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["truncated", "replaced"])
def test_harmed_weights_are_named_and_the_album_waits_for_better_ones(
    models: Path, tmp_path: Path, undisturbed, harm: str
):
    good = (models / EMBEDDED).read_bytes()
    with Server(tmp_path / "outputs", "--models", str(models)) as server:
        server.wait_for(server.new_album(list(album(2).items())))
    HARMS[harm](models / EMBEDDED)
    with Server(tmp_path / "outputs", "--models", str(models)) as server:
        job = server.new_album(list(album(COUNT).items()))
        paused = server.wait_for(job, states=("paused",))
        assert "gpen-mini-256" in paused["reason"]
        assert paused["counts"]["failed"] == 0
        health = server.get("/api/health")
        assert (health.status_code, health.json()["message"]) == (503, paused["reason"])
        (models / EMBEDDED).write_bytes(good)
        assert server.post(f"/api/jobs/{job}/resume").status_code == 200
        check_all_done(server, job, undisturbed)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    tiny = Path(__file__).resolve().parent.parent / "data" / "tiny-64.npz"
    path = tmp_path_factory.mktemp("weights") / "official.pth"
    torch.save({name: value.half() for name, value in ReferenceCase(tiny).state().items()}, path)
    return path.read_bytes()


@pytest.mark.parametrize("cuts", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_a_download_cut_at_any_byte_is_completed(weights, tmp_path: Path, figures, cuts: int):
    anywhere = random.Random(cuts)
    ends = [0, 1, len(weights) - 1, *(anywhere.randrange(len(weights)) for _ in range(cuts - 3))]
    with FileServer(weights).running() as server:
        for end in ends:
            models = tmp_path / str(end)
            server.cut_at = end
            try:
                download_model(NAME, models, sources=[server.url("cut")], stall_seconds=2)
            except Exception as error:
                assert NAME in str(error)  # noqa: PT017 - it may succeed by itself
            server.cut_at = len(weights)
            model = download_model(NAME, models, sources=[server.url("cut")], stall_seconds=2)
            assert contents_of(models).get(model.path.name) == weights
            assert {path.name for path in models.iterdir()} <= {
                f"{NAME}.pth", ".records.json", ".records.copy.json"
            }  # fmt: skip
    figures["downloads cut off and completed"] += len(ends)


DOWNLOAD = """
import sys
from pathlib import Path
from gpen_webui.models.download import download_model
tell = lambda done, total: print(done, flush=True)
download_model(sys.argv[1], Path(sys.argv[2]), sources=[sys.argv[3]], on_progress=tell)
"""


def test_a_download_whose_process_is_killed_is_completed(weights, tmp_path, project, figures):
    with FileServer(weights).running() as server:
        server.slowly = 0.05
        command = [sys.executable, "-c", DOWNLOAD, NAME, str(tmp_path), server.url("whole")]
        process = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)
        arrived = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.communicate()
        model = download_model(NAME, tmp_path, sources=[server.url("whole")])
        assert model.path.read_bytes() == weights
        assert server.requests[-1][1] not in (None, "bytes=0-"), f"{arrived} bytes were there"
    figures["downloads cut off and completed"] += 1
