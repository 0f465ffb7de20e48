"""Photos named by their paths on the server's machine: item by item, inside, and not too large."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from tests.server import Server, small_photo

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, pipes and permissions of POSIX")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("albums")


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory) -> Iterator[Server]:
    options = ("--album-root", str(root), "--max-file-mb", "20")
    with Server(tmp_path_factory.mktemp("outputs"), *options) as server:
        yield server


@pytest.fixture
def album(root: Path) -> Iterator[Path]:
    """An empty folder that may be named."""
    folder = root / "album"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def blank(side: int = 64) -> bytes:
    """A photo without a face, which is passed on as it is."""
    return cv2.imencode(".png", np.full((side, side, 3), 90, np.uint8))[1].tobytes()


def restore(server: Server, *paths: str) -> dict:
    answer = server.post("/batch-enhance", json={"paths": paths})
    assert answer.status_code == 202, answer.text
    return server.wait_for(answer.json()["job"])


@pytest.mark.parametrize("kind", ["dangling link", "pipe", "link in a circle", "no photo"])
def test_one_entry_that_cannot_be_read_fails_alone(server: Server, album: Path, kind: str):
    for name in ("a.jpg", "c.jpg"):
        (album / name).write_bytes(small_photo())
    bad = album / "b.jpg"
    if kind == "dangling link":
        bad.symlink_to(album / "gone.jpg")
    elif kind == "link in a circle":
        bad.symlink_to(bad)
    elif kind == "pipe":
        os.mkfifo(bad)
    else:
        bad.write_bytes(b"no photo")
    job = restore(server, "album")
    states = {item["name"]: item["state"] for item in job["items"]}
    assert states == {"a.jpg": "done", "b.jpg": "failed", "c.jpg": "done"}
    failed = next(item for item in job["items"] if item["name"] == "b.jpg")
    assert "b.jpg" in failed["error"]["message"]
    assert failed["attempt"] == 1


def test_an_album_that_is_not_taken_leaves_no_job_behind(server: Server, album: Path):
    before = [job["id"] for job in server.get("/api/jobs").json()["jobs"]]
    (album / "a.jpg").write_bytes(small_photo())
    for wrong in (["album", "nothing"], ["/etc"], ["album", "../x"]):
        assert server.post("/batch-enhance", json={"paths": wrong}).status_code in (400, 403)
    assert [job["id"] for job in server.get("/api/jobs").json()["jobs"]] == before


def test_a_photo_with_options_of_its_own_is_named_as_its_item_or_by_its_path(
    server: Server, album: Path
):
    for name in ("a.png", "b.png", "c.png"):
        (album / name).write_bytes(blank())
    own = {
        "b.png": {"strength": 1},
        str(album / "c.png"): {"strength": 2},
        "album/c.png": {"min_face": 9},
    }
    asked = {"paths": ["album"], "args": {"strength": 50}, "photo_options": own}
    answer = server.post("/batch-enhance", json=asked)
    job = server.wait_for(answer.json()["job"])
    chosen = [each["options"] and each["options"]["strength"] for each in job["items"]]
    assert chosen == [None, 1, 2]
    assert job["items"][2]["options"]["min_face"] == 9
    refused = server.post("/batch-enhance", json=asked | {"photo_options": {"d.png": {}}})
    assert refused.status_code == 400
    assert "d.png" in refused.json()["error"]["message"]


def test_a_link_put_in_the_place_of_a_photo_or_folder_leads_nowhere(
    server: Server, album: Path, tmp_path: Path
):
    secret = tmp_path / "p.jpg"
    secret.write_bytes(small_photo(7, side=128))
    (album / "d").mkdir()
    for photo in (album / "d" / "p.jpg", album / "q.jpg"):
        photo.write_bytes(blank())
    job = restore(server, "album")
    assert job["counts"]["no_face"] == 2
    (album / "d").rename(album / "aside")
    (album / "d").symlink_to(tmp_path)
    (album / "q.jpg").unlink()
    (album / "q.jpg").symlink_to(secret)
    for n in (0, 1):
        for picture in ("before", "thumbnail"):
            shown = server.get(f"/api/jobs/{job['id']}/items/{n}/{picture}")
            assert shown.status_code == 404
            assert "link" in shown.json()["error"]["message"]
    again = server.post(f"/api/jobs/{job['id']}/run-again", json={}).json()["id"]
    ended = server.wait_for(again)
    assert ended["counts"]["failed"] == 2
    assert all("link" in item["error"]["message"] for item in ended["items"])


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to find the process")
def test_a_photo_with_a_long_sparse_tail_is_refused_and_takes_no_memory(
    server: Server, album: Path
):
    (album / "scan.png").write_bytes(blank())
    os.truncate(album / "scan.png", 3 << 30)
    (album / "short.png").write_bytes(blank())
    restore(server, "album/short.png")  # the model is loaded
    processes = [psutil.Process(server.process.pid)]
    processes += processes[0].children(recursive=True)
    idle = sum(process.memory_info().rss for process in processes)
    job = restore(server, "album")
    assert [item["state"] for item in job["items"]] == ["failed", "no_face"]
    message = job["items"][0]["error"]["message"]
    assert message.startswith("scan.png is 3221 MB long, and the limit for one file is 20 MB")
    peak = sum(highest_memory(process.pid) for process in processes)
    assert peak < idle + 300_000_000


def highest_memory(pid: int) -> int:
    """Bytes that a process has had in memory at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def test_a_photo_without_a_face_is_passed_on_byte_for_byte(server: Server, album: Path):
    data = blank() + bytes(5_000_000)
    (album / "long.png").write_bytes(data)
    job = restore(server, "album")
    assert job["counts"]["no_face"] == 1
    after = server.get(f"/api/jobs/{job['id']}/items/0/after?download=1")
    assert after.content == data
