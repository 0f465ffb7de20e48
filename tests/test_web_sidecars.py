"""XMP files beside photos go with the results: of folders named by path, and of uploads."""

import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.server import Server, small_photo

TAKEN = 981_173_106
STARS, CAPTION, OTHER = b"<stars/>", b"<caption/>", b"<other/>"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("albums")


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory):
    with Server(tmp_path_factory.mktemp("outputs"), "--album-root", str(root)) as server:
        yield server


def results_of(server: Server, job: str) -> tuple[Path, dict, set[str]]:
    """The results folder once the job has ended, its report, and what its zip holds."""
    folder = Path(server.wait_for(job)["folder"])
    report = {
        photo["name"]: photo for photo in json.loads((folder / "report.json").read_text())["photos"]
    }
    packed = server.get(f"/api/jobs/{job}/download").content
    names = set(zipfile.ZipFile(io.BytesIO(packed)).namelist())
    return folder, report, names


def test_xmp_files_and_dates_of_an_album_named_by_path_go_with_its_results(
    server: Server, root: Path
):
    album = root / "album"
    (album / "1950").mkdir(parents=True)
    for name in ("anna.jpg", "1950/bert.jpg"):
        (album / name).write_bytes(small_photo())
        os.utime(album / name, (TAKEN, TAKEN))
    (album / "anna.XMP").write_bytes(STARS)
    (album / "anna.jpg.xmp").write_bytes(CAPTION)
    (album / "1950" / "bert.xmp").symlink_to("/etc/hostname")
    answer = server.post("/batch-enhance", json={"paths": ["album"]})
    job = answer.json()["job"]
    folder, report, packed = results_of(server, job)
    assert (folder / "anna.xmp").read_bytes() == STARS
    assert (folder / "anna.jpg.xmp").read_bytes() == CAPTION
    assert not (folder / "1950" / "bert.xmp").exists()  # nobody is led out of the album
    assert set(report["anna.jpg"]["sidecars"]) == {"anna.xmp", "anna.jpg.xmp"}
    assert {"anna.xmp", "anna.jpg.xmp"} <= packed
    assert (folder / "anna.jpg").stat().st_mtime == TAKEN
    assert server.delete(f"/api/jobs/{job}").status_code == 200
    assert not folder.exists()
    assert (album / "anna.XMP").exists()
    shutil.rmtree(album)


def test_xmp_files_of_uploads_go_with_their_results_also_when_restored_again(server: Server):
    job = server.new_album([], start=False)
    files = [
        ("photo", ("anna.jpg", small_photo())),
        ("xmp", ("anna.xmp", STARS)),
        ("xmp", ("anna.jpg.xmp", CAPTION)),
    ]
    answer = server.post(f"/api/jobs/{job}/items", files=files, data={"name": "1950/anna.jpg"})
    assert answer.status_code == 201, answer.text
    assert server.post(f"/api/jobs/{job}/start").status_code == 202
    folder, report, packed = results_of(server, job)
    kept = ["1950/anna.xmp", "1950/anna.jpg.xmp"]
    assert report["1950/anna.jpg"]["sidecars"] == kept
    assert [(folder / name).read_bytes() for name in kept] == [STARS, CAPTION]
    assert set(kept) <= packed
    again = server.post(f"/api/jobs/{job}/run-again", json={"options": {"format": "png"}})
    again = again.json()["id"]
    folder, report, _ = results_of(server, again)
    assert report["1950/anna.jpg"]["sidecars"] == ["1950/anna.xmp", "1950/anna.png.xmp"]
    for number in (job, again):
        assert server.delete(f"/api/jobs/{number}").status_code == 200
    assert list((server.outputs / ".gpen-webui" / "sidecars").iterdir()) == []


def test_a_form_of_photos_and_xmp_files_is_sorted_out_by_name(server: Server):
    files = [
        ("photos", ("a/anna.jpg", small_photo())),
        ("photos", ("a/anna.xmp", STARS)),
        ("photos", ("a/other.xmp", OTHER)),
    ]
    job = server.post("/batch-enhance", files=files).json()["job"]
    folder, report, _ = results_of(server, job)
    assert report["a/anna.jpg"]["sidecars"] == ["a/anna.xmp"]
    assert (folder / "a" / "anna.xmp").read_bytes() == STARS
    assert report["a/other.xmp"]["state"] == "failed"


def test_an_xmp_file_of_another_photo_is_refused_in_words(server: Server):
    job = server.new_album([], start=False)
    files = [("photo", ("anna.jpg", small_photo())), ("xmp", ("bert.xmp", STARS))]
    answer = server.post(f"/api/jobs/{job}/items", files=files)
    assert answer.status_code == 400
    assert "bert.xmp is no XMP file of anna.jpg" in answer.json()["error"]["message"]
