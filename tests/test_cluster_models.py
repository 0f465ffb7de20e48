"""Networks that only some photos need: workers have the coordinator's own, whatever it becomes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gpen_webui.cluster.protocol import ModelFile
from gpen_webui.cluster.worker.client import CoordinatorClient
from gpen_webui.cluster.worker.files import Models
from gpen_webui.options import RestoreOptions
from tests.cluster_kit import Coordinator, PlayedWorker
from tests.jobs_kit import start, wait_for_state

pytest_plugins = ["tests.cluster_fixtures"]


def installed(folder: Path, name: str, content: bytes, task: str = "enlarge") -> ModelFile:
    (folder / f"{name}.pth").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return ModelFile(name, sha256, len(content), f"{name}.pth", task)


def test_a_network_that_was_replaced_comes_into_another_folder(tmp_path: Path):
    own, further = tmp_path / "own", tmp_path / "further"
    own.mkdir()
    further.mkdir()
    models = Models(tmp_path / "sent", further, own, CoordinatorClient("localhost:1"), print)
    first, parser = installed(own, "x4", b"first"), installed(own, "parser", b"p", "parse")
    folder = models.folder_with([])
    assert models.folder_with([first]) == models.folder_with([parser]) == folder
    assert {path.name for path in folder.iterdir()} == {"x4.pth", "parser.pth"}
    (own / "x4.pth").unlink()
    second = installed(own, "x4", b"second")
    other = models.folder_with([second])
    assert other != folder
    assert [path.read_bytes() for path in other.iterdir()] == [b"second"]
    assert (folder / "x4.pth").read_bytes() == b"first", "a process may still be reading it"
    another_parser = installed(own, "other-parser", b"q", "parse")
    models.folder_with([parser])
    assert models.folder_with([another_parser]) != other, "a folder has one of them"


def test_a_photo_whose_network_has_gone_fails_in_words_and_costs_no_other(here: Coordinator):
    worker = PlayedWorker(here.url)
    lost = start(here.service, ["lost.jpg"], options=RestoreOptions(enlarge_model="gone-x4"))
    good = start(here.service, ["good.jpg"])
    assert worker.ask().json()["error"]["code"] == "claim_gone"
    assert worker.carry_out(worker.claim()).status_code == 200
    wait_for_state(here.service, lost, "done")
    wait_for_state(here.service, good, "done")
    error = here.service.store.item(lost.id, 0).error
    assert error["message"].startswith("The model gone-x4 is not installed")
    assert here.service.store.job(good.id).counts["done"] == 1
