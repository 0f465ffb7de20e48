"""`npm run check`, which `./run.sh test` starts: it finds faults in the page's scripts."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

CONFIGURATION = ("package.json", "tsconfig.json")


@pytest.fixture
def checkout(project: Path, tmp_path: Path) -> Path:
    """A folder with the configuration and what it needs, for scripts of one's own."""
    if not shutil.which("npm") or not (project / "node_modules").is_dir():
        pytest.skip("needs Node.js and what `npm ci` fetches")
    for name in CONFIGURATION:
        shutil.copy(project / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(project / "node_modules")
    (tmp_path / "static" / "js").mkdir(parents=True)
    return tmp_path


def check(checkout: Path, script: str) -> subprocess.CompletedProcess[str]:
    (checkout / "static" / "js" / "example.js").write_text(script, encoding="utf-8")
    command = ["npm", "run", "--silent", "check"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True)


def test_a_sound_script_passes(checkout: Path):
    done = check(checkout, 'export const n = Number("1");\n')
    assert done.returncode == 0, done.stdout


def test_a_wrong_type_fails_and_is_named(checkout: Path):
    done = check(checkout, 'const n = Number("1");\nn.trim();\n')
    assert done.returncode != 0
    assert "example.js" in done.stdout
    assert "'trim' does not exist on type 'number'" in done.stdout


def test_another_form_than_prettiers_fails_and_is_named(checkout: Path):
    done = check(checkout, "export const n   =  1\n")
    assert done.returncode != 0
    assert "example.js" in done.stdout + done.stderr


def test_versions_are_pinned_and_the_lock_names_no_other_registry(project: Path):
    package = json.loads((project / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((project / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version in package["devDependencies"].items():
        assert lock[f"node_modules/{name}"]["version"] == version
    sources = {entry["resolved"] for entry in lock.values() if "resolved" in entry}
    assert all(source.startswith("https://registry.npmjs.org/") for source in sources)
