"""What only developers ask for: checks of the code, and the lists of exact versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gpen_webui.launcher import say
from gpen_webui.launcher.environment import BASE, Environment

EXTRAS = ("test", "bench", "cluster", "train")  # `test` first: the others agree with it


# Files of tests go to two processes for each core, as tests wait for servers and browsers a third
# of their time. Each process has its own of these: more than a few would want for memory.
PROCESSES = min(4, 2 * (os.cpu_count() or 1))
# The order of the files is that of tests/conftest.py.
TESTS = f"-m pytest --numprocesses {PROCESSES} --dist loadfile --no-loadscope-reorder".split()


def check_code(environment: Environment) -> int:
    """Everything that is quicker than the tests, beside each other; 0 where all is well."""
    python = str(environment.python)
    checks: dict[str, list[str] | None] = {
        "Lint": [python, "-m", "ruff", "check", "--quiet"],
        "Format": [python, "-m", "ruff", "format", "--check", "--quiet"],
        "Types": [python, "-m", "mypy"],
        "JavaScript": javascript_check(),
    }
    commands = {name: command for name, command in checks.items() if command}
    say(f"Checking: {', '.join(commands)} ...")
    with ThreadPoolExecutor(len(commands)) as pool:
        outcomes = list(pool.map(_run, commands.values()))
    for done in outcomes:
        print(done.stdout, end="", flush=True)
    failed = [name for name, done in zip(commands, outcomes, strict=True) if done.returncode]
    if failed:
        say(f"Failed: {', '.join(failed)}.")
    return int(bool(failed))


def _run(command: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def javascript_check() -> list[str] | None:
    """The command that checks the page's scripts; None, and a sentence, where it cannot run."""
    npm = shutil.which("npm")
    if npm is None:
        say("JavaScript is not checked: Node.js (with npm) is not installed.")
        return None
    installed, wanted = Path("node_modules/.package-lock.json"), Path("package-lock.json")
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        say("Fetching what checks the JavaScript ...")
        if subprocess.run([npm, "ci", "--silent", "--no-audit", "--no-fund"]).returncode:
            say("JavaScript is not checked: what checks it could not be fetched.")
            return None
    return [npm, "run", "--silent", "check"]


def lock(environment: Environment, options: list[str]) -> int:
    """Write requirements*.txt anew from pyproject.toml, for every platform and Python.

    Versions stay while they fit; options of `uv pip compile`, such as --upgrade, are passed on.
    """
    command = [
        str(environment.python),
        *"-m uv pip compile pyproject.toml --quiet".split(),
        *options,
    ]
    command += "--universal --python-version 3.11 --fork-strategy fewest --generate-hashes".split()
    command += ["--no-emit-index-url", "--no-emit-find-links"]
    command += ["--custom-compile-command", "./run.sh lock"]
    if code := _compile(command, BASE):
        return code
    base = re.findall(r"^([A-Za-z0-9][\w.-]*)==", Path(BASE).read_text(encoding="utf-8"), re.M)
    # What an extra needs besides, in the versions that the lists before it have.
    command += ["--constraints", BASE]
    command += [word for name in base for word in ("--no-emit-package", name)]
    for extra in EXTRAS:
        name = f"requirements-{extra}.txt"
        if code := _compile([*command, "--extra", extra], name):
            return code
        command += ["--constraints", name]
    return 0


def _compile(command: list[str], name: str) -> int:
    """Run uv; the list ends where it begins to tell what it leaves out."""
    code = subprocess.run([*command, "--output-file", name]).returncode
    if code == 0:
        text = Path(name).read_text(encoding="utf-8")
        listed = text.partition("# The following packages were excluded")[0].rstrip() + "\n"
        Path(name).write_text(listed, encoding="utf-8")
    return code
