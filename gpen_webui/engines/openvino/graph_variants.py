"""The variants in which a model is computed on a CPU, and how each is made ready: from the cache,
or else built from our own network, compiled and kept there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import openvino as ov

from gpen_webui.engines.openvino.bfloat16 import share_bfloat16_weights
from gpen_webui.engines.openvino.cache import Compiled, ModelCache
from gpen_webui.engines.openvino.core import CORE
from gpen_webui.engines.openvino.onnx_model import read_onnx_model

if TYPE_CHECKING:
    from gpen_webui.models.installed import InstalledModel


@dataclass(frozen=True)
class GraphVariant:
    """numbers: their kind, for the user. precision_hint: OpenVINO's name for
    them. version: raise whenever the files that build this graph
    build a different one. build: makes the graph. variant: tells apart variants of the same
    numbers."""

    numbers: str
    precision_hint: str
    version: int
    build: Callable[[InstalledModel], ov.Model]
    variant: str = ""

    @property
    def name(self) -> str:
        return f"{self.numbers}{self.variant}-{self.precision_hint}-{self.version}"


class VariantOpener:
    """Makes variants of one model ready to compute.

    settings: what OpenVINO is told of a variant, besides the numbers. cache: folder of compiled
    models, or None.
    """

    def __init__(
        self, model: InstalledModel, cache: Path | None, settings: Callable[[GraphVariant], dict]
    ):
        self.model, self.cache = model, cache
        self._settings = settings

    def open(self, variant: GraphVariant) -> Compiled:
        """Raises CheckpointError for a bad model file."""
        settings = self._settings_of(variant)
        if self.cache is None:
            return Compiled(self._compile(variant, settings))
        return self._entry(variant).open(settings, partial(self._compile, variant, settings))

    def compile_once(self, variant: GraphVariant) -> Compiled:
        """As `open`, but what is not in the cache is not put there: to compare with."""
        settings = self._settings_of(variant)
        entry = self._entry(variant) if self.cache else None
        kept = entry.load(settings) if entry else None
        return kept or Compiled(self._compile(variant, settings))

    def _settings_of(self, variant: GraphVariant) -> dict:
        return {**self._settings(variant), "INFERENCE_PRECISION_HINT": variant.precision_hint}

    def _entry(self, variant: GraphVariant) -> ModelCache:
        assert self.cache is not None
        names = tuple(variant.name for variant in VARIANTS)
        return ModelCache(self.cache, self.model.sha256, variant.name, names)

    def _compile(self, variant: GraphVariant, settings: dict) -> ov.CompiledModel:
        return CORE.compile_model(variant.build(self.model), "CPU", settings)


def _build(model: InstalledModel, *, direct: bool = False) -> ov.Model:
    from gpen_webui.engines.openvino.graph import build_model
    from gpen_webui.gpen.checkpoint import load_network

    return build_model(load_network(model.path), (1, 3, model.size, model.size), direct=direct)


def _read_onnx(model: InstalledModel) -> ov.Model:
    return read_onnx_model(model.path)


def _build_bfloat16(model: InstalledModel) -> ov.Model:
    return share_bfloat16_weights(_build(model))


def _build_enlarging(model: InstalledModel, *, direct: bool = False) -> ov.Model:
    from gpen_webui.engines.openvino.enlarging_graph import build_enlarging_model
    from gpen_webui.engines.openvino.planes_graph import build_planes_model
    from gpen_webui.enlarging.read import load_tile_network
    from gpen_webui.enlarging.upconv import UpConv

    network = load_tile_network(model.path)
    if isinstance(network, UpConv):
        return build_enlarging_model(network, model.size, direct=direct)
    return build_planes_model(network)


def _build_enlarging_in_eight_bits(model: InstalledModel) -> ov.Model:
    from gpen_webui.engines.openvino.enlarging_in_eight_bits import build_enlarging_in_eight_bits
    from gpen_webui.enlarging.upconv import load_upconv

    return build_enlarging_in_eight_bits(load_upconv(model.path), model.size)


FLOAT32 = GraphVariant("float32", "f32", 7, _build)
BFLOAT16 = GraphVariant("bfloat16", "bf16", 7, _build_bfloat16)
# With tile instructions products are so cheap that Winograd's transforms cost more than they save.
BFLOAT16_IN_TILES = GraphVariant("bfloat16", "bf16", 2, partial(_build, direct=True), "-direct")
AS_IT_IS = GraphVariant("float32", "f32", 1, _read_onnx, "-as-it-is")
ENLARGING = GraphVariant("float32", "f32", 4, _build_enlarging, "-enlarging")
# Winograd's transforms lose more in bfloat16 than a photo's background forgives.
ENLARGING_BFLOAT16 = GraphVariant(
    "bfloat16", "bf16", 4, partial(_build_enlarging, direct=True), "-enlarging"
)
ENLARGING_EIGHT_BITS = GraphVariant("int8", "f32", 1, _build_enlarging_in_eight_bits, "-enlarging")
VARIANTS = (
    FLOAT32,
    BFLOAT16,
    BFLOAT16_IN_TILES,
    AS_IT_IS,
    ENLARGING,
    ENLARGING_BFLOAT16,
    ENLARGING_EIGHT_BITS,
)
