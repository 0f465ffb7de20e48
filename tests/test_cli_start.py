"""How the command line starts: at once, and with a sentence where it cannot."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = ("torch", "openvino", "cv2", "numpy", "PIL", "flask", "requests")


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(project / "app.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("arguments", [["--help"], ["restore", "--help"], ["models", "--help"]])
def test_help_is_immediate(project: Path, arguments: list[str]):
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        done = run(project, *arguments)
        seconds.append(time.perf_counter() - started)
        assert done.returncode == 0
        assert "usage: run.sh" in done.stdout
    assert min(seconds) < 0.5


def test_no_commands_libraries_are_loaded_before_it_runs(project: Path):
    code = (
        "import sys; from gpen_webui.cli import build_parser; build_parser(); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


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


def test_restore_lists_every_option_it_has(project: Path):
    text = run(project, "restore", "--help").stdout
    for option in (
        "--output --model --mode --strength --denoise --sharpen --contrast --brightness "
        "--protect-skin --enhance-detail --min-face --format --quality --max-megapixels --aligned "
        "--save-faces --compare --skip-existing --device --precision --workers --json"
    ).split():
        assert option in text
