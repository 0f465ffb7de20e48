"""Fetches the libraries listed in a requirements file, by pip, and no other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

from gpen_webui.launcher import SetUpError, say

TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# PyTorch, and what only its build for NVIDIA GPUs needs.
TORCH_BUILD = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
SECONDS_FOR_INDEX = 5


def wants_cuda() -> bool:
    """Whether PyTorch should be the build for NVIDIA GPUs, which brings the whole of CUDA."""
    if not sys.platform.startswith("linux") or shutil.which("nvidia-smi") is None:
        return False
    return subprocess.run(["nvidia-smi", "-L"], capture_output=True).returncode == 0


class Pip:
    """pip of the environment whose Python is given.

    held: a file that it keeps open, and so locked, even where it outlives this process.
    """

    def __init__(self, python: Path, held: int):
        self._python = python
        self._held = held

    def install_all(self, requirements: Path) -> None:
        """Install what a complete list with hashes names, PyTorch in the build that fits.

        Raises SetUpError.
        """
        entries = _entries(requirements)
        torch = [entry for entry in entries if TORCH_BUILD.match(entry)]
        others = [entry for entry in entries if not TORCH_BUILD.match(entry)]
        index = self._cpu_index(torch) if torch and _default_build_is_for_gpus() else None
        if torch:
            say("  1/2 the libraries ...")
        self._install_entries(others, "The libraries")
        if torch:
            say("  2/2 PyTorch ...")
            self._install_torch(torch, index)

    def _install_torch(self, entries: list[str], index: list[str] | None) -> None:
        if index is None:
            self._install_entries(entries, "PyTorch")
        # The hashes are those of another build.
        elif self._pip("install", "--no-deps", *index, _torch(entries)).returncode:
            raise _not_fetched("PyTorch")

    def _install_entries(self, entries: list[str], what: str) -> None:
        listed = self._python.parent.parent / "wanted.txt"
        listed.write_text("".join(entries), encoding="utf-8")
        done = self._pip("install", "--no-deps", "--require-hashes", "-r", str(listed))
        listed.unlink()
        if done.returncode:
            raise _not_fetched(what)

    def _cpu_index(self, entries: list[str]) -> list[str]:
        """Options of pip with which it finds the small build.

        Raises SetUpError where there is only the one for NVIDIA GPUs: gigabytes, and useless.
        """
        if _answers(f"{TORCH_CPU_INDEX}/torch/"):
            return ["--index-url", TORCH_CPU_INDEX]
        plan = self._pip("install", "--dry-run", "--report", "-", _torch(entries), show=False)
        if plan.returncode:
            raise _not_fetched("PyTorch")
        names = [one["metadata"]["name"] for one in json.loads(plan.stdout)["install"]]
        if any(name.startswith("nvidia") for name in names):
            raise SetUpError(
                f"{TORCH_CPU_INDEX} does not answer, and the other source has only PyTorch's "
                "build for NVIDIA GPUs, several GB; try again when the network reaches it."
            )
        return []

    def _pip(self, *words: str, show: bool = True) -> subprocess.CompletedProcess:
        command = [str(self._python), "-I", "-m", "pip", "--disable-pip-version-check"]
        return subprocess.run(
            [*command, "-qq", "--no-input", *words],
            stdout=None if show else subprocess.PIPE,
            text=True,
            pass_fds=() if os.name == "nt" else (self._held,),
        )


def _entries(requirements: Path) -> list[str]:
    """The parts of a requirements file, one library each, with its marker and hashes."""
    text = requirements.read_text(encoding="utf-8")
    return re.findall(r"^[A-Za-z0-9].*\n(?:[ \t].*\n)*", text, flags=re.M)


def _torch(entries: list[str]) -> str:
    """`torch==1.2.3`."""
    return next(entry.split()[0] for entry in entries if entry.startswith("torch=="))


def _default_build_is_for_gpus() -> bool:
    """On Linux PyTorch's usual build is the one for NVIDIA GPUs, whether there is one or not."""
    return sys.platform.startswith("linux") and not wants_cuda()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=SECONDS_FOR_INDEX).close()
    except OSError:
        return False
    return True


def _not_fetched(what: str) -> SetUpError:
    return SetUpError(
        f"{what} could not be fetched; check the network connection and start again: "
        "the set-up begins anew."
    )
