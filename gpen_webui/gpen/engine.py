"""Engines run a network: degraded crops in, restored crops out.

`open_engine` picks the device and the library, and says in `Engine.description` what it
picked and why. An engine owns its threads: callers may use any number of threads of their
own and get the same bytes for the same crop, whatever else is being computed.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gpen_webui.errors import UserError

if TYPE_CHECKING:
    from gpen_webui.gpen.catalog import InstalledModel

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("exact", "fast", "auto")


class EngineError(UserError):
    """The wished device or precision cannot be used."""


class Engine(ABC):
    """A network that is ready to run.

    size: side of the crops in pixels. description: one sentence for the user, what was
    picked and why. threads: how many cores it computes on. streams: how many crops it works
    on at once.
    """

    size: int
    description: str
    threads: int
    streams: int

    @abstractmethod
    def run(self, crops: np.ndarray) -> np.ndarray:
        """Restore crops (N,3,S,S) float32 RGB in [-1,1]; same shape and type, not clipped.

        May be called from many threads at once. Each crop's result depends on that crop
        only, to the last bit. Raises RuntimeError once the engine is closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the weights and threads. May be called twice."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_engine(
    model: InstalledModel,
    *,
    device: str = "auto",
    precision: str = "exact",
    workers: int = 1,
    cache: Path | None = None,
) -> Engine:
    """Make `model` ready to run.

    device: auto, cpu, cuda or mps. precision: exact (float32), fast or auto, see the README.
    workers: how many threads will call `run` at once. cache: folder for compiled models;
    None compiles anew at each start.

    Raises EngineError where the device is missing, and CheckpointError for a bad model file.
    """
    if device not in DEVICES:
        raise EngineError(f"There is no device “{device}”; choose one of {', '.join(DEVICES)}.")
    if precision not in PRECISIONS:
        choices = ", ".join(PRECISIONS)
        raise EngineError(f"There is no precision “{precision}”; choose one of {choices}.")
    if device in ("cuda", "mps") or (device == "auto" and _may_have_gpu()):
        from gpen_webui.gpen.engine_torch import TorchEngine, gpu_device

        gpu = gpu_device(device)
        if gpu is not None:
            return TorchEngine(model, gpu, precision=precision, cache=cache)
        if device != "auto":
            raise EngineError(f"PyTorch finds no “{device}” device here; choose --device auto.")
    if importlib.util.find_spec("openvino") is not None:
        from gpen_webui.gpen.engine_openvino import OpenVinoEngine

        return OpenVinoEngine(model, precision=precision, workers=workers, cache=cache)
    from gpen_webui.gpen.engine_torch import TorchEngine

    return TorchEngine(model, "cpu", precision=precision, cache=cache)


def check_shape(crops: np.ndarray, size: int) -> None:
    """Raises ValueError where `crops` are not what `Engine.run` takes."""
    if crops.ndim != 4 or crops.shape[1:] != (3, size, size) or crops.dtype != np.float32:
        raise ValueError(
            f"crops must be (N, 3, {size}, {size}) float32, not {crops.shape} {crops.dtype}"
        )


def auto_workers(device: str = "auto") -> int:
    """How many photos to have in work at once, for the least time per album: one per core.

    Measured on 2 cores: with the embedded model two photos at once take 22 % less time than
    one, and three 5 % less again; with GPEN-BFR-512 two leave the network idle for 1 % of the
    time, one for 13 %. Each more costs memory. See docs/benchmark.md.
    """
    return cpu_cores()


def cpu_cores() -> int:
    """Cores this process may use; two hardware threads of one core count once."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    siblings = set()
    for cpu in allowed:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text())
        except OSError:
            return len(allowed)
    return len(siblings)


def _may_have_gpu() -> bool:
    """A cheap look that spares most machines the import of PyTorch."""
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    return shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists()
