"""Names, paths and contents from hostile clients: everything stays where it belongs."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import torch

from gpen_webui.models.download import DownloadError, download_model
from gpen_webui.web import gunicorn_server
from tests.checkpoint_bombs import RunsCode
from tests.file_server import FileServer
from tests.hostile.card import CARD, encode
from tests.hostile.formats import after_soi, jpeg_segment
from tests.hostile.names import NAMES
from tests.server import Server, small_photo

SECRET = b"the canary sings"
SCRIPT = b"<html><script>alert(document.domain)</script></html>"
UPWARD = [
    "../canary.txt",
    "../../canary.txt",
    "../../../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "..%252f..%252fetc%252fpasswd",
    "....//....//etc/passwd",
    "..\\..\\canary.txt",
    "..%5c..%5ccanary.txt",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "a%00/../../canary.txt",
    "~/.ssh/id_rsa",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with a secret, in which the server's folders lie."""
    home = tmp_path_factory.mktemp("home")
    (home / "canary.txt").write_bytes(SECRET)
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    (home / "albums").mkdir()
    places = ("--models", str(home / "models"), "--album-root", str(home / "albums"))
    with Server(home / "outputs", *places) as server:
        yield server


@pytest.fixture(scope="module")
def job(server: Server) -> str:
    job = server.new_album([("a.jpg", small_photo())])
    server.wait_for(job)
    return job


