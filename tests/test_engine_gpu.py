"""What the PyTorch engine promises on a GPU. Needs torch, numpy, safetensors and opencv only."""

import numpy as np
import pytest
import torch

from gpen_webui.engines import torch_engine
from gpen_webui.engines.open import open_engine
from gpen_webui.engines.quality import HALF_PRECISION_PSNR, psnr, real_crops
from gpen_webui.engines.torch_engine import TorchEngine, gpu_device
from gpen_webui.gpen.checkpoint import load_network
from tests.tiny_gpen import make_tiny_model, random_crops

GPU = gpu_device("auto")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(GPU is None, reason="needs an NVIDIA or Apple GPU"),
]


@pytest.fixture(scope="module", params=[64, 256])
def model(request, tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("models"), size=request.param)


def on_gpu(model, **options) -> TorchEngine:
    return TorchEngine(model, GPU, **{"precision": "exact", "cache": None, **options})


def on_cpu(model) -> TorchEngine:
    return TorchEngine(model, "cpu", precision="exact", cache=None)


def test_auto_picks_the_gpu_and_says_so(model):
    with open_engine(model) as engine:
        assert isinstance(engine, TorchEngine)
        assert "PyTorch" in engine.description
        assert "CPU" not in engine.description


def test_exact_agrees_with_the_cpu(model):
    crops = np.concatenate([real_crops(model.size), random_crops(2, model.size)])
    with on_gpu(model) as gpu, on_cpu(model) as cpu:
        ours, theirs = gpu.run(crops), cpu.run(crops)
    assert abs(ours - theirs).max() < 1e-3 * theirs.std()
    assert psnr(ours, theirs) > 80


def test_a_crop_gives_the_same_bytes_alone_and_among_others(model):
    crops = random_crops(13, model.size)
    with on_gpu(model) as engine:
        together = engine.run(crops)
        alone = np.concatenate([engine.run(crop[None]) for crop in crops])
        backwards = engine.run(crops[::-1])[::-1]
    assert np.array_equal(together, alone)
    assert np.array_equal(together, backwards)


def test_sixteen_bits_are_used_only_where_they_pass_the_check(model, tmp_path):
    crops = real_crops(model.size)
    with on_gpu(model) as exact, on_gpu(model, precision="fast", cache=tmp_path) as fast:
        pairs = zip(fast.run(crops), exact.run(crops), strict=True)
        assert min(psnr(ours, theirs) for ours, theirs in pairs) >= HALF_PRECISION_PSNR
        first = fast.description
    with on_gpu(model, precision="fast", cache=tmp_path) as again:
        assert again.description == first


def test_running_out_of_memory_halves_the_batch_and_goes_on(model, monkeypatch):
    """Going crop by crop, so that all batches give the same bytes on any device."""
    crops = random_crops(8, model.size)
    network, seen, largest = load_network(model.path).to(GPU), [], [8]

    class CropByCrop(torch.nn.Module):
        def forward(self, batch):
            seen.append(len(batch))
            if len(batch) > largest[0]:
                torch.empty(1 << 50, device=GPU)  # the allocator's own error
            return torch.cat([network(crop[None]) for crop in batch])

    monkeypatch.setattr(torch_engine, "load_network", lambda path: CropByCrop())
    with on_gpu(model) as engine:
        expected = engine.run(crops)
        largest[0] = 2
        seen.clear()
        restored = engine.run(crops)
    assert seen == [8, 4, 2, 2, 2, 2]
    assert np.array_equal(restored, expected)
