"""The check of the page's scripts: `python -m tests.javascript_check`.

TypeScript checks the types that the comments give, Prettier the form; package.json and
package-lock.json say which versions. Both need Node.js; where it or they are missing, the check
is skipped with a sentence, for the program itself needs neither.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
OLDEST_NODE = 18
INSTALL_SECONDS = 120
CHECK_SECONDS = 120
INSTALL = "npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=0"


def check_javascript(project: Path = PROJECT) -> tuple[int, str]:
    """Check the scripts of a checkout: the exit code, 0 also where skipped, and what to say."""
    missing = _what_is_missing(project)
    if missing:
        return 0, f"The page's scripts are not checked: {missing}"
    done = _run("npm run --silent check", project, CHECK_SECONDS)
    if done is None:
        return 1, f"The check of the page's scripts took more than {CHECK_SECONDS} s."
    if done.returncode:
        return 1, f"{done.stdout}{done.stderr}\nThe page's scripts do not pass their check."
    return 0, "The page's scripts pass their check."


def _what_is_missing(project: Path) -> str | None:
    """Why there is nothing to check with, after having tried to install it; None: all is there."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "Node.js and npm are not installed."
    version = _run("node --version", project, 10)
    major = version.stdout.strip().removeprefix("v").split(".")[0] if version else ""
    if not major.isdigit() or int(major) < OLDEST_NODE:
        return f"Node.js is older than {OLDEST_NODE}."
    if _is_installed(project):
        return None
    done = _run(INSTALL, project, INSTALL_SECONDS)
    if done is None or done.returncode:
        return "npm could not fetch what package-lock.json lists; is there a network?"
    return None


def _is_installed(project: Path) -> bool:
    """Whether node_modules has the versions that package.json asks for, after a finished set-up."""
    modules = project / "node_modules"
    wanted = json.loads((project / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    try:
        found = {
            name: json.loads((modules / name / "package.json").read_text(encoding="utf-8"))
            for name in wanted
        }
    except (OSError, ValueError):
        return False
    finished = (modules / ".package-lock.json").is_file()  # npm writes it last
    return finished and all(found[name]["version"] == wanted[name] for name in wanted)


def _run(command: str, project: Path, seconds: int) -> subprocess.CompletedProcess[str] | None:
    """Run a command in the project's folder; None where it does not end in time."""
    name, *arguments = command.split()
    try:
        return subprocess.run(
            [shutil.which(name) or name, *arguments],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return None


if __name__ == "__main__":
    code, sentence = check_javascript()
    print(sentence, file=sys.stderr)
    sys.exit(code)
