"""Which graph of a model runs, and in which numbers: float32, or fewer bits that proved good.

Two reductions compete. In bfloat16 the exact graph itself is computed, by processors that
multiply such numbers. In 8 bits another graph is, made once per checkpoint by an optional
tool. Each is compared with the exact result on crops that it was not made with; the 8-bit
graph and what was measured are kept in the cache.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache as remember
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openvino as ov

from gpen_webui.gpen.openvino_bfloat16 import share_bfloat16_weights
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
GRAPH_FORM, INT8_FORM = "float32-5", "int8-1"
# dB of the worst check crop against float32. The crops that 8 bits are calibrated on show the same
# face as the check; on other faces they were up to 9 dB worse, and there 38 dB are wanted, too.
FAST_PSNR = {"bfloat16": 38.0, "int8": 46.0}
FAST_DISTANCE = 0.01  # how much further from the true face a restored one may be
INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
CPU_INFO = Path("/proc/cpuinfo")
HOW_TO_GET_FAST = (
    " Fast needs an extra; get it with: .venv/bin/python -m pip install -r requirements-fast.txt"
)


@dataclass(frozen=True)
class Choice:
    """What to compile. numbers: their kind, for the user. precision_hint: the name by which
    OpenVINO calls the numbers of what is not in 8 bits. remark: for the user, may be empty."""

    graph: ov.Model
    numbers: str
    precision_hint: str
    remark: str = ""


def choose_graph(
    core: ov.Core, model: InstalledModel, precision: str, cache: Path | None
) -> Choice:
    """The fastest graph that is as good as `precision` asks for.

    precision: exact; fast: fewer bits if they pass the check; auto: the same, but only on a
    processor that multiplies such numbers faster.
    """
    exact = remember(lambda: _exact_graph(core, model, cache))
    if precision == "exact":
        return Choice(exact(), "float32", "f32")
    remark = HOW_TO_GET_FAST
    for choice in _reductions(core, model, precision, cache, exact):
        check = f"cpu-{choice.numbers}-{choice.precision_hint}-{GRAPH_FORM}-{INT8_FORM}"
        closeness, moved = _verdict(core, model, cache, check, choice, exact)
        if closeness >= FAST_PSNR[choice.numbers] and moved <= FAST_DISTANCE:
            return replace(choice, remark=f" It is {closeness:.0f} dB close to float32.")
        log.info("%s: %.1f dB, perceptual distance %+.4f", choice.numbers, closeness, moved)
        remark = " With fewer bits this model missed the quality check."
    if precision == "auto" and remark == HOW_TO_GET_FAST and not _gains_from_bytes():
        remark = " This processor gains nothing from fewer bits."
    return Choice(exact(), "float32", "f32", remark)


def _reductions(
    core: ov.Core,
    model: InstalledModel,
    precision: str,
    cache: Path | None,
    exact: Callable[[], ov.Model],
) -> Iterator[Choice]:
    """What may be faster than float32 on this processor, the closest to it first."""
    has_bfloat16 = _has(BFLOAT16_FLAGS)
    if has_bfloat16:
        yield Choice(share_bfloat16_weights(exact()), "bfloat16", "bf16")
    if precision == "fast" or _gains_from_bytes():
        graph = _int8_graph(core, model, cache)
        if graph is not None:
            yield Choice(graph, "int8", "bf16" if has_bfloat16 else "f32")


def _verdict(
    core: ov.Core,
    model: InstalledModel,
    cache: Path | None,
    check: str,
    choice: Choice,
    exact: Callable[[], ov.Model],
) -> tuple[float, float]:
    """What `compare` says of a choice, or said at an earlier start."""
    measure = remember(lambda: compare(core, choice, exact(), model.size))
    verdicts = Verdicts(cache, model.sha256)
    known = f"{check}-openvino-{ov.__version__}"
    closeness = verdicts.recall(f"{known}-psnr", lambda: measure()[0])
    return closeness, verdicts.recall(f"{known}-distance", lambda: measure()[1])


def _gains_from_bytes() -> bool:
    return _has(INT8_FLAGS, where_unknown=True)


def _has(flags: set[str], where_unknown: bool = False) -> bool:
    """Whether the processor has one of these instructions; known on Linux only."""
    try:
        return bool(flags & set(CPU_INFO.read_text().split()))
    except OSError:
        return where_unknown


def compare(core: ov.Core, fast: Choice, exact: ov.Model, size: int) -> tuple[float, float]:
    """PSNR in dB of the worst check crop, and by how much the restored crops are, on average,
    perceptually further from the true face than the exact ones."""
    crops = real_crops(size)
    truth = crops[0]
    restored = _run(core, fast.graph, fast.precision_hint, crops)
    expected = _run(core, exact, "f32", crops)
    closeness = min(psnr(a, b) for a, b in zip(restored, expected, strict=True))
    if closeness == 0:  # not a number
        return 0.0, 1.0
    pairs = zip(restored[:3], expected[:3], strict=True)  # the fourth is grey, the truth is not
    moved = [perceptual_distance(a, truth) - perceptual_distance(b, truth) for a, b in pairs]
    return closeness, float(np.mean(moved))


def _run(core: ov.Core, graph: ov.Model, hint: str, crops: np.ndarray) -> list[np.ndarray]:
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": hint})
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
