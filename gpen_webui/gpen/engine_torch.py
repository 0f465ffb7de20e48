"""The reference engine, and the one for GPUs: PyTorch."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpen_webui.gpen.checkpoint import load_network
from gpen_webui.gpen.engine import Engine, cpu_cores

if TYPE_CHECKING:
    from gpen_webui.gpen.catalog import InstalledModel


def gpu_device(wish: str) -> str | None:
    """The GPU to use for --device auto, cuda or mps; None where there is none."""
    if wish in ("auto", "cuda") and torch.cuda.is_available():
        return "cuda"
    if wish in ("auto", "mps") and torch.backends.mps.is_available():
        return "mps"
    return None


class TorchEngine(Engine):
    """One caller at a time, with the whole device to itself."""

    def __init__(self, model: InstalledModel, device: str, *, precision: str, cache: Path | None):
        self.size = model.size
        self.threads = cpu_cores() if device == "cpu" else 1
        self.streams = 1
        self.description = f"{model.name} runs on {device} with PyTorch in float32."
        self._device = torch.device(device)
        network = load_network(model.path)
        self._network = network.to(self._device, memory_format=torch.channels_last)
        self._lock = threading.Lock()

    def run(self, crops: np.ndarray) -> np.ndarray:
        with self._lock, torch.inference_mode():
            if self._network is None:
                raise RuntimeError("the engine is closed")
            restored = [self._network(self._upload(crop)).cpu().numpy() for crop in crops]
        return np.concatenate(restored) if restored else np.empty_like(crops)

    def close(self) -> None:
        with self._lock:
            self._network = None

    def _upload(self, crop: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(crop[None])
        return tensor.to(self._device, memory_format=torch.channels_last)
