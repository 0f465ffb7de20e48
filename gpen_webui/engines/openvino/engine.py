"""The engine for CPUs: OpenVINO, on a graph made from our own network."""

from __future__ import annotations

import queue
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openvino as ov

from gpen_webui.engines.base import Engine, check_shape
from gpen_webui.engines.cores import cpu_cores
from gpen_webui.engines.openvino.fast import choose_variant
from gpen_webui.engines.openvino.graph_variants import GraphVariant, VariantOpener

if TYPE_CHECKING:
    from gpen_webui.models.installed import InstalledModel


# What the feature maps of one stream take, measured on GPEN-BFR-512, and what all may take.
# A second stream of that model makes an album 3 to 5 % faster, but costs half a gigabyte in
# float32.
STREAM_BYTES_PER_PIXEL = {"float32": 2000, "bfloat16": 1000}
STREAMS_BYTES = 600 << 20


class OpenVinoEngine(Engine):
    """Every crop is one inference request of batch 1, so no crop's result can depend on
    another; requests run on `streams` streams that share one copy of the weights."""

    def __init__(self, model: InstalledModel, *, precision: str, workers: int, cache: Path | None):
        self.size = model.size
        self.threads = cpu_cores()
        self._workers = workers
        opener = VariantOpener(model, cache, self._settings)
        choice = choose_variant(opener, precision)
        self.streams = self._streams(choice.variant)
        faces = "face" if self.streams == 1 else "faces"
        self.description = (
            f"{model.name} runs on the CPU with OpenVINO in {choice.variant.numbers} "
            f"({self.threads} cores, {self.streams} {faces} at a time).{choice.remark}"
        )
        self._compiled = choice.compiled
        self._idle: queue.SimpleQueue[ov.InferRequest | None] = queue.SimpleQueue()
        for _ in range(self.streams):
            self._idle.put(self._compiled.model.create_infer_request())
        self._closed = False
        self._closing = threading.Lock()

    def run(self, crops: np.ndarray) -> np.ndarray:
        check_shape(crops, self.size)
        restored = np.empty_like(crops)
        pending: deque[tuple[int, ov.InferRequest]] = deque()
        try:
            for index, crop in enumerate(crops):
                request = self._take_request(pending, restored)
                pending.append((index, request))
                request.set_input_tensor(ov.Tensor(np.ascontiguousarray(crop[None])))
                request.start_async()
        finally:
            while pending:
                self._finish(pending, restored)
        return restored

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
            for _ in range(self.streams):
                self._idle.get()  # waits for the crops in work
            self._idle.put(None)
            del self._compiled

    def _settings(self, variant: GraphVariant) -> dict:
        """What OpenVINO is told."""
        return {
            "NUM_STREAMS": self._streams(variant),
            "INFERENCE_NUM_THREADS": self.threads,
            # Pinned threads would queue behind whatever else runs on their core.
            "ENABLE_CPU_PINNING": False,
        }

    def _streams(self, variant: GraphVariant) -> int:
        in_memory = _streams_in_memory(self.size, variant.numbers)
        return max(1, min(self._workers, self.threads, in_memory))

    def _take_request(self, pending: deque, restored: np.ndarray) -> ov.InferRequest:
        """A free request; while there is none, finish our own before waiting for others."""
        while True:
            try:
                request = self._idle.get(block=not pending)
            except queue.Empty:
                self._finish(pending, restored)
                continue
            if request is None:
                self._idle.put(None)
                raise RuntimeError("the engine is closed")
            return request

    def _finish(self, pending: deque, restored: np.ndarray) -> None:
        index, request = pending.popleft()
        try:
            request.wait()
            restored[index] = request.get_output_tensor().data[0]
        finally:
            self._idle.put(request)


def _streams_in_memory(size: int, numbers: str) -> int:
    return STREAMS_BYTES // (size * size * STREAM_BYTES_PER_PIXEL[numbers])
