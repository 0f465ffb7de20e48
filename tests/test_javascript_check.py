"""The check of the page's scripts finds faults, and is skipped in words where it cannot run."""

import json
import shutil
from pathlib import Path

import pytest

from tests.javascript_check import check_javascript

CONFIGURATION = ("package.json", "package-lock.json", "tsconfig.json")
FAULTY = 'const n = Number("1");\nn.trim();\n'
needs_packages = pytest.mark.skipif(
    not shutil.which("node"), reason="needs Node.js and what package-lock.json lists"
)


@pytest.fixture
def checkout(project: Path, tmp_path: Path) -> Path:
    """A folder with the configuration, and a script of one's own to be written."""
    for name in CONFIGURATION:
        shutil.copy(project / name, tmp_path)
    (tmp_path / "static" / "js").mkdir(parents=True)
    return tmp_path


def link_packages(project: Path, checkout: Path) -> None:
    if not (project / "node_modules").is_dir():
        pytest.skip("needs what package-lock.json lists: npm ci")
    (checkout / "node_modules").symlink_to(project / "node_modules")


@needs_packages
def test_a_wrong_type_fails_the_check_and_is_named(project: Path, checkout: Path):
    link_packages(project, checkout)
    (checkout / "static" / "js" / "faulty.js").write_text(FAULTY)
    code, words = check_javascript(checkout)
    assert code == 1
    assert "faulty.js" in words
    assert "trim" in words


@needs_packages
def test_another_form_than_prettiers_fails_the_check(project: Path, checkout: Path):
    link_packages(project, checkout)
    (checkout / "static" / "js" / "crooked.js").write_text("export const n   =  1\n")
    code, words = check_javascript(checkout)
    assert code == 1
    assert "crooked.js" in words


def test_without_node_the_check_is_skipped_with_a_sentence(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(checkout))
    code, words = check_javascript(checkout)
    assert code == 0
    assert "Node.js and npm are not installed" in words


@needs_packages
def test_without_packages_and_network_the_check_is_skipped_with_a_sentence(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(checkout / "cache"))
    code, words = check_javascript(checkout)
    assert code == 0
    assert "npm could not fetch" in words


def test_versions_are_pinned_and_the_lock_names_no_other_registry(project: Path):
    package = json.loads((project / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((project / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version in package["devDependencies"].items():
        assert lock[f"node_modules/{name}"]["version"] == version
    sources = {entry["resolved"] for entry in lock.values() if "resolved" in entry}
    assert all(source.startswith("https://registry.npmjs.org/") for source in sources)
