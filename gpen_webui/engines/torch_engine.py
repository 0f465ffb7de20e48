"""The reference engine, the one for GPUs, and the fallback on CPUs: PyTorch."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpen_webui.engines.base import Engine, EngineError, check_shape
from gpen_webui.engines.cores import cpu_cores
from gpen_webui.engines.measurements import MeasurementCache
from gpen_webui.engines.quality import HALF_PRECISION_PSNR, psnr, real_crops
from gpen_webui.gpen.checkpoint import load_network

if TYPE_CHECKING:
    from gpen_webui.gpen.network import GPEN
    from gpen_webui.models.installed import InstalledModel

log = logging.getLogger(__name__)

GPU_BATCHES = (8, 4, 2, 1)


def gpu_device(device: str) -> str | None:
    """The GPU to use for --device auto, cuda or mps; None where there is none."""
    if device in ("auto", "cuda") and torch.cuda.is_available():
        return "cuda"
    if device in ("auto", "mps") and torch.backends.mps.is_available():
        return "mps"
    return None


class TorchEngine(Engine):
    """One caller at a time, with the whole device to itself.

    On a GPU the crops of a call go through in batches, but only in batch sizes that were
    found to give the same bytes as crops one by one (libraries pick their kernels by size).
    """

    def __init__(self, model: InstalledModel, device: str, *, precision: str, cache: Path | None):
        self.size = model.size
        self.streams = 1
        self.threads = cpu_cores() if device == "cpu" else 1
        self._device = torch.device(device)
        self._lock = threading.Lock()
        self._dtype = torch.float32
        self._batches: tuple[int, ...] = (1,)
        self._network: GPEN | None = load_network(model.path).to(self._device)
        reason = "float32"
        if device != "cpu":
            if precision != "exact":
                reason = self._choose_precision(MeasurementCache(cache, model.sha256))
            self._batches = self._safe_batches(GPU_BATCHES)
        where, batch = device_name(self._device), self._batches[0]
        self.description = (  # whole sentences, so that they can be translated
            f"{model.name} runs on the {where} with PyTorch in {reason}, 1 face at a time."
            if batch == 1
            else f"{model.name} runs on the {where} with PyTorch in {reason}, {batch} faces at "
            "a time."
        )

    def run(self, crops: np.ndarray) -> np.ndarray:
        check_shape(crops, self.size)
        restored = np.empty_like(crops)
        done = 0
        with self._lock:
            while done < len(crops):
                batch = next(size for size in self._batches if size <= len(crops) - done)
                part = slice(done, done + batch)
                try:
                    restored[part] = self._forward(crops[part])
                except RuntimeError as error:
                    self._use_smaller_batches(batch, error)
                else:
                    done += batch
        return restored

    def close(self) -> None:
        with self._lock:
            self._network = None
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _forward(self, crops: np.ndarray) -> np.ndarray:
        if self._network is None:
            raise EngineClosedError("the engine is closed")
        batch = torch.from_numpy(np.ascontiguousarray(crops))
        batch = batch.to(self._device, memory_format=torch.channels_last)
        with torch.inference_mode(), deterministic(self.threads), self._autocast():
            return self._network(batch).float().cpu().numpy()

    def _autocast(self) -> contextlib.AbstractContextManager:
        half = self._dtype != torch.float32
        return torch.autocast(self._device.type, self._dtype if half else None, enabled=half)

    def _use_smaller_batches(self, batch: int, error: RuntimeError) -> None:
        """Called when a batch has failed: out of memory halves the batches to come."""
        if not _is_out_of_memory(error):
            raise error
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if batch == 1:
            if self._device.type == "cpu":
                raise MemoryError("not enough memory for one face") from error
            raise EngineError(
                f"The {device_name(self._device)} has too little free memory for this model; "
                "close other programs that use it, or start with --device cpu."
            ) from error
        self._batches = tuple(size for size in self._batches if size < batch)
        log.warning("Out of memory with %d faces at a time, going on with fewer.", batch)

    def _choose_precision(self, measurements: MeasurementCache) -> str:
        """Take the first 16-bit type that passes the check; say what came of it."""
        known = f"{self._device.type}-{device_name(self._device)}-torch-{torch.__version__}"
        for dtype in (torch.float16, torch.bfloat16):
            name = str(dtype).removeprefix("torch.")
            measured = measurements.recall(
                f"{known}-{name}", partial(self._half_precision_psnr, dtype)
            )
            if measured >= HALF_PRECISION_PSNR:
                self._dtype = dtype
                return f"{name} ({measured:.0f} dB from float32)"
        return f"float32 (16 bits missed the quality check: {measured:.0f} dB)"

    def _half_precision_psnr(self, dtype: torch.dtype) -> float:
        """The worst crop's PSNR against float32 in dB; 0 where a value is not finite."""
        crops = real_crops(self.size)
        exact = [self._forward(crop[None]) for crop in crops]
        self._dtype = dtype
        try:
            half = [self._forward(crop[None]) for crop in crops]
        finally:
            self._dtype = torch.float32
        return min(psnr(a, b) for a, b in zip(half, exact, strict=True))

    def _safe_batches(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Those of `sizes` (largest first, down to 1) that give the bytes of single crops."""
        crops = np.resize(real_crops(self.size), (sizes[0], 3, self.size, self.size))
        single = np.concatenate([self._forward(crop[None]) for crop in crops])
        safe = [1]
        for size in sorted(sizes)[1:]:
            try:
                together = self._forward(crops[:size])
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                break
            if np.array_equal(together, single[:size]):
                safe.append(size)
        return tuple(reversed(safe))


class EngineClosedError(RuntimeError):
    """`run` was called after `close`."""


@contextlib.contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Real float32 (no TF32), the same kernels every time, and our own share of the cores."""
    torch.set_num_threads(threads)
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield


def _is_out_of_memory(error: RuntimeError) -> bool:
    # MPS and the CPU raise a plain RuntimeError.
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"mps": "Apple GPU", "cpu": "CPU"}[device.type]
