"""What a worker's machine has: which device computes, and how many restoring processes it needs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

from gpen_webui.engines.cores import cpu_cores

LEAST_PER_GPU = 2  # one photo is decoded or saved while another's faces are in the network


def resolved_device(device: str) -> str:
    """`auto` as this machine will most likely have it; for the coordinator, which lists it."""
    if device != "auto":
        return device
    if gpus():
        return "cuda"
    is_apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return "mps" if is_apple else "cpu"


def environments(device: str) -> list[dict[str, str]]:
    """What each restoring process needs in its environment: one process for each NVIDIA GPU."""
    found = gpus() if device == "cuda" else []
    return [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in found] or [{}]


def default_slots(processes: int) -> int:
    """How many photos to have in work at once."""
    cores = cpu_cores()
    return cores if processes == 1 else max(cores, LEAST_PER_GPU * processes)


def gpus() -> list[str]:
    """The NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [gpu for gpu in chosen.split(",") if gpu and gpu != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    question = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    asked = subprocess.run(question, capture_output=True, text=True)
    return asked.stdout.split() if asked.returncode == 0 else []
