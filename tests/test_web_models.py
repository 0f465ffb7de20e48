"""Models over HTTP: what there is, which one is used, and how others come in."""

import functools
import http.server
import io
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from gpen_webui.engines.fast_mode import FastMode, KeptFastMode
from gpen_webui.errors import UserError
from gpen_webui.folders import BUNDLED
from gpen_webui.jobs.service import open_jobs
from gpen_webui.models.download import download_model
from gpen_webui.models.installed import list_models
from gpen_webui.models.records import hash_file
from gpen_webui.settings import Settings
from gpen_webui.web import model_manager
from gpen_webui.web.fast_mode import ChosenPrecision
from gpen_webui.web.model_choice import ChosenModel
from gpen_webui.web.model_manager import ModelManager
from tests.server import Server, small_photo
from tests.tiny_enlarging import repeating_network, save_published
from tests.tiny_gpen import make_tiny_model
from tests.tiny_parsing import drawn_parser, save_parser
from tests.waiting import wait_for

EMBEDDED = BUNDLED / "models" / "gpen-mini-256.safetensors"


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """An outputs folder, and a models folder with the embedded model only."""
    outputs, models = tmp_path_factory.mktemp("outputs"), tmp_path_factory.mktemp("models")
    add_embedded(models)
    return outputs, models


def add_embedded(models: Path) -> None:
    """The embedded model, with what was converted of it earlier."""
    models.mkdir(exist_ok=True)
    shutil.copy2(EMBEDDED, models)
    if (EMBEDDED.parent / ".cache").is_dir():
        shutil.copytree(EMBEDDED.parent / ".cache", models / ".cache")


@pytest.fixture(scope="module")
def server(folders) -> Iterator[Server]:
    with Server(folders[0], "--models", str(folders[1])) as server:
        yield server


def model_named(state: dict, name: str) -> dict:
    return next(model for model in state["models"] if model["name"] == name)


def bring(server: Server, file: Path, name: str | None = None):
    with open(file, "rb") as content:
        return server.post("/api/models/import", files={"file": (name or file.name, content)})


def test_the_list_tells_what_there_is_and_what_is_used(server: Server):
    state = server.get("/api/models").json()
    embedded = model_named(state, "gpen-mini-256")
    assert embedded["installed"]
    assert embedded["active"]
    assert embedded["path"].endswith(".safetensors")
    published = model_named(state, "gpen-bfr-512")
    assert (published["installed"], published["downloadable"]) == (False, True)
    assert "no licence" in published["licence"]
    assert state["settings"]["max_file_mb"] == 200
    assert state["engine"]["state"] in ("idle", "loading", "ready")


def test_an_imported_model_restores_the_next_photos_also_after_a_restart(tmp_path):
    tiny = make_tiny_model(tmp_path)
    add_embedded(tmp_path / "models")
    options = ("--models", str(tmp_path / "models"))
    with Server(tmp_path / "outputs", *options) as server:
        answer = bring(server, tiny.path)
        assert answer.status_code == 201, answer.text
        assert (answer.json()["name"], answer.json()["active"]) == (tiny.name, False)
        state = server.post(f"/api/models/{tiny.name}/activate").json()
        assert model_named(state, tiny.name)["active"]
        assert not model_named(state, "gpen-mini-256")["active"]
        restored = server.post("/enhance?wait=1", files={"photo": ("a.jpg", small_photo())})
        job = restored.headers["X-Job"]
        report = server.get(f"/api/jobs/{job}/items/0").json()["report"]
        assert (report["model"], report["model_sha256"]) == (tiny.name, tiny.sha256)
        speed = server.get("/api/models").json()["last_speed"]
        assert speed > 0
    with Server(tmp_path / "outputs", *options) as server:
        assert model_named(server.get("/api/models").json(), tiny.name)["active"]
        back = server.post("/api/models/gpen-mini-256/activate").json()
        assert model_named(back, "gpen-mini-256")["active"]


@pytest.mark.parametrize(
    ("name", "status"),
    [("gpen-bfr-512", 409), ("gpen-colorization-1024", 409), ("nothing", 404), ("..%2fx", 404)],
)
def test_a_model_that_cannot_be_used_is_not_activated(server: Server, name: str, status: int):
    answer = server.post(f"/api/models/{name}/activate")
    assert answer.status_code == status
    assert answer.json()["error"]["message"].endswith(".")
    assert model_named(server.get("/api/models").json(), "gpen-mini-256")["active"]


