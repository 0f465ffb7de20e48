"""The fast mode: fewer bits where they pass the check, else the exact network and a sentence."""

import sys

import numpy as np
import pytest

from gpen_webui.engines.quality import calibration_crops, perceptual_distance, psnr, real_crops
from gpen_webui.models.installed import find_model
from tests.tiny_gpen import make_tiny_model, random_crops

pytest.importorskip("openvino")

from gpen_webui.engines.openvino import fast, graph_variants
from gpen_webui.engines.openvino.engine import OpenVinoEngine
from gpen_webui.engines.openvino.graph import build_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def processor(tmp_path_factory, monkeypatch):
    """Says which instructions the processor has; at first, 8-bit products only."""
    info = tmp_path_factory.mktemp("processor") / "cpuinfo"
    monkeypatch.setattr(fast, "CPU_INFO", info)

    def set_flags(flags: str) -> None:
        info.write_text(f"flags : fpu {flags}\n")

    set_flags("avx512f avx512_vnni")
    return set_flags


def open_fast(model, cache, precision="fast") -> OpenVinoEngine:
    return OpenVinoEngine(model, precision=precision, workers=1, cache=cache)


def hide_nncf(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)  # makes its import fail


def stand_in(monkeypatch, make_graph) -> list:
    """Let `make_graph(network, crops)` take the place of the optional tool; its calls."""
    calls = []

    def build(network, crops):
        calls.append(crops)
        return make_graph(network, crops)

    monkeypatch.setattr(graph_variants, "can_quantize", lambda: True)
    monkeypatch.setattr(graph_variants, "build_int8_model", build)
    return calls


def faithful(network, crops):
    return build_model(network, (1, *crops.shape[1:]), direct=True)


def coarse(network, crops):
    for parameter in network.parameters():
        step = parameter.data.abs().max() / 3
        parameter.data = (parameter.data / step).round() * step
    return faithful(network, crops)


def broken(network, crops):
    network.generator.to_rgbs[-1].bias.data.fill_(float("nan"))
    return faithful(network, crops)


def exact_bytes(model, cache, crops) -> bytes:
    with open_fast(model, cache, "exact") as engine:
        return engine.run(crops).tobytes()


def test_a_graph_that_passes_is_made_and_checked_once(model, tmp_path, monkeypatch):
    calls = stand_in(monkeypatch, faithful)
    with open_fast(model, tmp_path) as engine:
        assert "in int8" in engine.description
        restored = engine.run(random_crops(2))
    monkeypatch.setattr(fast, "compare", None)  # a second check would raise
    with open_fast(model, tmp_path) as engine:
        assert engine.run(random_crops(2)).tobytes() == restored.tobytes()
    assert len(calls) == 1
    assert exact_bytes(model, tmp_path, random_crops(2)), "both forms stay in the cache"
    assert len([entry for entry in tmp_path.iterdir() if entry.is_dir()]) == 2


@pytest.mark.parametrize("make_graph", [coarse, broken])
def test_a_graph_that_fails_gives_the_exact_result_and_says_so(
    model, tmp_path, monkeypatch, make_graph
):
    stand_in(monkeypatch, make_graph)
    crops = random_crops(2)
    for _ in range(2):  # measured, then remembered
        with open_fast(model, tmp_path) as engine:
            assert "in float32" in engine.description
            assert "missed the quality check" in engine.description
            assert engine.run(crops).tobytes() == exact_bytes(model, tmp_path, crops)


def test_a_graph_that_looks_different_fails_even_with_a_good_psnr(model, tmp_path, monkeypatch):
    stand_in(monkeypatch, faithful)
    monkeypatch.setattr(fast, "compare", lambda *compared: (45.0, 0.02))
    with open_fast(model, tmp_path) as engine:
        assert "missed the quality check" in engine.description


def test_without_the_extra_the_exact_network_runs_and_says_how_to_get_it(
    model, tmp_path, monkeypatch
):
    hide_nncf(monkeypatch)
    crops = random_crops(1)
    with open_fast(model, tmp_path) as engine:
        assert "in float32" in engine.description
        assert "pip install -r requirements-fast.txt" in engine.description
        assert engine.run(crops).tobytes() == exact_bytes(model, tmp_path, crops)


