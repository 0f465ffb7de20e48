"""Makes the environment completely or not at all, and mends it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gpen_webui.launcher import PROGRAM, SetUpError, say
from gpen_webui.launcher.environment import BASE, Environment, own_version
from gpen_webui.launcher.libraries import Pip, wants_cuda
from gpen_webui.launcher.lock import only_one

NEEDED_MB, NEEDED_MB_WITH_CUDA = 3000, 12000


def set_up(environment: Environment) -> None:
    """Make it and install what the product needs, unless that was done.

    Raises SetUpError.
    """
    with _pip(environment) as pip:
        if environment.holds():  # another start did it while this one waited
            return
        cuda = wants_cuda()
        _check_disk(environment.root, NEEDED_MB_WITH_CUDA if cuda else NEEDED_MB)
        fetched = "several GB, most of it PyTorch for your NVIDIA GPU" if cuda else "about 350 MB"
        say(
            f"Setting up {environment.folder} with Python {own_version()} "
            f"(fetches {fetched}, takes a few minutes; done once)."
        )
        if environment.must_start_over():
            _make(environment.folder)
        environment.forget()
        pip.install_all(environment.root / BASE)
        environment.remember(BASE)
        say("Ready.")


def add(environment: Environment, extra: str) -> None:
    """Install what a command needs besides, unless that was done.

    Raises SetUpError.
    """
    requirements = f"requirements-{extra}.txt"
    with _pip(environment) as pip:
        if environment.holds(requirements):
            return
        say(f"Fetching what `{PROGRAM} {extra}` needs besides (done once) ...")
        pip.install_all(environment.root / requirements)
        environment.remember(requirements)


@contextmanager
def _pip(environment: Environment) -> Iterator[Pip]:
    with only_one(environment.root / ".venv.lock") as lock:
        yield Pip(environment.python, lock.fileno())


def _make(folder: Path) -> None:
    if folder.is_symlink():  # into somebody's environment, which is theirs
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-I", "-m", "venv", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode == 0:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if importlib.util.find_spec("ensurepip") is None or "ensurepip" in done.stdout:
        raise SetUpError(
            "Python's venv module is missing; install it (Debian, Ubuntu: sudo apt install "
            "python3-venv) and start again."
        )
    reason = (done.stdout.strip().splitlines() or ["no reason was given"])[-1]
    raise SetUpError(f"{folder} cannot be made: {reason}")


def _check_disk(root: Path, needed: int) -> None:
    free = shutil.disk_usage(root).free // 2**20
    if free < needed:
        raise SetUpError(
            f"The disk that holds {root} has only {free} MB free; "
            f"make room for {needed} MB and start again."
        )
