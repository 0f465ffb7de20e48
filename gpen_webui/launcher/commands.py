"""From a command line to the program that does what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from gpen_webui.launcher import PROGRAM, SetUpError, say
from gpen_webui.launcher.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
# Some commands need more than the product: what is listed in requirements-<extra>.txt.
EXTRAS = {
    "test": "test",
    "lock": "test",
    "bench": "bench",
    "train": "train",
    "worker": "cluster",
}
EXIT_NOT_SET_UP = 3

USAGE = f"""\
GPEN WebUI restores faces in portraits, on your own machine.

  {PROGRAM}                          serve the web page and open the browser
  {PROGRAM} serve                    the same, for example with --port or --host
  {PROGRAM} restore PHOTO_OR_FOLDER  restore photos without a browser
  {PROGRAM} watch FOLDER -o DIR      restore what is in a folder, and what arrives later
  {PROGRAM} worker --join URL        restore photos for a server on another machine
  {PROGRAM} workers                  the machines that work for this one's server
  {PROGRAM} models list              the models: installed, available, their licences
  {PROGRAM} bench                    measure this machine
  {PROGRAM} train ...                prepare faces, run a training, evaluate your own model
  {PROGRAM} test [--slow]            check the code and run the tests
  {PROGRAM} lock [--upgrade]         list the exact versions of all libraries anew

Each command has its own --help, for example: {PROGRAM} restore --help
"""


def main(arguments: list[str]) -> int:
    """Do what is asked; the exit code."""
    if arguments[:1] in (["-h"], ["--help"], ["help"]):
        print(USAGE, end="")
        return 0
    command = arguments[0] if arguments else ""
    environment = Environment(ROOT)
    if environment.runs_this() and environment.must_start_over():
        # It cannot remove the Python that it is: the one that it was made with takes over.
        base: str = sys._base_executable  # type: ignore[attr-defined]  # CPython's own
        return start(base, "-IS", ROOT / "gpen_webui" / "launcher" / "__main__.py", *arguments)
    try:
        _prepare(environment, _extra_for(command, arguments))
    except SetUpError as error:
        say(str(error))
        return EXIT_NOT_SET_UP
    if command in ("test", "lock"):
        os.chdir(ROOT)  # where pytest and uv find what belongs to the project
    if command == "lock":
        from gpen_webui.launcher.developing import lock

        return lock(environment, arguments[1:])
    if command == "test":
        from gpen_webui.launcher.developing import TESTS, check_code

        failed = check_code(environment)
        return failed or start(environment.python, *TESTS, *arguments[1:])
    if os.name != "nt":
        # Ctrl-C waits until the program can answer it in its own words; it then takes this back.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    return start(environment.python, ROOT / "app.py", *arguments)


def _extra_for(command: str, arguments: list[str]) -> str | None:
    """What is needed besides the product; the server needs it for tickets alone."""
    if command in EXTRAS:
        return EXTRAS[command]
    if command not in ("", "serve") and not command.startswith("-"):
        return None
    broker = os.environ.get("GPEN_WEBUI_CLUSTER", "")
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument == "--cluster":
            broker = following
        elif argument.startswith("--cluster="):
            broker = argument.partition("=")[2]
    return None if broker.strip() in ("", "none") else "cluster"


def _prepare(environment: Environment, extra: str | None) -> None:
    if environment.holds() and (extra is None or environment.holds(f"requirements-{extra}.txt")):
        return
    from gpen_webui.launcher.set_up import add, set_up  # slow to load, and seldom needed

    set_up(environment)
    if extra:
        add(environment, extra)


def start(*command: str | Path) -> int:
    """Become this command; on Windows, which has no such thing, its exit code."""
    words = [str(word) for word in command]
    if os.name == "nt":
        return run_and_wait(words)
    os.execv(words[0], words)


def run_and_wait(words: list[str]) -> int:
    """The exit code of a command, to which alone Ctrl-C speaks."""
    process = subprocess.Popen(words)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return process.wait()
