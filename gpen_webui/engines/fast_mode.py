"""What the fast mode costs and brings on this machine, measured once for each model.

In the fast mode a network is computed in numbers of fewer bits. Nobody knows beforehand whether
that pays: it depends on the processor and on the model. So it is tried, in a process of its own
(openvino/fast_trial.py), and what was measured is kept beside the models.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gpen_webui.engines.cores import (
    BFLOAT16_FLAGS,
    has_flags,
    has_little_memory,
    machine_key,
    may_have_gpu,
)
from gpen_webui.engines.measurements import MeasurementCache
from gpen_webui.folders import IMPORTED_FROM

LEAST_GAIN = 1.2  # times as fast: less is not worth a difference


@dataclass(frozen=True)
class FastMode:
    """decibels: PSNR of its worst check crop against exact; 0 where it missed the check. gain: how
    many times as fast the network is."""

    decibels: float
    gain: float

    @property
    def is_worth_it(self) -> bool:
        return self.decibels > 0 and self.gain >= LEAST_GAIN


class KeptFastMode:
    """What was measured of one model on this machine. cache: folder of compiled models, or None."""

    def __init__(self, cache: Path | None, model_sha256: str):
        self._measurements = MeasurementCache(cache, model_sha256)
        self._check = f"fast-mode-{machine_key()}-openvino-{_openvino()}"

    def read(self) -> FastMode | None:
        """None where it was not tried yet."""
        decibels, gain = (self._measurements.known(name) for name in self._names())
        return None if decibels is None or gain is None else FastMode(decibels, gain)

    def keep(self, mode: FastMode) -> None:
        """Remember it, where the folder can be written."""
        for name, value in zip(self._names(), (mode.decibels, mode.gain), strict=True):
            self._measurements.keep(name, value)

    def _names(self) -> tuple[str, str]:
        return f"{self._check}-decibels", f"{self._check}-gain"


def is_possible(device: str) -> bool:
    """Whether a trial could find that it pays: on a CPU that multiplies such numbers fast, with the
    memory for two networks. device: as in the settings."""
    on_cpu = device == "cpu" or (device == "auto" and not may_have_gpu())
    return on_cpu and has_flags(BFLOAT16_FLAGS) and _openvino() != "" and not has_little_memory()


def start_trial(model: Path, models: Path) -> subprocess.Popen:
    """Try it with the model of a file, behind whatever else wants the cores.

    The process ends with this one. Raises OSError where none can be started.
    """
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "gpen_webui.engines.openvino.fast_trial", model, models],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(IMPORTED_FROM)},
        start_new_session=True,
    )


def _openvino() -> str:
    """Its version; empty where it is missing."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("openvino")
    except PackageNotFoundError:
        return ""
