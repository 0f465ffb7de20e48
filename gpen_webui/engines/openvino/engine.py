"""The engine for CPUs: OpenVINO, on a graph made from our own network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gpen_webui.engines.base import Engine, check_shape
from gpen_webui.engines.cores import cpu_cores
from gpen_webui.engines.openvino.fast import choose_variant
from gpen_webui.engines.openvino.graph_variants import GraphVariant, VariantOpener
from gpen_webui.engines.openvino.request_pool import RequestPool

if TYPE_CHECKING:
    from gpen_webui.models.installed import InstalledModel


# What the feature maps of one stream take, measured on GPEN-BFR-512, and what all may take.
# A second stream of that model makes an album 3 to 5 % faster, but costs half a gigabyte in
# float32.
STREAM_BYTES_PER_PIXEL = {"float32": 2000, "bfloat16": 1000}
STREAMS_BYTES = 600 << 20


class OpenVinoEngine(Engine):
    """Every crop is a request of its own, see RequestPool."""

    def __init__(self, model: InstalledModel, *, precision: str, workers: int, cache: Path | None):
        self.size = model.size
        self.threads = cpu_cores()
        self._workers = workers
        opener = VariantOpener(model, cache, self._settings)
        choice = choose_variant(opener, precision)
        self.streams = self._streams(choice.variant)
        # Whole sentences, so that they can be translated.
        if self.streams == 1:
            said = (
                f"{model.name} runs on the CPU with OpenVINO in {choice.variant.numbers} "
                f"({self.threads} cores, 1 face at a time)."
            )
        else:
            said = (
                f"{model.name} runs on the CPU with OpenVINO in {choice.variant.numbers} "
                f"({self.threads} cores, {self.streams} faces at a time)."
            )
        self.description = said + choice.remark
        self._requests = RequestPool(choice.compiled, self.streams)

    def run(self, crops: np.ndarray) -> np.ndarray:
        check_shape(crops, self.size)
        restored = np.empty_like(crops)
        self._requests.run(crops, restored)
        return restored

    def close(self) -> None:
        self._requests.close()

    def _settings(self, variant: GraphVariant) -> dict:
        return settings_for(self._streams(variant), self.threads)

    def _streams(self, variant: GraphVariant) -> int:
        in_memory = streams_in_memory(self.size, variant.numbers)
        at_once = min(self._workers, self.threads)
        if variant.numbers == "float32":
            # While a photo is in the network, the next one is opened, looked at or saved: a core
            # for each stream would wait. Half as many, on two cores each, take a tenth less time
            # and memory.
            at_once //= 2
        return max(1, min(at_once, in_memory))


def settings_for(streams: int, threads: int) -> dict:
    """What OpenVINO is told, besides the numbers in which it computes."""
    return {
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        # Pinned threads would queue behind whatever else runs on their core.
        "ENABLE_CPU_PINNING": False,
    }


def streams_in_memory(size: int, numbers: str) -> int:
    """How many streams of a model's size (pixels) fit into what all may take.

    numbers: a key of STREAM_BYTES_PER_PIXEL.
    """
    return STREAMS_BYTES // (size * size * STREAM_BYTES_PER_PIXEL[numbers])
