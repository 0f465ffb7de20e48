"""Tells the parts of faces with ParseNet, in PyTorch."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpen_webui.engines.base import check_shape
from gpen_webui.engines.cores import cpu_cores
from gpen_webui.engines.torch_engine import deterministic, device_name
from gpen_webui.parsing.read import load_parser
from gpen_webui.parsing.recognise import SIDE

if TYPE_CHECKING:
    from gpen_webui.models.folder import InstalledModel
    from gpen_webui.parsing.network import ParseNet


class FaceParser:
    """One face at a time, with the whole device to itself; shared by threads, to whom it gives the
    same for the same face.

    device: as PyTorch calls it. description: one sentence for the log.
    """

    def __init__(self, model: InstalledModel, device: str):
        """Raises CheckpointError."""
        self._device = torch.device(device)
        self._threads = cpu_cores() if device == "cpu" else 1
        self._lock = threading.Lock()
        self._network: ParseNet | None = load_parser(model.path).to(self._device)
        self.description = (
            f"{model.name} runs on the {device_name(self._device)} with PyTorch in float32."
        )

    def run(self, faces: np.ndarray) -> np.ndarray:
        """The class of each pixel, as numbers of `recognise.CLASSES`: (N,512,512) uint8.

        faces: (N,3,512,512) float32 RGB in [-1,1]. Raises RuntimeError once it is closed.
        """
        check_shape(faces, SIDE)
        with self._lock:
            if self._network is None:
                raise RuntimeError("the engine is closed")
            return np.concatenate([self._classes(self._network, face[None]) for face in faces])

    def close(self) -> None:
        """Free the weights. May be called twice."""
        with self._lock:
            self._network = None
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _classes(self, network: ParseNet, face: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(np.ascontiguousarray(face)).to(self._device)
        with torch.inference_mode(), deterministic(self._threads):
            return network(pixels).argmax(1).to(torch.uint8).cpu().numpy()
