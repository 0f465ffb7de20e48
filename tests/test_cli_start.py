"""How the command line starts: at once, and with a sentence where it cannot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import small_photo
from tests.tiny_gpen import make_tiny_model

HEAVY = ("torch", "openvino", "cv2", "numpy", "PIL", "flask", "requests")


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(project / "app.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("arguments", [["--help"], ["restore", "--help"], ["models", "--help"]])
def test_help_loads_no_library_that_takes_time(project: Path, arguments: list[str]):
    command = [sys.executable, "-X", "importtime", str(project / "app.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "usage: run.sh" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_no_commands_libraries_are_loaded_before_it_runs(project: Path):
    code = (
        "import sys; from gpen_webui.cli import build_parser; build_parser(); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.slow
def test_a_photo_is_restored_without_what_only_others_need(project: Path, tmp_path: Path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(small_photo(0))
    model = make_tiny_model(tmp_path)
    environment = {**os.environ, "GPEN_WEBUI_MODELS": str(tmp_path)}
    command = [sys.executable, "-X", "importtime", str(project / "app.py"), "restore", str(photo)]
    command += ["--model", str(model.path)]
    for run in ("first", "second"):  # the second finds the network compiled
        done = subprocess.run(
            [*command, "-o", str(tmp_path / run)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "openvino" in loaded
    others = {"torch", "flask", "jinja2", "babel", "tqdm", "numpy.ma", "PIL.TiffImagePlugin"}
    assert loaded.isdisjoint(others), loaded & others


@pytest.mark.parametrize(
    "arguments",
    [
        ["restore"],
        ["restore", "x.jpg", "--mode", "wild"],
        ["restore", "x.jpg", "--strength", "much"],
        ["restore", "x.jpg", "--workers", "many"],
        ["restore", "x.jpg", "--workers", "0"],
        ["restore", "x.jpg", "--device", "tpu"],
        ["models"],
        ["models", "download"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_code_2_and_no_traceback(project: Path, arguments: list[str]):
    done = run(project, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: run.sh")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gone.jpg"], "gone.jpg does not exist"),
        (["photo.jpg", "--strength", "300"], "strength"),
        (["photo.jpg", "--model", "no-such-model"], "no-such-model"),
        (["photo.jpg", "--model", "photo.jpg"], "photo.jpg"),
        (["photo.jpg", "--model", "gpen-bfr-512"], "models download gpen-bfr-512"),
        (["photo.jpg", "--quality", "0"], "quality"),
        (["photo.jpg", "-o", "photo.jpg"], "cannot be made"),
    ],
)
def test_what_makes_a_run_impossible_is_code_2_and_a_sentence(
    project, tmp_path: Path, arguments, sentence
):
    (tmp_path / "photo.jpg").write_bytes(small_photo(0))
    command = [sys.executable, project / "app.py", "restore", *arguments]
    environment = {**os.environ, "GPEN_WEBUI_OUTPUTS": str(tmp_path / "outputs")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_restore_lists_every_option_it_has(project: Path):
    text = run(project, "restore", "--help").stdout
    for option in (
        "--output --model --mode --strength --denoise --sharpen --contrast --brightness "
        "--protect-skin --enhance-detail --min-face --format --quality --max-megapixels --aligned "
        "--save-faces --compare --skip-existing --device --precision --workers --json"
    ).split():
        assert option in text


OLD_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def restore_in(
    project: Path, folder: Path, *, names: list[str], shell: str = "", **environment: str
) -> subprocess.CompletedProcess:
    """Restore photos of these names into folder/out; shell: what stands behind the command."""
    photos = folder / "photos"
    photos.mkdir()
    for number, name in enumerate(names):
        (photos / name).write_bytes(small_photo(number, side=160))
    command = f'exec "$0" app.py restore "$1" -o "$2" {shell}'
    return subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, photos, folder / "out"],
        cwd=project,
        env={**os.environ, "GPEN_WEBUI_OUTPUTS": str(folder / "outputs"), **environment},
        capture_output=True,
        timeout=120,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_files_do_no_harm(project: Path, tmp_path: Path, closed: str):
    done = restore_in(project, tmp_path, names=["a.jpg"], shell=f"--json {closed}")
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path / "out")) == ["a.jpg", "report.html", "report.json"]
    json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))


def test_a_terminal_without_utf_8_shows_what_it_can(project: Path, tmp_path: Path):
    done = restore_in(project, tmp_path, names=["Käthe.jpg"], PYTHONIOENCODING="ascii:strict")
    assert done.returncode == 0, done.stderr
    assert b"K\\xe4the.jpg" in done.stderr


def test_a_locale_that_cannot_write_a_name_gives_the_result_a_plain_one(
    project: Path, tmp_path: Path
):
    done = restore_in(project, tmp_path, names=["Käthe.jpg"], **OLD_LOCALE)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path / "out")) == ["Kathe.jpg", "report.html", "report.json"]
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["photos"][0]["name"] == "Käthe.jpg"
    assert "called Kathe.jpg" in report["photos"][0]["warnings"][0]


def test_help_can_be_printed_in_every_locale(project: Path):
    command = [sys.executable, "app.py", "restore", "--help"]
    environment = {**os.environ, **OLD_LOCALE}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0
    assert b"usage: run.sh" in done.stdout
