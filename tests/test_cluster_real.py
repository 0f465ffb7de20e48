"""The real server and real workers, with the embedded model: the same bytes as from one machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster_kit import KEY
from tests.cluster_processes import WorkerProcesses
from tests.server import PROJECT, Server, small_photo
from tests.tiny_enlarging import COMPACT, drawn_network, save_published
from tests.tiny_parsing import bright_is_skin, save_parser

pytest_plugins = ["tests.cluster_fixtures"]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are ended by signals")

# They need networks that only the server has.
OPTIONS = {"face_mask": "parse", "enlarge": "2", "enlarge_model": "our-x4"}
PHOTOS = [(f"{n}.jpg", small_photo(n, 192)) for n in range(8)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    models = tmp_path / "models"
    models.mkdir()
    save_parser(bright_is_skin(), models / "parsenet.pth")
    save_published(drawn_network(COMPACT), models / "our-x4.pth")
    environment = {
        "GPEN_WEBUI_CLUSTER_KEY": KEY,
        "GPEN_WEBUI_LEASE_SECONDS": "3",
        "GPEN_WEBUI_MODELS": str(models),
    }
    options = ("--cluster", "none", "--workers", "1")
    with Server(tmp_path / "outputs", *options, environment=environment) as running:
        yield running


def results(server: Server, job: str) -> list[bytes]:
    folder = server.outputs / server.job(job)["folder"]
    return [(folder / name).read_bytes() for name, _ in PHOTOS]


def restorers(server: Server, job: str) -> list[str]:
    reports = [server.get(f"/api/jobs/{job}/items/{n}").json()["report"] for n in range(8)]
    return [report["restored_by"]["machine"] for report in reports]


def workers_command(outputs: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "app.py", "workers", "--outputs", str(outputs), *words]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)


def test_two_machines_give_the_bytes_of_one_and_the_command_line_shows_and_forgets_them(
    server: Server, workers: WorkerProcesses
):
    alone = server.new_album(PHOTOS, **OPTIONS)
    server.wait_for(alone)
    attic = workers.start(server.url, "attic", how="real", key=KEY)
    attic.wait_until_ready()
    together = server.new_album(PHOTOS, **OPTIONS)
    job = server.wait_for(together)
    assert job["counts"]["done"] == 8
    assert results(server, together) == results(server, alone)
    assert "attic" in restorers(server, together)
    assert attic.said("Fetching the model our-x4")
    assert attic.said("Fetching the model parsenet")
    report = (server.outputs / job["folder"] / "report.html").read_text("utf-8")
    assert report.count('<p class="pair"') == len(PHOTOS), "pictures of each, before and after"
    listed = workers_command(server.outputs)
    assert (listed.returncode, listed.stderr) == (0, "")
    [row] = [line for line in listed.stdout.splitlines() if line.startswith("attic")]
    assert "ready" in row
    assert "OpenVINO" in row
    assert workers_command(server.outputs, "drain", "attic").returncode == 0
    assert server.get("/api/workers").json()["machines"][1]["state"] == "drained"
    assert workers_command(server.outputs, "resume", "attic").returncode == 0
    assert server.get("/api/workers").json()["machines"][1]["state"] == "ready"
    assert workers_command(server.outputs, "forget", "attic").returncode == 0
    attic.wait_until_ended()
    assert attic.said("does not know this worker")
    unknown = workers_command(server.outputs, "forget", "attic")
    assert (unknown.returncode, "attic" in unknown.stderr) == (2, True)
    new_key = workers_command(server.outputs, "new-key").stdout.strip()
    refused = workers.start(server.url, "attic", key=KEY)
    refused.wait_until_ended()
    assert refused.said("This key lets nobody join")
    assert len(new_key) > 20
    cellar = workers.start(server.url, "cellar", key=new_key)
    cellar.wait_until_ready()
    cellar.send(signal.SIGINT)
    cellar.wait_until_ended()
    assert cellar.said("Left after 0 photos.")
    assert server.errors() == []


def test_without_a_server_the_command_line_says_how_to_start_one(tmp_path: Path):
    done = workers_command(tmp_path)
    assert done.returncode == 2
    assert "No server runs on this machine for the folder" in done.stderr
