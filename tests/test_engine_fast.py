"""The fast mode: bfloat16 where they pass the check, else the exact network and a sentence."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpen_webui.engines import cores
from gpen_webui.engines.fast_mode import FastMode, KeptFastMode
from gpen_webui.engines.quality import many_crops, perceptual_distance, psnr, real_crops
from gpen_webui.models.installed import find_model
from tests.tiny_gpen import make_tiny_model, random_crops

pytest.importorskip("openvino")

from gpen_webui.engines.openvino import fast
from gpen_webui.engines.openvino.engine import OpenVinoEngine
from gpen_webui.engines.openvino.graph import build_model
from gpen_webui.engines.openvino.graph_variants import VariantOpener
from gpen_webui.gpen.checkpoint import load_network


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def exact_form(model, tmp_path_factory):
    """A cache that holds the exact form of the model."""
    cache = tmp_path_factory.mktemp("exact")
    open_fast(model, cache, "exact").close()
    return cache


@pytest.fixture
def cache(exact_form, tmp_path):
    """The same, for one test."""
    return Path(shutil.copytree(exact_form, tmp_path / "cache"))


@pytest.fixture(autouse=True)
def processor(tmp_path_factory, monkeypatch):
    """Says which instructions the processor has; at first, products in bfloat16."""
    info = tmp_path_factory.mktemp("processor") / "cpuinfo"
    monkeypatch.setattr(cores, "CPU_INFO", info)

    def set_flags(flags: str) -> None:
        info.write_text(f"flags : fpu {flags}\n")

    set_flags("avx512f avx512_bf16")
    return set_flags


def open_fast(model, cache, precision="fast") -> OpenVinoEngine:
    return OpenVinoEngine(model, precision=precision, workers=1, cache=cache)


def stand_in(monkeypatch, make_graph) -> list:
    """Let `make_graph(network, shape)` make the reduced graph; its calls."""
    calls = []

    def build(model):
        calls.append(model)
        return make_graph(load_network(model.path), (1, 3, model.size, model.size))

    monkeypatch.setattr(fast, "BFLOAT16", replace(fast.BFLOAT16, build=build))
    return calls


def faithful(network, shape):
    return build_model(network, shape)


def coarse(network, shape):
    for parameter in network.parameters():
        step = parameter.data.abs().max() / 3
        parameter.data = (parameter.data / step).round() * step
    return faithful(network, shape)


def broken(network, shape):
    network.generator.to_rgbs[-1].bias.data.fill_(float("nan"))
    return faithful(network, shape)


def exact_bytes(model, cache, crops) -> bytes:
    with open_fast(model, cache, "exact") as engine:
        return engine.run(crops).tobytes()


def test_a_graph_that_passes_is_made_and_checked_once(model, cache, monkeypatch):
    calls = stand_in(monkeypatch, faithful)
    with open_fast(model, cache) as engine:
        assert "in bfloat16" in engine.description
        restored = engine.run(random_crops(2))
    monkeypatch.setattr(fast, "compare", None)  # a second check would raise
    with open_fast(model, cache) as engine:
        assert engine.run(random_crops(2)).tobytes() == restored.tobytes()
    assert len(calls) == 1
    assert exact_bytes(model, cache, random_crops(2)), "both forms stay in the cache"
    assert len([entry for entry in cache.iterdir() if entry.is_dir()]) == 2


@pytest.mark.parametrize("make_graph", [coarse, broken])
def test_a_graph_that_fails_gives_the_exact_result_and_says_so(
    model, cache, monkeypatch, make_graph
):
    stand_in(monkeypatch, make_graph)
    crops = random_crops(2)
    for _ in range(2):  # measured, then remembered
        with open_fast(model, cache) as engine:
            assert "in float32" in engine.description
            assert "missed the quality check" in engine.description
            assert engine.run(crops).tobytes() == exact_bytes(model, cache, crops)


def test_a_graph_that_looks_different_fails_even_with_a_good_psnr(model, cache, monkeypatch):
    stand_in(monkeypatch, faithful)
    monkeypatch.setattr(fast, "compare", lambda *compared: fast.Comparison(45.0, 0.02))
    with open_fast(model, cache) as engine:
        assert "missed the quality check" in engine.description


@pytest.mark.parametrize("precision", ["fast", "auto"])
def test_a_processor_without_bfloat16_computes_exactly_and_says_so(
    model, cache, monkeypatch, processor, precision: str
):
    calls = stand_in(monkeypatch, faithful)
    processor("avx512f avx512_vnni")
    crops = random_crops(1)
    with open_fast(model, cache, precision) as engine:
        assert "in float32" in engine.description
        assert "gains nothing" in engine.description
        assert engine.run(crops).tobytes() == exact_bytes(model, cache, crops)
    assert calls == []


@pytest.mark.parametrize(
    ("flags", "direct"), [("avx512_bf16", False), ("avx512_bf16 amx_bf16", True)]
)
def test_a_processor_with_bfloat16_is_fast_close_to_float32_and_with_tiles_multiplies_directly(
    model, cache, processor, flags: str, direct: bool
):
    processor(flags)
    crops = random_crops(2)
    for precision in ("fast", "auto"):
        with open_fast(model, cache, precision) as engine:
            assert "in bfloat16" in engine.description
            assert "close to float32" in engine.description
            with open_fast(model, cache, "exact") as exact:
                assert psnr(engine.run(crops), exact.run(crops)) >= 38
    (name,) = [entry.name for entry in cache.iterdir() if "bfloat16" in entry.name]
    assert ("direct" in name) == direct


def test_bfloat16_that_misses_the_check_is_not_used(model, cache, monkeypatch, processor):
    monkeypatch.setattr(fast, "compare", lambda *compared: fast.Comparison(37.9, 0.0))
    processor("avx512_bf16")
    crops = random_crops(1)
    with open_fast(model, cache) as engine:
        assert "missed the quality check" in engine.description
        assert engine.run(crops).tobytes() == exact_bytes(model, cache, crops)


def try_it(model, cache):
    opener = VariantOpener(model, cache, lambda variant: {"NUM_STREAMS": 1})
    return fast.try_fast_mode(opener)


def test_a_trial_tells_what_the_fast_mode_brings_and_leaves_it_ready(model, cache, monkeypatch):
    tried = try_it(model, cache)
    assert tried.decibels >= fast.FAST_PSNR
    assert tried.gain > 0
    KeptFastMode(cache, model.sha256).keep(tried)
    assert KeptFastMode(cache, model.sha256).read() == tried
    assert KeptFastMode(cache, "0" * 64).read() is None
    monkeypatch.setattr(fast, "compare", None)  # a second check would raise
    with open_fast(model, cache) as engine:
        assert "in bfloat16" in engine.description


def test_a_fast_mode_that_misses_the_check_or_gains_little_is_not_worth_it(
    model, cache, monkeypatch
):
    stand_in(monkeypatch, coarse)
    assert not try_it(model, cache).is_worth_it
    assert not FastMode(52.0, 1.1).is_worth_it
    assert FastMode(52.0, 1.5).is_worth_it


class Played:
    """A network that gives its input back, with less contrast and a little brighter."""

    def __init__(self, more: float):
        self.model = self
        self._more = more
        self.seen = 0

    def create_infer_request(self):
        return self

    def infer(self, inputs):
        self.seen += 1
        return [inputs[0] * 0.8 + np.float32(self._more)]


@pytest.mark.parametrize(("more", "people"), [(0.001, 4), (0.0225, 16), (0.1, 1)])
def test_only_where_four_people_leave_a_doubt_more_are_looked_at(more: float, people: int):
    quick = Played(more)
    closeness = fast.compare(quick, Played(0), 64).closeness
    assert quick.seen == people
    assert (closeness >= fast.FAST_PSNR) == (people > 1)


def test_the_check_sees_sixteen_people_as_different_photos_show_them():
    crops = [crop for crop, _ in many_crops(64)]
    truths = [truth for _, truth in many_crops(64)]
    assert len(crops) == 16
    assert sum(truth is None for truth in truths) == 4
    pairs = [(a, b) for i, a in enumerate(crops) for b in crops[:i]]
    assert max(psnr(a, b) for a, b in pairs) < 20


def test_perceptual_distance_grows_with_what_is_lost():
    face, small, noisy, _ = real_crops(256)
    assert perceptual_distance(face, face) == pytest.approx(0, abs=1e-6)
    assert perceptual_distance(face + 0.02, face) < 0.02
    assert perceptual_distance(small, face) > 0.1
    assert perceptual_distance(noisy, face) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_the_embedded_model_stays_close_to_float32_on_other_faces(
    project, shared, tmp_path, processor, flag: str
):
    import cv2

    processor(flag)
    model = find_model("gpen-mini-256", project / "models")
    with open_fast(model, tmp_path) as engine:
        assert "in bfloat16" in engine.description
        with open_fast(model, tmp_path, "exact") as exact:
            for path in sorted((shared / "faces").glob("*.jpg"))[::80]:
                face = cv2.resize(cv2.imread(str(path)), (256, 256), interpolation=cv2.INTER_AREA)
                crop = face[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
                assert psnr(engine.run(crop), exact.run(crop)) >= 38