def raw_request(server: Server, method: str, path: str) -> bytes:
    """The whole answer to a path that no client would send as it is."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        lines = (f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Connection: close")
        connection.sendall("\r\n".join((*lines, "", "")).encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_no_part_of_an_address_leads_out_of_its_folder(server: Server, job: str):
    templates = [
        "/static/{}",
        "/{}",
        "/jobs/{}",
        "/api/jobs/{}",
        "/api/jobs/{}/download",
        f"/api/jobs/{job}/items/{{}}/before",
        f"/api/jobs/{job}/items/0/{{}}",
        f"/api/jobs/{job}/items/0/thumbnail?of={{}}",
        f"/api/jobs/{job}/items/0/after?download={{}}",
        f"/api/jobs/{job}/items/0/before?max={{}}",
        "/api/jobs?before={}",
        f"/api/jobs/{job}/events?after={{}}",
        "/?lang={}",
    ]
    for template in templates:
        for upward in UPWARD:
            answer = raw_request(server, "GET", template.format(upward.replace("\\", "%5c")))
            assert SECRET not in answer
            assert b"root:" not in answer
            assert not answer.startswith(b"HTTP/1.1 5"), (template, upward, answer[:200])
    for action in ("POST /api/models/{}/activate", "POST /api/models/{}/download"):
        method, _, path = action.partition(" ")
        for upward in UPWARD:
            answer = raw_request(server, method, path.format(upward.replace("\\", "%5c")))
            assert re.match(rb"HTTP/1.1 4\d\d", answer), answer[:200]


def test_upload_names_stay_inside_results_and_zip(server: Server, home: Path):
    names = [name for name in NAMES if isinstance(name, str)][::3]
    names += ["../../canary.txt", "/etc/passwd.jpg", "C:\\windows\\x.jpg", "a/../../../up.jpg", "."]
    names += ["n" * 300 + ".jpg", "nul\0.jpg", "a/" * 400 + "deep.jpg"]
    files = sorted(path for path in home.rglob("*") if path.is_file())
    job = server.new_album([(name, small_photo(n, side=160)) for n, name in enumerate(names)])
    ended = server.wait_for(job)
    assert ended["counts"]["done"] == len(names)
    folder = Path(ended["folder"]).resolve()
    results = [folder / item["result"] for item in ended["items"]]
    assert len({str(result).casefold() for result in results}) == len(names)
    assert all(result.resolve().is_relative_to(folder) for result in results)
    new = {path for path in home.rglob("*") if path.is_file()} - set(files)
    own = {".gpen-webui", ".cache"}  # the store, and the prepared model
    assert {path for path in new if not own & set(path.parts)} == {
        *results,
        folder / "report.json",
        folder / "report.html",
    }
    assert (home / "canary.txt").read_bytes() == SECRET

    zipped = zipfile.ZipFile(io.BytesIO(server.get(f"/api/jobs/{job}/download").content))
    for name in zipped.namelist():
        assert not re.search(r"^/|^[a-zA-Z]:|\\|(^|/)\.\.(/|$)|[\x00-\x1f\x7f]", name), name


def test_a_file_name_adds_no_header(server: Server):
    name = "a.jpg\r\nSet-Cookie: stolen=1\r\nX-Evil: 1"
    body = (
        b"--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"b.jpg\"\r\n\r\n"
        + small_photo()
        + b"\r\n--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n"
        + name.encode()
        + b"\r\n--x--\r\n"
    )  # fmt: skip
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = server.post("/enhance?wait=1", data=body, headers=headers)
    assert answer.status_code == 200
    job = answer.headers["X-Job"]
    for path in ("items/0/after?download=1", "download", "items/0/before"):
        headers = server.get(f"/api/jobs/{job}/{path}").headers
        assert not {"Set-Cookie", "X-Evil"} & set(headers)
    assert not {"Set-Cookie", "X-Evil"} & set(answer.headers)


def test_an_album_name_adds_no_header_and_makes_no_folder_elsewhere(server: Server, home: Path):
    for name in ("../../up", "a\r\nX-Evil: 1", "/etc/x", "..", "\u202eevil", "x" * 5000, "CON"):
        asked = {"kind": "album", "name": name}
        job = server.post("/api/jobs", json=asked).json()["id"]
        photo = {"photo": ("a.jpg", small_photo(side=160))}
        assert server.post(f"/api/jobs/{job}/items", files=photo).status_code == 201
        server.post(f"/api/jobs/{job}/start")
        folder = Path(server.wait_for(job)["folder"])
        assert folder.parent == home / "outputs"
        assert "X-Evil" not in server.get(f"/api/jobs/{job}/download").headers


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.html", SCRIPT),
        ("page.jpg", SCRIPT),
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        ("both.html", after_soi(encode(CARD, "JPEG"), jpeg_segment(0xFE, SCRIPT))),
        ("both.svg", encode(CARD, "PNG") + SCRIPT),
        ("both.exe", encode(CARD, "BMP")),
    ],
)
def test_a_page_sent_as_a_photo_never_comes_back_as_a_page(server: Server, name, content):
    """Also not as a file of the results folder that a double click would run."""
    job = server.new_album([(name, content)])
    item = server.wait_for(job)["items"][0]
    for path in ("before", "after", "after?download=1", "thumbnail", "thumbnail?of=after"):
        answer = server.get(f"/api/jobs/{job}/items/0/{path}")
        kind = answer.headers["Content-Type"]
        assert kind in ("image/jpeg", "image/png", "image/bmp", "application/json")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if "download" not in path:
            assert b"<script>" not in answer.content
        elif answer.status_code == 200:
            assert answer.headers["Content-Disposition"].startswith("attachment")
    if item["result"]:
        assert Path(item["result"]).suffix in (".jpg", ".png", ".bmp")


def test_ids_of_jobs_cannot_be_guessed_and_items_belong_to_their_job(server: Server, job: str):
    other = server.new_album([("b.jpg", small_photo(7))], start=False)
    ids = {server.new_album([], start=False) for _ in range(20)} | {job, other}
    assert len({identity[:4] for identity in ids}) > 15
    assert all(re.fullmatch("[0-9a-f]{16,}", identity) for identity in ids)
    for path in ("1/before", "-1/before", "99999999999999999999/before", "1", "0x0/before"):
        assert server.get(f"/api/jobs/{job}/items/{path}").status_code == 404
    for wrong in ("0" * 16, job.upper() + " ", job[:-1], job + "%00", "' OR 1=1 --", "%25"):
        assert server.get(f"/api/jobs/{wrong}").status_code == 404
        assert server.delete(f"/api/jobs/{wrong}").status_code in (404, 405)
    server.delete(f"/api/jobs/{other}")
    assert server.get(f"/api/jobs/{other}/items/0/before").status_code == 404


def test_links_and_pipes_in_an_album_root_lead_nowhere(server: Server, home: Path):
    root = home / "albums"
    (root / "photo.jpg").write_bytes(small_photo())
    os.symlink(home / "canary.txt", root / "link.jpg")
    os.symlink("/dev/zero", root / "endless.jpg")
    os.mkfifo(root / "pipe.jpg")

    def ask(*paths: str) -> requests.Response:
        return server.post("/batch-enhance", json={"paths": paths}, timeout=60)

    assert [ask(path).status_code for path in ("link.jpg", "endless.jpg")] == [403] * 2
    job = server.wait_for(ask(".").json()["job"])
    states = {item["name"]: item["state"] for item in job["items"]}
    refused = dict.fromkeys(("link.jpg", "endless.jpg", "pipe.jpg"), "failed")
    assert states == {"photo.jpg": "done", **refused}
    for item in job["items"]:
        shown = server.get(f"/api/jobs/{job['id']}/items/{item['n']}/before")
        assert shown.ok == (item["name"] == "photo.jpg"), item
        assert shown.status_code in (200, 404, 422)
        assert SECRET not in shown.content
    pipe = server.wait_for(ask("pipe.jpg").json()["job"])
    assert pipe["items"][0]["error"]["message"].startswith("pipe.jpg is no file")
    for upward in UPWARD:
        answer = ask(upward)
        assert answer.status_code in (400, 403), upward
        assert SECRET not in answer.content


def malicious(trace: Path, kind: str) -> bytes:
    if kind == "pickle":
        return pickle.dumps(RunsCode(trace))
    buffer = io.BytesIO()
    torch.save({"g_ema": RunsCode(trace)}, buffer, _use_new_zipfile_serialization=kind == "zip")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["pickle", "zip", "legacy"])
def test_weights_that_are_a_program_are_never_run(server: Server, home: Path, kind: str):
    trace, data = home / f"owned-{kind}", malicious(home / f"owned-{kind}", kind)
    for name in ("evil.pth", "evil.pt", "evil.safetensors", "../../evil.pth"):
        answer = server.post("/api/models/import", files={"file": (name, data)})
        assert 400 <= answer.status_code < 500
        assert answer.json()["error"]["message"]
    models = home / "models"
    (models / f"dropped-{kind}.pth").write_bytes(data)
    assert server.get("/api/models").status_code == 200
    answer = server.post(f"/api/models/dropped-{kind}/activate")
    assert 400 <= answer.status_code < 500
    assert not trace.exists()
    assert [path.name for path in models.glob("evil*")] == []
    assert list(home.glob("evil*")) == []
    (models / f"dropped-{kind}.pth").unlink()


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "data:,x"]
)
def test_a_model_source_that_redirects_off_the_web_is_refused(tmp_path: Path, target: str):
    with FileServer(b"").running() as source:
        source.redirect_to = target
        with pytest.raises(DownloadError, match="no web address"):
            download_model("gpen-bfr-256", tmp_path, sources=[source.url("away")])
    assert list(tmp_path.glob("*.pth")) == []


def test_a_public_model_source_cannot_point_into_the_local_network(tmp_path: Path, monkeypatch):
    with FileServer(b"secret").running() as inner, FileServer(b"").running() as outer:
        outer.redirect_to = inner.url("whole")
        is_local = {outer.url("away"): False}
        ours = "gpen_webui.models.download.is_local"
        monkeypatch.setattr(ours, lambda address: is_local.get(address, True))
        with pytest.raises(DownloadError, match="local network"):
            download_model("gpen-bfr-256", tmp_path, sources=[outer.url("away")])
        assert inner.requests == []


def test_addresses_lose_their_token_before_they_are_logged(caplog):
    from gunicorn.config import Config

    logger = gunicorn_server.FileLogger(Config())
    logger.error_log.handlers = [caplog.handler]
    logger.exception("Error handling request %s %s", "GET", "/jobs?token=an-iron-gate")
    assert "/jobs" in caplog.text
    assert "an-iron-gate" not in caplog.text


def test_the_report_of_a_hostile_album_is_plain_json(server: Server):
    names = ['"}], "x": "', "</script>.jpg", "\u2028.jpg", "{{7*7}}.jpg", "%(name)s.jpg"]
    job = server.new_album([(name, small_photo(n, side=160)) for n, name in enumerate(names)])
    ended = server.wait_for(job)
    report = json.loads((Path(ended["folder"]) / "report.json").read_text(encoding="utf-8"))
    assert {photo["name"] for photo in report["photos"]} == {i["name"] for i in ended["items"]}
    assert "49.jpg" not in server.get(f"/jobs/{job}").text
