"""Enlarges tiles of photos on the CPU, with OpenVINO."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache as remember
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openvino as ov

from gpen_webui.engines.base import TileEngine
from gpen_webui.engines.cores import BFLOAT16_FLAGS, cpu_cores, has_flags
from gpen_webui.engines.measurements import MeasurementCache
from gpen_webui.engines.openvino.cache import Compiled
from gpen_webui.engines.openvino.eight_bits import EIGHT_BIT_FLAGS
from gpen_webui.engines.openvino.engine import settings_for
from gpen_webui.engines.openvino.fast import (
    MISSED,
    NO_USE,
    Choice,
    good_choice,
)
from gpen_webui.engines.openvino.graph_variants import (
    ENLARGING,
    ENLARGING_BFLOAT16,
    ENLARGING_EIGHT_BITS,
    GraphVariant,
    VariantOpener,
)
from gpen_webui.engines.openvino.request_pool import RequestPool
from gpen_webui.engines.quality import HALF_PRECISION_PSNR, worst_tile_psnr
from gpen_webui.enlarging.read import read_config
from gpen_webui.enlarging.recognise import Config, UpConvConfig
from gpen_webui.enlarging.tiles import RunTiles

if TYPE_CHECKING:
    from gpen_webui.models.folder import InstalledModel

log = logging.getLogger(__name__)

CORES_PER_STREAM = 4  # a stream takes 250 MB, and so many cores are quick with one tile


class OpenVinoTileEngine(TileEngine):
    """Every tile is a request of its own, see RequestPool."""

    def __init__(self, model: InstalledModel, *, precision: str, workers: int, cache: Path | None):
        config = read_config(model.path)
        self.shape = replace(config.tile, side=model.size)
        threads = cpu_cores()
        self.streams = max(1, min(workers, threads // CORES_PER_STREAM))
        opener = VariantOpener(model, cache, lambda variant: settings_for(self.streams, threads))
        choice = _choose(opener, precision, config, self.shape.least_side)
        self.description = (
            f"{model.name} runs on the CPU with OpenVINO in {choice.variant.numbers}."
            f"{choice.remark}"
        )
        self._requests = RequestPool(choice.compiled, self.streams)

    def run(self, tiles: np.ndarray) -> np.ndarray:
        margin, scale = self.shape.margin, self.shape.scale
        sides = [(length - 2 * margin) * scale for length in tiles.shape[2:]]
        enlarged = np.empty((*tiles.shape[:2], *sides), np.float32)
        self._requests.run(tiles, enlarged)
        return enlarged

    def close(self) -> None:
        self._requests.close()


def _choose(opener: VariantOpener, precision: str, config: Config, side: int) -> Choice:
    """precision: exact; fast or auto: the quickest of what this processor computes quicker than
    float32, if what it makes of a check photo of that side is as good."""
    exact = remember(lambda: opener.open(ENLARGING))
    quicker = [] if precision == "exact" else _quicker_variants(config)
    for variant in quicker:
        if choice := _if_close(opener, variant, exact, side):
            return choice
    remark = "" if precision == "exact" else MISSED if quicker else NO_USE
    return Choice(exact(), ENLARGING, remark)


def _quicker_variants(config: Config) -> list[GraphVariant]:
    """The quickest first."""
    eight_bits = isinstance(config, UpConvConfig) and has_flags(EIGHT_BIT_FLAGS)
    half = has_flags(BFLOAT16_FLAGS)
    return [ENLARGING_EIGHT_BITS] * eight_bits + [ENLARGING_BFLOAT16] * half


def _if_close(
    opener: VariantOpener, variant: GraphVariant, exact: Callable[[], Compiled], side: int
) -> Choice | None:
    """The variant, if it passes the check, or passed it at an earlier start."""
    fast = remember(lambda: opener.open(variant))
    closeness = MeasurementCache(opener.cache, opener.model.sha256).recall(
        f"cpu-{variant.name}-{ENLARGING.name}-openvino-{ov.__version__}-psnr",
        lambda: closeness_of(fast(), exact(), side),
    )
    if closeness >= HALF_PRECISION_PSNR:
        return good_choice(fast(), variant, closeness)
    log.info("%s: %.1f dB from float32", variant.numbers, closeness)
    return None


def closeness_of(fast: Compiled, exact: Compiled, side: int) -> float:
    """The PSNR, in dB, of the worst check photo computed in two ways."""
    return worst_tile_psnr(_run_of(fast), _run_of(exact), side)


def _run_of(compiled: Compiled) -> RunTiles:
    request = compiled.model.create_infer_request()
    return lambda tile: request.infer([tile])[0].copy()