def test_without_the_extra_a_later_start_does_not_load_the_network_in_vain(
    model, tmp_path, monkeypatch
):
    hide_nncf(monkeypatch)
    open_fast(model, tmp_path).close()
    monkeypatch.setattr("gpen_webui.gpen.checkpoint.load_network", None)  # a call would raise
    with open_fast(model, tmp_path) as engine:
        assert "in float32" in engine.description


def test_auto_leaves_8_bits_to_processors_that_gain_from_them(
    model, tmp_path, monkeypatch, processor
):
    calls = stand_in(monkeypatch, faithful)
    processor("sse2 avx2")
    with open_fast(model, tmp_path, "auto") as engine:
        assert "float32" in engine.description
        assert "gains nothing" in engine.description
    assert calls == []
    processor("avx512f avx512_vnni")
    with open_fast(model, tmp_path, "auto") as engine:
        assert "int8" in engine.description


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_a_processor_with_bfloat16_needs_no_extra_to_be_fast(
    model, tmp_path, monkeypatch, processor, flag: str
):
    hide_nncf(monkeypatch)
    processor(flag)
    for precision in ("fast", "auto"):
        with open_fast(model, tmp_path, precision) as engine:
            assert "in bfloat16" in engine.description
            assert "close to float32" in engine.description
            crops = random_crops(2)
            with open_fast(model, tmp_path, "exact") as exact:
                assert psnr(engine.run(crops), exact.run(crops)) >= 38


def test_only_a_processor_with_tile_instructions_multiplies_directly(
    model, tmp_path, monkeypatch, processor
):
    hide_nncf(monkeypatch)
    for flags, direct in (("avx512_bf16", False), ("avx512_bf16 amx_bf16", True)):
        processor(flags)
        cache = tmp_path / flags
        open_fast(model, cache).close()
        names = [entry.name for entry in cache.iterdir() if "bfloat16" in entry.name]
        assert names, sorted(cache.iterdir())
        assert all(("direct" in name) == direct for name in names)


def test_bfloat16_goes_before_8_bits_which_are_further_from_float32(
    model, tmp_path, monkeypatch, processor
):
    calls = stand_in(monkeypatch, faithful)
    processor("avx512_vnni avx512_bf16")
    with open_fast(model, tmp_path) as engine:
        assert "in bfloat16" in engine.description
    assert calls == []


def test_bfloat16_that_misses_the_check_is_not_used(model, tmp_path, monkeypatch, processor):
    hide_nncf(monkeypatch)
    monkeypatch.setattr(fast, "compare", lambda *compared: (37.9, 0.0))
    processor("avx512_bf16")
    crops = random_crops(1)
    with open_fast(model, tmp_path) as engine:
        assert "missed the quality check" in engine.description
        assert engine.run(crops).tobytes() == exact_bytes(model, tmp_path, crops)


def test_calibration_shows_other_crops_than_the_check():
    shown, checked = calibration_crops(64), real_crops(64)
    assert shown.dtype == np.float32
    assert abs(shown).max() <= 1
    assert min(abs(a - b).mean() for a in shown for b in checked) > 0.05


def test_perceptual_distance_grows_with_what_is_lost():
    face, small, noisy, _ = real_crops(256)
    assert perceptual_distance(face, face) == pytest.approx(0, abs=1e-6)
    assert perceptual_distance(face + 0.02, face) < 0.02
    assert perceptual_distance(small, face) > 0.1
    assert perceptual_distance(noisy, face) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "avx512_vnni"])
def test_the_embedded_model_stays_close_to_float32_on_other_faces(
    project, shared, tmp_path, processor, monkeypatch, flag: str
):
    import cv2

    processor(flag)
    if in_8_bits := flag == "avx512_vnni":
        pytest.importorskip("nncf")
    else:
        hide_nncf(monkeypatch)
    model = find_model("gpen-mini-256", project / "models")
    with open_fast(model, tmp_path) as engine:
        assert in_8_bits or "in bfloat16" in engine.description
        with open_fast(model, tmp_path, "exact") as exact:
            for path in sorted((shared / "faces").glob("*.jpg"))[::80]:
                face = cv2.resize(cv2.imread(str(path)), (256, 256), interpolation=cv2.INTER_AREA)
                crop = face[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
                assert psnr(engine.run(crop), exact.run(crop)) >= 38
