"""In which numbers a model is computed: float32, or bfloat16 where that proved good.

In bfloat16 the network is computed by processors that multiply such numbers: as Winograd's
products, or directly where whole tiles are multiplied at once. It is compared with the exact
result on crops of sixteen people, of fewer where the first leave no doubt, and what was measured
is kept in the cache.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from functools import cache as remember
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import openvino as ov

from gpen_webui.engines.cores import BFLOAT16_FLAGS, has_flags
from gpen_webui.engines.measurements import MeasurementCache
from gpen_webui.engines.openvino.cache import Compiled
from gpen_webui.engines.openvino.graph_variants import (
    AS_IT_IS,
    BFLOAT16,
    BFLOAT16_IN_TILES,
    FLOAT32,
    GraphVariant,
    VariantOpener,
)
from gpen_webui.engines.openvino.onnx_model import (
    SAME_FACE_PSNR,
    not_the_same_face,
    same_face_psnr,
)
from gpen_webui.engines.quality import (
    many_crops,
    perceptual_distance,
    psnr,
    real_crops,
)

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from gpen_webui.engines.fast_mode import FastMode

FAST_PSNR = 38.0  # dB of the worst check crop against float32
FAST_DISTANCE = 0.01  # how much further from the true face a restored one may be
# So many crops are enough where all are that much better than they must be, or one is not good
# enough: those of one network differ by 1 to 2 dB, and a large one takes seconds for each.
FEWEST_CROPS, CLEAR_PSNR = 4, 3.0
TILE_FLAGS = {"amx_bf16"}
MISSED = " With fewer bits this model missed the quality check."
NO_USE = " This processor gains nothing from fewer bits."


@dataclass(frozen=True)
class Choice:
    """What computes. remark: for the user, may be empty."""

    compiled: Compiled
    variant: GraphVariant
    remark: str = ""


def good_choice(compiled: Compiled, variant: GraphVariant, closeness: float) -> Choice:
    """A variant that has passed its check. closeness: PSNR to float32, in dB."""
    return Choice(compiled, variant, f" It is {closeness:.0f} dB close to float32.")


def choose_variant(opener: VariantOpener, precision: str) -> Choice:
    """The fastest variant that is as good as `precision` asks for.

    precision: exact; fast or auto: bfloat16, if this processor multiplies it fast and the model
    passes the check.
    """
    if opener.model.path.suffix.lower() == ".onnx":
        return _as_it_is(opener)
    if precision == "exact":
        return Choice(opener.open(FLOAT32), FLOAT32)
    if not has_flags(BFLOAT16_FLAGS):
        return Choice(opener.open(FLOAT32), FLOAT32, NO_USE)
    return _if_good(opener, _variant()) or Choice(opener.open(FLOAT32), FLOAT32, MISSED)


def try_fast_mode(opener: VariantOpener) -> FastMode:
    """What the fast mode costs and brings here. Raises CheckpointError for a bad model file."""
    from gpen_webui.engines.fast_mode import FastMode

    variant = _variant()
    tried = compare(opener.open(variant), opener.open(FLOAT32), opener.model.size)
    _Check(opener, variant).keep(tried)
    return FastMode(tried.closeness if tried.is_good else 0.0, tried.gain)


def _variant() -> GraphVariant:
    """The one of fewer bits that suits this processor."""
    return BFLOAT16_IN_TILES if has_flags(TILE_FLAGS) else BFLOAT16


def _as_it_is(opener: VariantOpener) -> Choice:
    """A network of others, as it came. Raises CheckpointError where it restores no faces."""
    compiled, size = opener.open(AS_IT_IS), opener.model.size
    measured = MeasurementCache(opener.cache, opener.model.sha256).recall(
        f"cpu-{AS_IT_IS.name}-openvino-{ov.__version__}-face",
        lambda: same_face_psnr(_run(compiled, real_crops(size)[:1])[0], size),
    )
    if measured < SAME_FACE_PSNR:
        raise not_the_same_face(opener.model.path.name)
    return Choice(compiled, AS_IT_IS, " It is computed as it came.")


def _if_good(opener: VariantOpener, variant: GraphVariant) -> Choice | None:
    """The variant, if it passes the check, or passed it at an earlier start."""
    opened = remember(lambda: opener.open(variant))
    check = _Check(opener, variant)
    found = check.known()
    if found is None:
        found = compare(opened(), opener.compile_once(FLOAT32), opener.model.size)
        check.keep(found)
    if found.is_good:
        return good_choice(opened(), variant, found.closeness)
    log.info(
        "%s: %.1f dB, perceptual distance %+.4f", variant.numbers, found.closeness, found.moved
    )
    return None


@dataclass(frozen=True)
class Comparison:
    """Of a variant with float32. closeness: PSNR in dB of the worst check crop. moved: by how much
    the restored crops are, on average, perceptually further from the true face. gain: how many
    times as fast it is."""

    closeness: float
    moved: float
    gain: float = 1.0

    @property
    def is_good(self) -> bool:
        return self.closeness >= FAST_PSNR and self.moved <= FAST_DISTANCE


class _Check:
    """What earlier comparisons of a variant of one model gave, whatever the machine."""

    def __init__(self, opener: VariantOpener, variant: GraphVariant):
        self._measurements = MeasurementCache(opener.cache, opener.model.sha256)
        check = f"cpu-{variant.name}-{FLOAT32.name}-openvino-{ov.__version__}-16-people"
        self._psnr, self._distance = f"{check}-psnr", f"{check}-distance"

    def known(self) -> Comparison | None:
        closeness, moved = map(self._measurements.known, (self._psnr, self._distance))
        return None if closeness is None or moved is None else Comparison(closeness, moved)

    def keep(self, found: Comparison) -> None:
        self._measurements.keep(self._psnr, found.closeness)
        self._measurements.keep(self._distance, found.moved)


def compare(fast: Compiled, exact: Compiled, size: int) -> Comparison:
    """On crops of sixteen people, of fewer where the first leave no doubt."""
    run_fast, run_exact = (compiled.model.create_infer_request() for compiled in (fast, exact))
    closest, moved, gains = math.inf, [], []
    for number, (crop, truth) in enumerate(many_crops(size), start=1):
        (restored, seconds), (expected, exact_seconds) = (
            _timed(run, crop) for run in (run_fast, run_exact)
        )
        gains.append(exact_seconds / seconds)
        closest = min(closest, psnr(restored, expected))
        if truth is not None and closest > 0:  # a number
            here, there = (perceptual_distance(face, truth) for face in (restored, expected))
            moved.append(here - there)
        is_clear = closest >= FAST_PSNR + CLEAR_PSNR and np.mean(moved) <= FAST_DISTANCE / 2
        if closest < FAST_PSNR or (is_clear and number >= FEWEST_CROPS):
            break
    return Comparison(closest, float(np.mean(moved)) if moved else 1.0, median(gains))


def _timed(request: ov.InferRequest, crop: np.ndarray) -> tuple[np.ndarray, float]:
    """What becomes of a crop, and the seconds that it took."""
    started = time.perf_counter()
    restored = request.infer([crop[None]])[0][0]
    return restored, time.perf_counter() - started


def _run(compiled: Compiled, crops: np.ndarray) -> list[np.ndarray]:
    request = compiled.model.create_infer_request()
    return [request.infer([crop[None]])[0][0].copy() for crop in crops]
