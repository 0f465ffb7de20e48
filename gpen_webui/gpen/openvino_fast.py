"""Which graph of a model runs: the exact one, or one in 8 bits that has proved itself.

The 8-bit graph is made once per checkpoint and compared with the exact one on crops that it
was not made with. Both the graph and what was measured are kept in the cache.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache as remember
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openvino as ov

from gpen_webui.gpen.openvino_cache import ModelCache
from gpen_webui.gpen.openvino_int8 import build_int8_model, can_quantize
from gpen_webui.gpen.quality import (
    Verdicts,
    calibration_crops,
    perceptual_distance,
    psnr,
    real_crops,
)

if TYPE_CHECKING:
    from gpen_webui.gpen.catalog import InstalledModel

log = logging.getLogger(__name__)

# Raise whenever the files that build a graph build a different one.
GRAPH_FORM, INT8_FORM = "float32-2", "int8-1"
FAST_PSNR = 38.0  # dB of the worst crop against float32
FAST_DISTANCE = 0.01  # how much further from the true face a restored one may be
INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}
CPU_INFO = Path("/proc/cpuinfo")
HOW_TO_GET_FAST = (
    " Fast needs an extra; get it with: .venv/bin/python -m pip install -r requirements-fast.txt"
)


def choose_graph(
    core: ov.Core, model: InstalledModel, precision: str, cache: Path | None
) -> tuple[ov.Model, str, str]:
    """The graph to run, its kind of numbers, and a remark for the user, which may be empty.

    precision: exact; fast: 8 bits if they pass the check; auto: the same, but only on a
    processor that multiplies 8-bit numbers faster.
    """
    if precision == "exact":
        return _exact_graph(core, model, cache), "float32", ""
    if precision == "auto" and not multiplies_bytes_fast():
        remark = " This processor gains nothing from 8 bits."
        return _exact_graph(core, model, cache), "float32", remark
    graph = _int8_graph(core, model, cache)
    if graph is None:
        return _exact_graph(core, model, cache), "float32", HOW_TO_GET_FAST
    exact = remember(lambda: _exact_graph(core, model, cache))
    known = f"cpu-{INT8_FORM}-openvino-{ov.__version__}"
    measure = remember(lambda: compare(core, graph, exact(), model.size))
    verdicts = Verdicts(cache, model.sha256)
    closeness = verdicts.recall(f"{known}-psnr", lambda: measure()[0])
    moved = verdicts.recall(f"{known}-distance", lambda: measure()[1])
    if closeness >= FAST_PSNR and moved <= FAST_DISTANCE:
        return graph, "int8", f" It is {closeness:.0f} dB close to float32."
    log.info("8 bits: %.1f dB, perceptual distance %+.4f", closeness, moved)
    return exact(), "float32", " In 8 bits this model missed the quality check."


def multiplies_bytes_fast() -> bool:
    """Whether the processor has instructions for it, where that can be known; else True."""
    try:
        return bool(INT8_FLAGS & set(CPU_INFO.read_text().split()))
    except OSError:
        return True


def compare(core: ov.Core, fast: ov.Model, exact: ov.Model, size: int) -> tuple[float, float]:
    """PSNR in dB of the worst check crop, and by how much the restored crops are, on average,
    perceptually further from the true face than the exact ones."""
    crops = real_crops(size)
    truth = crops[0]
    restored, expected = _run(core, fast, crops), _run(core, exact, crops)
    closeness = min(psnr(a, b) for a, b in zip(restored, expected, strict=True))
    if closeness == 0:  # not a number
        return 0.0, 1.0
    pairs = zip(restored[:3], expected[:3], strict=True)  # the fourth is grey, the truth is not
    moved = [perceptual_distance(a, truth) - perceptual_distance(b, truth) for a, b in pairs]
    return closeness, float(np.mean(moved))


def _run(core: ov.Core, graph: ov.Model, crops: np.ndarray) -> list[np.ndarray]:
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [compiled([crop[None]])[0][0].copy() for crop in crops]


def _exact_graph(core: ov.Core, model: InstalledModel, cache: Path | None) -> ov.Model:
    return _cached(core, model, cache, GRAPH_FORM, lambda: _build(model))


def _int8_graph(core: ov.Core, model: InstalledModel, cache: Path | None) -> ov.Model | None:
    """None where it is not in the cache and the tool that makes it is not installed."""
    build = (lambda: _build_int8(model)) if can_quantize() else None
    return _cached(core, model, cache, INT8_FORM, build)


def _cached(
    core: ov.Core,
    model: InstalledModel,
    cache: Path | None,
    form: str,
    build: Callable[[], ov.Model] | None,
) -> ov.Model | None:
    """The graph from the cache, or else built and kept there."""
    entry = cache and ModelCache(cache, model.sha256, form, (GRAPH_FORM, INT8_FORM))
    path = entry and entry.graph()
    if path is None:
        if build is None:
            return None
        graph = build()
        if entry is None:
            return graph
        try:
            path = entry.save(graph)
        except OSError as error:
            log.warning("The converted model could not be kept in %s: %s", cache, error)
            return graph
    return core.read_model(path)


def _build(model: InstalledModel) -> ov.Model:
    from gpen_webui.gpen.checkpoint import load_network
    from gpen_webui.gpen.openvino_graph import build_model

    return build_model(load_network(model.path), (1, 3, model.size, model.size))


def _build_int8(model: InstalledModel) -> ov.Model:
    from gpen_webui.gpen.checkpoint import load_network

    return build_int8_model(load_network(model.path), calibration_crops(model.size))