@pytest.mark.parametrize("name", ["notes.txt", "broken.pth", "../../evil.pth", "x.safetensors"])
def test_a_file_that_is_no_model_is_refused_and_forgotten(server, folders, tmp_path, name):
    before = {path.name for path in folders[1].iterdir()}
    (tmp_path / "file").write_bytes(b"not weights")
    answer = bring(server, tmp_path / "file", name)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith(".")
    assert {path.name for path in folders[1].iterdir()} == before


def test_an_import_into_a_folder_that_cannot_be_written_is_no_crash(server: Server, tmp_path: Path):
    tiny = make_tiny_model(tmp_path, size=32, seed=3)
    models = Path(server.get("/api/models").json()["settings"]["models"])
    aside = models.with_name("aside")
    models.rename(aside)
    models.write_bytes(b"")
    try:
        answer = bring(server, tiny.path)
    finally:
        models.unlink()
        aside.rename(models)
    assert answer.status_code == 409
    assert "cannot be written" in answer.json()["error"]["message"]


def test_a_second_import_of_a_name_replaces_nothing(server: Server):
    answer = bring(server, EMBEDDED)
    assert answer.status_code == 409
    assert "exists already" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("name", "status"), [("gpen-mini-256", 409), ("nothing", 404)])
def test_what_cannot_be_downloaded_is_said(server: Server, name: str, status: int):
    assert server.post(f"/api/models/{name}/download").status_code == status
    assert server.delete(f"/api/models/{name}/download").status_code == status


def test_the_fast_mode_is_offered_where_it_pays_and_switched_while_the_server_runs(
    server: Server, folders
):
    assert server.get("/api/models").json()["fast_mode"] is None, "it was not tried yet"
    sha256 = hash_file(folders[1] / EMBEDDED.name)
    KeptFastMode(folders[1] / ".cache", sha256).keep(FastMode(52.3, 1.94))
    offer = {"is_on": False, "is_chosen": False, "decibels": 52, "gain": 1.9}
    assert server.get("/api/models").json()["fast_mode"] == offer
    for is_on, precision in ((True, "fast"), (False, "exact")):
        answer = server.post("/api/models/fast-mode", json={"is_on": is_on})
        assert answer.json()["fast_mode"] == offer | {"is_on": is_on, "is_chosen": True}
        assert server.get("/api/models").json()["settings"]["precision"] == precision
        restarted = ChosenPrecision(Settings(outputs=folders[0], models=folders[1]))
        assert restarted() == precision
    assert server.post("/api/models/fast-mode", json={}).status_code == 400


@pytest.mark.parametrize("given", [{"precision": "auto"}, {"cluster": "none"}])
def test_who_named_a_precision_or_works_with_other_machines_is_offered_no_fast_mode(
    tmp_path: Path, given: dict
):
    outputs = tmp_path / "outputs"
    (outputs / ".gpen-webui").mkdir(parents=True)
    ChosenPrecision(Settings(outputs=outputs)).choose("fast")
    choice = ChosenPrecision(Settings(outputs=outputs, **given))
    assert not choice.is_free
    assert choice() == given.get("precision", "exact")


