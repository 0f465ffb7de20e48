"""Inference requests of one compiled model, shared by many threads."""

from __future__ import annotations

import queue
import threading
from collections import deque

import numpy as np
import openvino as ov

from gpen_webui.engines.openvino.cache import Compiled


class RequestPool:
    """Every input is one request of batch 1, so no result can depend on another; requests run on
    `streams` streams that share one copy of the weights."""

    def __init__(self, compiled: Compiled, streams: int):
        self._compiled = compiled
        self._streams = streams
        self._idle: queue.SimpleQueue[ov.InferRequest | None] = queue.SimpleQueue()
        for _ in range(streams):
            self._idle.put(compiled.model.create_infer_request())
        self._unused = streams  # requests that were not run yet
        self._closed = False
        self._closing = threading.Lock()

    def run(self, inputs: np.ndarray, outputs: np.ndarray) -> None:
        """Put into `outputs` (N,...) what the model gives for `inputs` (N,...).

        Raises RuntimeError once the pool is closed.
        """
        pending: deque[tuple[int, ov.InferRequest]] = deque()
        try:
            for index, values in enumerate(inputs):
                request = self._take_request(pending, outputs)
                pending.append((index, request))
                request.set_input_tensor(ov.Tensor(np.ascontiguousarray(values[None])))
                request.start_async()
        finally:
            while pending:
                self._finish(pending, outputs)

    def close(self) -> None:
        """Free the model. May be called twice."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            for _ in range(self._streams):
                self._idle.get()  # waits for the requests in progress
            self._idle.put(None)
            del self._compiled

    def _take_request(self, pending: deque, outputs: np.ndarray) -> ov.InferRequest:
        """A free request; while there is none, finish our own before waiting for others."""
        while True:
            try:
                request = self._idle.get(block=not pending)
            except queue.Empty:
                self._finish(pending, outputs)
                continue
            if request is None:
                self._idle.put(None)
                raise RuntimeError("the engine is closed")
            return request

    def _finish(self, pending: deque, outputs: np.ndarray) -> None:
        index, request = pending.popleft()
        try:
            request.wait()
            outputs[index] = request.get_output_tensor().data[0]
            if self._unused:  # the first run of each reads some weights once more
                self._unused -= 1
                self._compiled.release_file()
        finally:
            self._idle.put(request)
