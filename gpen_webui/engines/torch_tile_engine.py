"""Enlarges tiles of photos with PyTorch: on GPUs, and on CPUs without OpenVINO."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from gpen_webui.engines.base import TileEngine
from gpen_webui.engines.cores import cpu_cores
from gpen_webui.engines.measurements import MeasurementCache
from gpen_webui.engines.quality import HALF_PRECISION_PSNR, worst_tile_psnr
from gpen_webui.engines.torch_engine import deterministic, device_name
from gpen_webui.enlarging.read import load_tile_network, read_config

if TYPE_CHECKING:
    from gpen_webui.models.folder import InstalledModel


class TorchTileEngine(TileEngine):
    """One caller and one tile at a time, with the whole device to itself."""

    streams = 1

    def __init__(self, model: InstalledModel, device: str, *, precision: str, cache: Path | None):
        self.shape = replace(read_config(model.path).tile, side=model.size)
        self._device = torch.device(device)
        self._threads = cpu_cores() if device == "cpu" else 1
        self._lock = threading.Lock()
        self._network: nn.Module | None = load_tile_network(model.path).to(self._device)
        self._dtype = torch.float32
        if device != "cpu" and precision != "exact":
            self._dtype = self._fastest(MeasurementCache(cache, model.sha256))
        numbers = str(self._dtype).removeprefix("torch.")
        where = device_name(self._device)
        self.description = f"{model.name} runs on the {where} with PyTorch in {numbers}."

    def run(self, tiles: np.ndarray) -> np.ndarray:
        with self._lock:
            if self._network is None:
                raise RuntimeError("the engine is closed")
            return np.concatenate([self._forward(tile[None], self._dtype) for tile in tiles])

    def close(self) -> None:
        with self._lock:
            self._network = None
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _forward(self, tile: np.ndarray, dtype: torch.dtype) -> np.ndarray:
        assert self._network is not None
        pixels = torch.from_numpy(np.ascontiguousarray(tile))
        pixels = pixels.to(self._device, memory_format=torch.channels_last)
        half = torch.autocast(self._device.type, dtype, enabled=dtype != torch.float32)
        with torch.inference_mode(), deterministic(self._threads), half:
            return self._network(pixels).float().cpu().numpy()

    def _fastest(self, measurements: MeasurementCache) -> torch.dtype:
        """The first 16-bit type that is close enough to float32, or that."""
        known = f"{self._device.type}-{device_name(self._device)}-torch-{torch.__version__}"
        for dtype in (torch.float16, torch.bfloat16):
            check = f"{known}-enlarging-{str(dtype).removeprefix('torch.')}"
            if measurements.recall(check, partial(self._psnr, dtype)) >= HALF_PRECISION_PSNR:
                return dtype
        return torch.float32

    def _psnr(self, dtype: torch.dtype) -> float:
        """Of the worst check photo against float32, in dB."""
        half, exact = (partial(self._forward, dtype=kind) for kind in (dtype, torch.float32))
        return worst_tile_psnr(half, exact, self.shape.least_side)
