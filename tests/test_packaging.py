"""What is installed is listed completely, and the program can be installed as a package."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

EXTRAS = ("test", "bench", "cluster", "train")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = (
    {"sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux"},
    {"sys_platform": "darwin", "platform_machine": "arm64", "platform_system": "Darwin"},
    {"sys_platform": "win32", "platform_machine": "AMD64", "platform_system": "Windows"},
)


@pytest.fixture(scope="module")
def wanted(project: Path) -> dict:
    """What pyproject.toml says of the project."""
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def locked(project: Path, *extras: str) -> list[str]:
    """The entries of the lists that are installed for these extras, each with its hashes."""
    names = ["requirements.txt", *(f"requirements-{extra}.txt" for extra in extras)]
    text = "\n".join((project / name).read_text(encoding="utf-8") for name in names)
    return re.findall(r"^[A-Za-z0-9].*(?:\n[ \t].*)*", text, flags=re.M)


def requirement(entry: str) -> Requirement:
    return Requirement(entry.partition("\\")[0].partition("#")[0].strip())


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_every_library_is_listed_with_one_version_and_its_hashes(project: Path, extra: str):
    entries = locked(project, *filter(None, [extra]))
    assert all(re.fullmatch(r"==[^,*]+", str(requirement(one).specifier)) for one in entries)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", one) for one in entries)
    names = [canonicalize_name(requirement(one).name) for one in entries]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform["sys_platform"])
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lists_fit_what_is_asked_for_on_every_platform_and_python(
    project: Path, wanted: dict, platform: dict, python: str
):
    where = {**platform, "python_version": python, "python_full_version": f"{python}.9"}
    for extra in ("", *EXTRAS):
        pinned = {
            canonicalize_name(one.name): str(one.specifier).removeprefix("==")
            for one in map(requirement, locked(project, *filter(None, [extra])))
            if one.marker is None or one.marker.evaluate({**where, "extra": extra})
        }
        asked = wanted["dependencies"] + wanted["optional-dependencies"].get(extra, [])
        for need in map(Requirement, asked):
            if need.name == "gpen-webui" or (need.marker and not need.marker.evaluate(where)):
                continue
            assert need.specifier.contains(pinned[canonicalize_name(need.name)]), need


def test_everything_that_is_installed_here_for_the_program_is_as_listed(project: Path):
    """Transitive libraries too: whatever one of the listed libraries needs is listed."""
    listed = {
        canonicalize_name(one.name): one
        for one in map(requirement, locked(project))
        if one.marker is None or one.marker.evaluate()
    }
    installed = {canonicalize_name(one.name): one for one in metadata.distributions()}
    for name in listed.keys() & installed.keys():
        assert listed[name].specifier.contains(installed[name].version), name
        for needed in map(Requirement, installed[name].requires or []):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in listed, f"{name} needs {needed}"


def test_the_lists_name_no_address(project: Path):
    for path in project.glob("requirements*.txt"):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text
        assert "index-url" not in text


def test_the_starters_look_for_the_pythons_that_the_project_supports(project: Path, wanted: dict):
    supported = SpecifierSet(wanted["requires-python"])
    assert [python for python in PYTHONS if f"{python}.1" in supported] == list(PYTHONS)
    assert "3.10.9" not in supported
    assert "3.15.0" not in supported
    for starter in ("run.sh", "run.bat"):
        text = (project / starter).read_text(encoding="utf-8")
        assert "(3, 11) <= sys.version_info < (3, 15)" in text
        assert all(python in text for python in PYTHONS)
        assert "__main__.py" in text


def test_the_starter_for_windows_has_line_ends_that_it_can_read(project: Path):
    text = (project / "run.bat").read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n")


def test_no_sentence_names_a_starter_that_an_installed_package_has_not(project: Path):
    for path in (project / "gpen_webui").rglob("*.py"):
        if path.parent.name == "launcher":  # what run.sh itself runs
            continue
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        documentation = {
            node.body[0].value
            for node in nodes
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in nodes:
            if isinstance(node, ast.Constant) and node not in documentation:
                assert path.name == "folders.py" or "run.sh" not in str(node.value), path
    for path in (project / "templates").iterdir():
        assert "run.sh" not in path.read_text(encoding="utf-8"), path


@pytest.fixture(scope="module")
def installed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `gpen-webui` in an environment that has it from a wheel.

    The libraries are lent by the environment of the tests; the project's folder is not there.
    """
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(project)]
    subprocess.run([*pip, *build], check=True, cwd=folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    (wheel,) = folder.glob("*.whl")
    into = ["--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, *into], check=True, cwd=folder)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True)
    lent = Path(site.stdout.strip()) / "lent.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python.with_name("gpen-webui")


def run(command: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GPEN_WEBUI_", "XDG_", "PYTHON"))
    }
    environment |= {"HOME": str(home), "LOCALAPPDATA": str(home)}
    return subprocess.run(
        [command, *arguments], cwd=home, env=environment, capture_output=True, text=True
    )


@pytest.mark.slow
def test_an_installed_package_restores_a_photo_into_the_users_folders(
    project: Path, installed: Path, tmp_path: Path
):
    done = run(installed, tmp_path, "restore", str(project / "docs" / "astronaut.jpg"))
    assert done.returncode == 0, done.stderr
    (result,) = tmp_path.rglob("astronaut.jpg")
    assert "gpen-webui" in str(result.parent)
    assert {path.name for path in tmp_path.iterdir()} <= {".local", ".cache", "Library"}
    assert not list(project.glob("*.egg-info"))


@pytest.mark.slow
def test_an_installed_package_has_the_commands_of_run_sh_and_names_itself(
    installed: Path, tmp_path: Path
):
    assert "usage: gpen-webui" in run(installed, tmp_path, "--help").stdout
    assert "gpen-mini-256" in run(installed, tmp_path, "models", "list").stdout
    for command in ("serve", "bench", "train"):
        assert run(installed, tmp_path, command, "--help").returncode == 0
    missing = run(installed, tmp_path, "restore", "x.jpg", "--model", "gpen-bfr-512").stderr
    assert "run.sh" not in missing


@pytest.mark.slow
def test_an_installed_package_serves_its_pages(installed: Path, tmp_path: Path):
    code = (
        "from gpen_webui.settings import Settings\n"
        "from gpen_webui.web.application import build_app, close_app\n"
        "app = build_app(Settings())\n"
        "client = app.test_client()\n"
        "for page in ('/', '/batch', '/models', '/static/js/shared/api.js'):\n"
        "    answer = client.get(page, base_url='http://127.0.0.1:7860')\n"
        "    print(page, answer.status_code)\n"
        "close_app(app)\n"
    )
    done = run(installed.with_name("python"), tmp_path, "-c", code)
    assert done.stdout.count(" 200\n") == 4, done.stdout + done.stderr
    assert "run.sh" not in done.stdout
