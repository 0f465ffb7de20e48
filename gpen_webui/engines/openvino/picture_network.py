"""A small network that sees pictures of any size, on the CPU with OpenVINO.

It is compiled once and shared by all threads, and what was compiled is kept on disk, as that of
the networks that restore is.
"""

from __future__ import annotations

import json
import queue
from pathlib import Path
from threading import Lock

import numpy as np
import openvino as ov
from openvino.preprocess import PrePostProcessor

from gpen_webui.engines.cores import cpu_cores, has_flags
from gpen_webui.engines.openvino.cache import Compiled, ModelCache
from gpen_webui.engines.openvino.core import CORE
from gpen_webui.engines.openvino.eight_bits import EIGHT_BIT_FLAGS, to_eight_bits
from gpen_webui.engines.openvino.engine import settings_for
from gpen_webui.models.records import known_hash

# Raise the numbers whenever another graph is made of the file.
FLOAT32, EIGHT_BITS = "pictures-float32-1", "pictures-int8-1"
# For each size of picture OpenVINO keeps 1 to 3 MB, and makes them anew in some 15 ms.
KEPT_SIZES = 16


class PictureNetwork:
    """An ONNX network with one picture as its input; may be called from many threads.

    ranges: a file with the ranges of its values, by which it is computed in 8 bits where the
    processor multiplies those faster; None: in float32. workers: how many will call at once.
    cache: folder of compiled models, or None. Raises OSError, RuntimeError, ValueError or KeyError
    where a file cannot be used.
    """

    def __init__(
        self,
        weights: Path,
        ranges: Path | None = None,
        *,
        workers: int = 1,
        cache: Path | None = None,
    ):
        cores = cpu_cores()
        # Photos spend a fifth of their time here: half of them at once are enough, and each stream
        # takes 30 to 50 MB.
        streams = max(1, min(workers, cores) // 2)
        settings = {**settings_for(streams, cores), "INFERENCE_PRECISION_HINT": "f32"}
        if not has_flags(EIGHT_BIT_FLAGS):
            ranges = None
        self._compiled = _open(weights, ranges, cache, settings)
        self._idle: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()
        self._requests = streams
        for _ in range(streams):
            self._idle.put(self._compiled.model.create_infer_request())
        self._noting, self._freeing = Lock(), Lock()
        self._sizes: set[tuple[int, ...]] = set()

    def run(self, pixels: np.ndarray) -> list[np.ndarray]:
        """What it says of a picture (H,W,3) uint8 RGB: all its outputs, float32.

        The same picture gives the same bytes, whatever else is running.
        """
        is_new = self._note(pixels.shape)
        request = self._idle.get()
        try:
            request.infer([np.ascontiguousarray(pixels)[None]], share_inputs=True)
            outputs = [tensor.data.copy() for tensor in request.output_tensors]
            if self._requests == 1:  # it is made anew in no time, and is what a photo soon needs
                self._compiled.model.release_memory()
            if is_new:  # for a new size it reads its weights once more
                self._compiled.release_file()
            return outputs
        finally:
            self._idle.put(request)

    def free_memory(self) -> None:
        """Give back what is kept for the next picture; waits for those in progress."""
        with self._freeing:  # two that hold some of the requests each would wait for ever
            requests = [self._idle.get() for _ in range(self._requests)]
            try:
                self._compiled.model.release_memory()
            finally:
                for request in requests:
                    self._idle.put(request)

    def _note(self, size: tuple[int, ...]) -> bool:
        """Whether a size is new. An album of photos of all sizes must not fill the memory."""
        with self._noting:
            if size in self._sizes:
                return False
            self._sizes.add(size)
            if len(self._sizes) <= KEPT_SIZES:
                return True
            self._sizes.clear()
        self.free_memory()
        return True


def _open(weights: Path, ranges: Path | None, cache: Path | None, settings: dict) -> Compiled:
    def compiled() -> ov.CompiledModel:
        return CORE.compile_model(_graph(weights, ranges), "CPU", settings)

    if cache is None:
        return Compiled(compiled())
    variants = (FLOAT32, EIGHT_BITS)
    variant = EIGHT_BITS if ranges else FLOAT32
    entry = ModelCache(cache, known_hash(weights), variant, variants)
    return entry.open(settings, compiled)


def _graph(weights: Path, ranges: Path | None) -> ov.Model:
    """The network for pictures of any size, which takes their bytes as they lie in memory."""
    model = CORE.read_model(weights)
    model.reshape([1, 3, -1, -1])
    if ranges:
        to_eight_bits(model, json.loads(ranges.read_text(encoding="utf-8")))
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    return steps.build()
