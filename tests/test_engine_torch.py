"""The PyTorch engine on the CPU: the reference, and the fallback.

What it does on GPUs (16 bits, batches, going on where memory runs out) is seen here on the device
"cpu:0", which it treats as one; the network is played where it must fail or differ.
"""

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from gpen_webui.engines.quality import psnr, real_crops
from gpen_webui.engines.torch_engine import TorchEngine
from gpen_webui.gpen.checkpoint import load_network
from tests.tiny_gpen import make_tiny_model, random_crops


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("models"))


@pytest.fixture
def engine(model):
    with TorchEngine(model, "cpu", precision="exact", cache=None) as engine:
        yield engine


class PlayedNetwork(torch.nn.Module):
    """A small network, crop by crop, so that batches make no difference; what happens is arranged.

    seen: the size of each batch. before: called with each batch, and may raise. change: makes
    something else of a batch and its results.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = torch.nn.Conv2d(3, 3, 3, padding=1).requires_grad_(False)
        self.seen: list[int] = []
        self.before: Callable = lambda batch: None
        self.change: Callable = lambda batch, results: results

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(batch))
        self.before(batch)
        with torch.autocast("cpu", enabled=False):  # which a CPU without 16 bits would be slow at
            results = torch.cat([self.network(crop[None]) for crop in batch])
        return self.change(batch, results)


@pytest.fixture
def played(monkeypatch) -> PlayedNetwork:
    """The network of all engines that the test opens."""
    network = PlayedNetwork()
    monkeypatch.setattr("gpen_webui.engines.torch_engine.load_network", lambda path: network)
    return network


def test_gives_what_the_network_gives(engine, model):
    crops = random_crops(2)
    with torch.inference_mode():
        expected = load_network(model.path)(torch.from_numpy(crops)).numpy()
    assert abs(engine.run(crops) - expected).max() < 1e-5


def test_a_crop_gives_the_same_bytes_alone_and_among_others(engine):
    crops = random_crops(5)
    alone = np.concatenate([engine.run(crop[None]) for crop in crops])
    assert np.array_equal(engine.run(crops), alone)


def test_many_threads_get_the_bytes_of_one(engine):
    crops = random_crops(4)
    expected = engine.run(crops)
    results = [None] * 4

    def work(index):
        results[index] = engine.run(crops[index : index + 1])[0]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(np.stack(results), expected)


def test_no_crops_give_no_results(engine):
    assert engine.run(random_crops(0)).shape == (0, 3, 64, 64)


@pytest.mark.parametrize("crops", [np.zeros((1, 3, 32, 32), np.float32), np.zeros((1, 3, 64, 64))])
def test_refuses_crops_of_another_size_or_type(engine, crops):
    with pytest.raises(ValueError, match="crops must be"):
        engine.run(crops)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory"),
    ],
)
def test_running_out_of_memory_halves_the_batch_and_goes_on(model, played, error):
    crops = random_crops(7)

    def short_of_memory(batch):
        if len(batch) > 2:
            raise error

    with TorchEngine(model, "cpu:0", precision="exact", cache=None) as engine:
        expected = engine.run(crops)
        played.before = short_of_memory
        played.seen.clear()
        restored = engine.run(crops)
        assert played.seen == [4, 2, 2, 2, 1]
        assert np.array_equal(restored, expected)
        played.seen.clear()
        engine.run(crops)
        assert played.seen == [2, 2, 2, 1], "the smaller batch is kept"


def test_too_little_memory_for_one_face_is_a_memory_error(played, engine):
    def out_of_memory(batch):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    played.before = out_of_memory
    with pytest.raises(MemoryError):
        engine.run(random_crops(1))


def test_other_errors_are_not_taken_for_lack_of_memory(played, engine):
    def broken(batch):
        raise RuntimeError("something else")

    played.before = broken
    with pytest.raises(RuntimeError, match="something else"):
        engine.run(random_crops(1))


def test_a_closed_engine_refuses_work(engine):
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.run(random_crops(1))


def worse_in_16_bits(batch: torch.Tensor, results: torch.Tensor) -> torch.Tensor:
    """A large error, where the engine asks for 16 bits."""
    return results + 0.1 if torch.is_autocast_enabled("cpu") else results


def test_sixteen_bits_are_measured_once_and_used_only_if_good_enough(model, tmp_path, played):
    def open_engine(cache):
        played.seen.clear()
        return TorchEngine(model, "cpu:0", precision="fast", cache=cache)

    crops = random_crops(1)
    with TorchEngine(model, "cpu:0", precision="exact", cache=None) as exact:
        expected = exact.run(crops)
    played.change = worse_in_16_bits
    with open_engine(tmp_path / "worse") as engine:
        assert "float32 (16 bits missed the quality check" in engine.description
        assert np.array_equal(engine.run(crops), expected)
    measured = sum(played.seen)
    with open_engine(tmp_path / "worse") as engine:
        assert "missed the quality check" in engine.description
        # float16, bfloat16, and float32 beside each, are not run again.
        assert sum(played.seen) == measured - 4 * len(real_crops(64)) - len(crops)

    played.change = lambda batch, results: results.half()  # no worse than 16 bits can be
    with open_engine(tmp_path / "good") as engine:
        assert "in float16" in engine.description
        played.change = worse_in_16_bits
        assert np.abs(engine.run(crops) - expected).max() > 0.05


def test_batches_are_used_only_where_they_give_the_same_bytes(model, played):
    played.change = lambda batch, results: results + (1e-6 if len(batch) > 2 else 0)
    with TorchEngine(model, "cpu:0", precision="exact", cache=None) as engine:
        assert engine.description.endswith("2 faces at a time.")
        played.seen.clear()
        engine.run(random_crops(5))
        assert played.seen == [2, 2, 1]


def test_psnr_of_images_that_are_not_finite_is_zero():
    crops = real_crops(64)
    assert crops.shape == (4, 3, 64, 64)
    assert crops.dtype == np.float32
    assert psnr(crops, crops) == np.inf
    broken = crops.copy()
    broken[0, 0, 0, 0] = np.nan
    assert psnr(broken, crops) == 0
    assert psnr(np.clip(crops + 0.02, -1, 1), crops) == pytest.approx(40, abs=0.5)