class Shop:
    """A web server that hands out one file, slowly if asked to, and what fetches from it."""

    def __init__(self, folder: Path, content: bytes):
        self.go_on = threading.Event()
        shop = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                shop.go_on.wait(60)
                self.wfile.write(content[len(content) // 2 :])

            def log_message(self, *arguments):
                pass

        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        source = f"http://127.0.0.1:{self.web.server_port}/model.pth"
        settings = Settings(outputs=folder / "outputs", models=folder / "models")
        settings.models.mkdir()
        self.models = settings.models
        self.jobs = open_jobs(settings)
        fetch = functools.partial(download_model, sources=[source])
        self.manager = ModelManager(
            settings, self.jobs, ChosenModel(settings), ChosenPrecision(settings), fetch
        )

    def download_until(self, state: str) -> dict:
        def look() -> dict | None:
            download = model_named(self.manager.state(), "gpen-bfr-256")["download"]
            return download if download and download["state"] == state else None

        return wait_for(look)

    def close(self) -> None:
        self.go_on.set()
        self.manager.close()
        self.jobs.close()
        self.web.shutdown()
        self.web.server_close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    weights = tmp_path / "weights.pth"
    torch.save({"g_ema": load_file(EMBEDDED)}, weights)
    shop = Shop(tmp_path, weights.read_bytes())
    yield shop
    shop.close()


def test_a_download_tells_how_far_it_is_and_ends_installed(shop: Shop):
    shop.manager.start_download("gpen-bfr-256")
    shop.manager.start_download("gpen-bfr-256")  # a second click
    half = shop.download_until("running")
    while not half["done"]:
        half = shop.download_until("running")
    assert 0 < half["done"] < half["total"]
    shop.go_on.set()
    shop.download_until("done")
    model = model_named(shop.manager.state(), "gpen-bfr-256")
    assert model["installed"]
    assert json.dumps(model)


def test_a_download_can_be_stopped(shop: Shop):
    shop.manager.start_download("gpen-bfr-256")
    shop.download_until("running")
    shop.manager.cancel_download("gpen-bfr-256")
    shop.go_on.set()
    shop.download_until("cancelled")
    assert not model_named(shop.manager.state(), "gpen-bfr-256")["installed"]
    with pytest.raises(UserError):
        shop.manager.cancel_download("gpen-bfr-256")


def test_a_download_that_fails_says_why(shop: Shop):
    shop.web.server_close()
    shop.manager.start_download("gpen-bfr-256")
    assert "could not be downloaded" in shop.download_until("failed")["error"]


def test_all_open_pages_share_one_look_at_the_models(shop: Shop, monkeypatch):
    looks = []
    monkeypatch.setattr(
        model_manager, "list_models", lambda models: looks.append(models) or list_models(models)
    )
    monkeypatch.setattr(model_manager, "RECENT_SECONDS", 1e9)
    states = {shop.manager.recent_state() for _ in range(50)}
    assert len(looks) == 1
    assert json.loads(states.pop()) == json.loads(json.dumps(shop.manager.state()))
    monkeypatch.setattr(model_manager, "RECENT_SECONDS", -1)
    shop.manager.recent_state()
    assert len(looks) == 3  # a state that is too old is not told


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_an_import_into_a_folder_that_cannot_be_written_is_refused_in_words(tmp_path: Path):
    models = tmp_path / "models"
    add_embedded(models)
    tiny = make_tiny_model(tmp_path).path
    (tmp_path / "file").write_text("")
    with Server(tmp_path / "outputs", "--models", str(tmp_path / "file" / "models")) as server:
        answer = bring(server, tiny)
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["code"] == "model"
    assert str(tmp_path / "file" / "models") in error["message"]


def test_a_network_of_others_is_offered_and_enlarges_what_is_sent(server: Server, folders):
    save_published(repeating_network(2), folders[1] / "twice.pth")
    try:
        found = model_named(server.get("/api/models").json(), "twice")
        assert (found["task"], found["scale"], found["size"]) == ("enlarge", 2, None)
        assert '<option value="twice">twice</option>' in server.get("/").text
        refused = server.post("/api/models/twice/activate")
        assert refused.status_code == 409
        assert "restores no faces" in refused.json()["error"]["message"]

        content = io.BytesIO()
        Image.new("RGB", (8, 6), (10, 200, 30)).save(content, "PNG")
        sent = {"photo": ("sky.png", content.getvalue())}
        chosen = "/enhance?wait=1&enlarge=2&enlarge_model="
        refused = server.post(f"{chosen}none", files=sent)
        assert refused.status_code == 409
        assert "none is not installed" in refused.json()["error"]["message"]
        done = server.post(f"{chosen}twice", files=sent)
        with Image.open(io.BytesIO(done.content)) as result:
            assert (result.size, result.getpixel((15, 11))) == ((16, 12), (10, 200, 30))
    finally:
        (folders[1] / "twice.pth").unlink()


def test_masks_of_faces_are_offered_where_parsenet_is_installed(server: Server, folders):
    """In the form, among the models and as an option of what is sent; elsewhere it is refused."""
    offered, chosen = '<select id="opt-face_mask"', "/enhance?wait=1&face_mask=parse"
    sent = {"photo": ("small.jpg", small_photo())}
    assert offered not in server.get("/").text
    refused = server.post(chosen, files=sent)
    assert refused.status_code == 409
    assert "parsenet-latest is not installed" in refused.json()["error"]["message"]
    path = save_parser(drawn_parser(), folders[1] / "ParseNet-latest.pth")
    try:
        found = model_named(server.get("/api/models").json(), "parsenet-latest")
        assert (found["task"], found["size"], bool(found["installed"])) == ("parse", None, True)
        assert offered in server.get("/").text
        assert server.post("/api/models/parsenet-latest/activate").status_code == 409
        assert server.post(chosen, files=sent).status_code == 200
    finally:
        path.unlink()
