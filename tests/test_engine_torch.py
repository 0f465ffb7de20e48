"""The PyTorch engine on the CPU: the reference, and the fallback."""

import threading

import numpy as np
import pytest
import torch

from gpen_webui.engines.quality import HALF_PRECISION_PSNR, MeasurementCache, psnr, real_crops
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
def test_running_out_of_memory_halves_the_batch_and_goes_on(engine, error):
    crops = random_crops(7)
    expected = engine.run(crops)
    network, seen = engine._network, []

    def short_of_memory(batch):
        seen.append(len(batch))
        if len(batch) > 2:
            raise error
        return network(batch)

    engine._network, engine._batches = short_of_memory, (8, 4, 2, 1)
    restored = engine.run(crops)
    assert seen == [4, 2, 2, 2, 1]
    assert abs(restored - expected).max() < 1e-5
    seen.clear()
    engine.run(crops)
    assert seen == [2, 2, 2, 1], "the smaller batch is kept"


def test_too_little_memory_for_one_face_is_a_memory_error(engine):
    def out_of_memory(batch):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    engine._network = out_of_memory
    with pytest.raises(MemoryError):
        engine.run(random_crops(1))


def test_other_errors_are_not_taken_for_lack_of_memory(engine):
    def broken(batch):
        raise RuntimeError("something else")

    engine._network = broken
    with pytest.raises(RuntimeError, match="something else"):
        engine.run(random_crops(1))


def test_a_closed_engine_refuses_work(engine):
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.run(random_crops(1))


def test_sixteen_bits_are_measured_once_and_used_only_if_good_enough(model, tmp_path, monkeypatch):
    engine = TorchEngine(model, "cpu", precision="exact", cache=None)
    measurements = MeasurementCache(tmp_path, model.sha256)
    worse = []
    measure = TorchEngine._half_precision_psnr

    def counted(self, dtype):
        worse.append(measure(self, dtype))
        return min(worse[-1], HALF_PRECISION_PSNR - 1)

    monkeypatch.setattr(TorchEngine, "_half_precision_psnr", counted)
    assert "missed the quality check" in engine._choose_precision(measurements)
    assert engine._dtype == torch.float32
    assert len(worse) == 2  # float16, then bfloat16
    assert all(20 < value < 100 for value in worse), "a real difference was measured"
    engine._choose_precision(MeasurementCache(tmp_path, model.sha256))
    assert len(worse) == 2, "the measurement is remembered"

    monkeypatch.setattr(TorchEngine, "_half_precision_psnr", lambda self, dtype: 60.0)
    assert "float16" in engine._choose_precision(MeasurementCache(None, model.sha256))
    assert engine._dtype == torch.float16


def test_batches_are_used_only_where_they_give_the_same_bytes(engine):
    network = engine._network

    def differs_above_two(batch):
        return network(batch) + (1e-6 if len(batch) > 2 else 0)

    engine._network = differs_above_two
    safe = engine._safe_batches((4, 2, 1))
    assert 4 not in safe
    assert safe[-1] == 1


def test_psnr_of_images_that_are_not_finite_is_zero():
    crops = real_crops(64)
    assert crops.shape == (4, 3, 64, 64)
    assert crops.dtype == np.float32
    assert psnr(crops, crops) == np.inf
    broken = crops.copy()
    broken[0, 0, 0, 0] = np.nan
    assert psnr(broken, crops) == 0
    assert psnr(np.clip(crops + 0.02, -1, 1), crops) == pytest.approx(40, abs=0.5)
