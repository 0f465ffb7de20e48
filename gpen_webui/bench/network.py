"""The network alone: seconds per face of every engine and form, in one run."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from gpen_webui.bench.flops import SgemmPeak, flops_per_face
from gpen_webui.bench.reference_engine import ReferenceEngine
from gpen_webui.bench.summary import Summary, alternate, seconds_per_call
from gpen_webui.engines.base import Engine
from gpen_webui.engines.cores import cpu_cores
from gpen_webui.engines.open import open_engine
from gpen_webui.engines.quality import psnr, real_crops
from gpen_webui.engines.torch_engine import TorchEngine, gpu_device
from gpen_webui.models.installed import InstalledModel

REFERENCE = "reference form (PyTorch)"
STATIC = "static form (PyTorch)"
ONE_FACE = "OpenVINO, one face at a time"
STREAMS = "OpenVINO, several at a time"
FAST = "fast mode"
PEAK = "matrix product"
NUMBERS = re.compile(r"\bin (float32|float16|bfloat16)\b")
FACES_PER_STREAM = 2


@dataclass(frozen=True)
class Variant:
    """One way to run the network.

    seconds: per face. speed_up: over the reference form, of medians. share_of_peak: nominal
    operations per second over those of the fastest float32 matrix product; above 1 where a
    form needs fewer operations than the network nominally has. psnr: dB against the reference
    form on a real face, infinite where they are equal.
    """

    name: str
    description: str
    seconds: Summary
    speed_up: float
    share_of_peak: float
    psnr: float


@dataclass(frozen=True)
class NetworkResult:
    """flops: nominal operations per face. peak: operations per second, by peak_library.

    fast: what the engine said when it was asked for its fast mode.
    """

    flops: int
    peak: Summary
    peak_library: str
    sides: list[Variant]
    fast: str

    def fastest(self) -> Variant:
        """The float32 side that takes the least time per face."""
        exact = [side for side in self.sides if numbers_of(side.description) == "float32"]
        return min(exact, key=lambda side: side.seconds.median)


def numbers_of(description: str) -> str:
    """The kind of numbers in which an engine computes, from its description."""
    found = NUMBERS.search(description)
    return found[1] if found else "float32"


def network_sides(model: InstalledModel, cache: Path) -> dict[str, Callable[[], Engine]]:
    """Every way to run the network on this machine, by name; call one to open its engine."""
    device, cores = gpu_device("auto") or "cpu", cpu_cores()
    sides: dict[str, Callable[[], Engine]] = {
        REFERENCE: partial(ReferenceEngine, model, device),
        STATIC: partial(TorchEngine, model, device, precision="exact", cache=cache),
    }
    if device == "cpu" and importlib.util.find_spec("openvino") is not None:
        openvino = partial(open_engine, model, device="cpu", cache=cache)
        sides[ONE_FACE] = partial(openvino, workers=1)
        if cores > 1:
            sides[STREAMS] = partial(openvino, workers=cores)
    sides[FAST] = partial(
        open_engine, model, device=device, precision="fast", workers=cores, cache=cache
    )
    return sides


def measure_network(
    model: InstalledModel,
    cache: Path,
    rounds: int,
    on_step: Callable[[str], None] = lambda what: None,
) -> NetworkResult:
    """Time every side of `network_sides`, alternating, after a warm-up in each turn.

    A fast mode that is not in force is left out, and so are several faces at a time where the
    engine takes one after the other because they would need too much memory.
    """
    crops = real_crops(model.size)
    with ExitStack() as stack:
        engines = {}
        for name, open_side in network_sides(model, cache).items():
            on_step(f"opening {name}")
            engines[name] = stack.enter_context(open_side())
        descriptions = {name: engine.description for name, engine in engines.items()}
        if numbers_of(descriptions[FAST]) == "float32":
            engines.pop(FAST).close()
        if STREAMS in engines and engines[STREAMS].streams == 1:
            engines.pop(STREAMS).close()
        answers = {name: engine.run(crops[1:2]) for name, engine in engines.items()}
        peak = SgemmPeak(gpu_device("auto") or "cpu", cpu_cores())
        sides: dict[str, Callable[[], float]] = {PEAK: peak.seconds}
        for name, engine in engines.items():
            sides[name] = partial(_seconds_per_face, engine, crops)
        measured = alternate(sides, rounds, on_step)

    flops = flops_per_face(model.path)
    peak_rate = Summary.of(peak.flops / seconds for seconds in measured.pop(PEAK))
    reference = Summary.of(measured[REFERENCE]).median
    return NetworkResult(
        flops,
        peak_rate,
        peak.library,
        [
            Variant(
                name,
                descriptions[name],
                seconds := Summary.of(values),
                speed_up=reference / seconds.median,
                share_of_peak=flops / seconds.median / peak_rate.median,
                psnr=psnr(answers[name], answers[REFERENCE]),
            )
            for name, values in measured.items()
        ],
        descriptions[FAST],
    )


def _seconds_per_face(engine: Engine, crops: np.ndarray) -> float:
    faces = 1 if engine.streams == 1 else FACES_PER_STREAM * engine.streams
    batch = np.resize(crops, (faces, *crops.shape[1:]))
    engine.run(batch[:1])  # what other sides did has pushed its memory out of the way
    return seconds_per_call(lambda: engine.run(batch)) / faces
