"""The baseline as an engine, so that whole photos can be restored with it."""

from __future__ import annotations

import threading

import numpy as np
import torch

from gpen_webui.bench.reference_form import to_reference_form
from gpen_webui.engines.base import Engine, check_shape
from gpen_webui.engines.cores import cpu_cores
from gpen_webui.engines.torch_engine import EngineClosedError
from gpen_webui.gpen.checkpoint import load_network
from gpen_webui.gpen.network import GPEN
from gpen_webui.models.installed import InstalledModel


class ReferenceEngine(Engine):
    """The network in its published form, face by face, on all cores or on the GPU."""

    def __init__(self, model: InstalledModel, device: str):
        self.size = model.size
        self.threads = cpu_cores() if device == "cpu" else 1
        self.streams = 1
        self.description = "PyTorch, weights made anew for every face"
        self._device = device
        self._lock = threading.Lock()
        self._network: GPEN | None = to_reference_form(load_network(model.path)).to(device)

    def run(self, crops: np.ndarray) -> np.ndarray:
        check_shape(crops, self.size)
        with self._lock, torch.inference_mode():
            if self._network is None:
                raise EngineClosedError("the engine is closed")
            torch.set_num_threads(self.threads)
            faces = [
                self._network(torch.from_numpy(crop[None]).to(self._device)).cpu() for crop in crops
            ]
        return torch.cat(faces).numpy()

    def close(self) -> None:
        self._network = None
