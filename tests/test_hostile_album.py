"""`./run.sh restore` over a folder of hostile files and names: every good photo, no accident."""

import json
import os
import re
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.hostile.corpus import make_corpus
from tests.hostile.file import HostileFile
from tests.hostile.names import as_bytes
from tests.server import small_photo


@pytest.fixture(scope="module")
def corpus() -> list[HostileFile]:
    return make_corpus()


def restore(project: Path, *arguments: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [project / "run.sh", "restore", *arguments],
        capture_output=True,
        text=True,
        errors="backslashreplace",
    )


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def is_picture(path: Path) -> bool:
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) is not None


def test_every_name_gets_a_result_of_its_own_inside_the_results_folder(project, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for number, name in enumerate(as_bytes()):
        with open(os.path.join(os.fsencode(photos), name), "wb") as file:
            file.write(small_photo(number, side=160))
    given = files_in(photos)

    done = restore(project, photos, "-o", out)

    assert done.returncode == 0, done.stderr
    assert not re.search(r"Traceback|[\x00-\x09\x0b-\x1f\x7f\u202e]", done.stderr)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    results = [photo["result"] for photo in report["photos"]]
    assert len({result.casefold() for result in results}) == len(results) == len(given)
    expected = {out / result for result in results} | {out / "report.json", out / "report.html"}
    assert files_in(tmp_path) == given | expected
    assert all(is_picture(out / result) for result in results)
    assert not [name for name in results if re.search(r'[\x00-\x1f\x7f:*?"<>|\\]', name)]


def test_an_album_of_hostile_files_restores_the_good_ones_and_names_the_others(
    project, tmp_path, corpus
):
    small = [file for file in corpus if len(file.data) < 200_000 and "mega" not in file.name]
    check_album(project, tmp_path, small[::6])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_corpus_in_one_album(project, tmp_path, corpus):
    check_album(project, tmp_path, corpus)


def check_album(project: Path, folder: Path, files: list[HostileFile]) -> None:
    photos, out = folder / "photos", folder / "out"
    photos.mkdir()
    files = [file for file in files if not file.name.endswith(".gif")]
    for file in files:
        (photos / file.name).write_bytes(file.data)
    (photos / "a face.jpg").write_bytes(small_photo())

    done = restore(project, photos, "-o", out, "--json")

    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    reports = {photo["name"]: photo for photo in report["photos"]}
    assert reports["a face.jpg"]["state"] == "done"
    assert len(reports) == len(files) + 1
    for file in files:
        said = reports[file.name]
        if file.pixels is not None:
            assert said["state"] == "no_face", said
        if file.refused:
            assert said["state"] == "failed"
        if said["state"] == "failed":
            assert said["result"] is None
            assert said["error"]["stage"] == "open", said
            assert said["error"]["message"].count("\n") == 0
        else:
            assert (out / said["result"]).read_bytes() == file.data  # no face: as it was
    written = {out / said["result"] for said in reports.values() if said["result"]}
    assert files_in(out) == written | {out / "report.json", out / "report.html"}
