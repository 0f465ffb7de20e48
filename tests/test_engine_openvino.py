"""The OpenVINO engine: exact, the same bytes whoever asks, and quick to start from its cache."""

import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpen_webui.engines.quality import psnr, real_crops
from tests.tiny_gpen import make_tiny_model, random_crops

pytest.importorskip("openvino")

from gpen_webui.engines.openvino import fast, graph_variants
from gpen_webui.engines.openvino.cache import LOCK
from gpen_webui.engines.openvino.engine import OpenVinoEngine
from gpen_webui.engines.torch_engine import TorchEngine
from gpen_webui.files.lock import FileLock


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def own_cache(model, cache, tmp_path):
    """A cache with the compiled model, for tests that change it."""
    open_openvino(model, cache).close()
    return Path(shutil.copytree(cache, tmp_path / "cache"))


def open_openvino(model, cache, workers=1) -> OpenVinoEngine:
    return OpenVinoEngine(model, precision="exact", workers=workers, cache=cache)


def entries(cache):
    return sorted(path for path in cache.iterdir() if path.is_dir())


def test_openvino_agrees_with_pytorch(model, cache):
    crops = np.concatenate([real_crops(64), random_crops(2)])
    with TorchEngine(model, "cpu", precision="exact", cache=None) as reference:
        expected = reference.run(crops)
    with open_openvino(model, cache) as engine:
        restored = engine.run(crops)
    assert restored.dtype == np.float32
    assert abs(restored - expected).max() < 1e-4 * expected.std()
    assert psnr(restored, expected) >= 80


def test_the_bytes_do_not_depend_on_workers_order_or_batch(model, cache):
    crops = random_crops(12)
    with open_openvino(model, cache) as engine:
        expected = [crop.tobytes() for crop in engine.run(crops)]
    for workers in (1, 2, 4):
        order = list(range(len(crops)))
        random.Random(workers).shuffle(order)
        portions = [order[start : start + 3] for start in range(0, 12, 3)]
        with open_openvino(model, cache, workers) as engine, ThreadPoolExecutor(workers) as pool:
            for portion, restored in zip(
                portions, pool.map(lambda some: engine.run(crops[some]), portions), strict=True
            ):
                for index, crop in zip(portion, restored, strict=True):
                    assert crop.tobytes() == expected[index]


def test_the_bytes_do_not_depend_on_the_number_of_threads(model, cache, monkeypatch):
    crops = random_crops(2)
    results = set()
    for cores in (1, 2, 4):
        monkeypatch.setattr(
            "gpen_webui.engines.openvino.engine.cpu_cores", lambda cores=cores: cores
        )
        with open_openvino(model, cache) as engine:
            assert engine.threads == cores
            results.add(engine.run(crops).tobytes())
    assert len(results) == 1


def test_half_as_many_streams_as_cores_or_photos_at_once(model, cache, monkeypatch):
    for cores, workers, streams in ((2, 8, 1), (8, 8, 4), (8, 2, 1)):
        monkeypatch.setattr(
            "gpen_webui.engines.openvino.engine.cpu_cores", lambda cores=cores: cores
        )
        with open_openvino(model, cache, workers=workers) as engine:
            assert (engine.threads, engine.streams) == (cores, streams)


def test_one_stream_only_where_feature_maps_are_large():
    from gpen_webui.engines.openvino.engine import streams_in_memory

    assert streams_in_memory(256, "float32") >= 4
    assert streams_in_memory(512, "float32") == 1
    assert streams_in_memory(512, "bfloat16") == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")
def test_the_weight_file_does_not_stay_in_memory(model, cache):
    def resident() -> int:
        kilobytes, ours = 0, False
        with open("/proc/self/smaps") as maps:
            for line in maps:
                if "-" in line.split()[0]:
                    ours = str(cache) in line
                elif ours and line.startswith("Rss:"):
                    kilobytes += int(line.split()[1])
        return kilobytes

    open_openvino(model, cache).close()
    with open_openvino(model, cache) as engine:
        before = engine.run(random_crops(1))
        size = sum(path.stat().st_size for path in cache.glob("*/network.blob")) >> 10
        assert resident() < size / 2
        assert engine.run(random_crops(1)).tobytes() == before.tobytes()


def test_a_later_start_needs_no_pytorch(model, cache):
    with open_openvino(model, cache) as engine:
        expected = engine.run(random_crops(1)).tobytes()
    script = (
        "import sys, numpy\n"
        "from pathlib import Path\n"
        "from gpen_webui.models.installed import InstalledModel\n"
        "from gpen_webui.engines.open import open_engine\n"
        f"model = InstalledModel('m', Path({str(model.path)!r}), {model.sha256!r}, 64)\n"
        f"engine = open_engine(model, device='cpu', cache=Path({str(cache)!r}))\n"
        "crops = numpy.frombuffer(sys.stdin.buffer.read(), numpy.float32).reshape(1, 3, 64, 64)\n"
        "sys.stdout.buffer.write(engine.run(crops).tobytes())\n"
        "assert 'torch' not in sys.modules\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], input=random_crops(1).tobytes(), capture_output=True
    )
    assert process.returncode == 0, process.stderr.decode()
    assert process.stdout == expected


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "no checksum"])
def test_a_damaged_cache_is_rebuilt_silently(model, own_cache, damage):
    crops = random_crops(1)
    with open_openvino(model, own_cache) as engine:
        expected = engine.run(crops).tobytes()
    (entry,) = entries(own_cache)
    compiled = entry / "network.blob"
    content = bytearray(compiled.read_bytes())
    if damage == "truncate":
        compiled.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 2] ^= 0x40
        compiled.write_bytes(content)
    elif damage == "empty":
        compiled.write_bytes(b"")
    else:
        (entry / "checksum").unlink()
    with open_openvino(model, own_cache) as engine:
        assert engine.run(crops).tobytes() == expected
    assert entries(own_cache) == [entry]
    rebuilt = compiled.read_bytes()
    open_openvino(model, own_cache).close()
    assert compiled.read_bytes() == rebuilt, "the entry is whole again"


def test_another_checkpoint_or_version_gets_its_own_entry(model, own_cache, tmp_path, monkeypatch):
    other = make_tiny_model(tmp_path, seed=5)
    crops = random_crops(1)
    with open_openvino(model, own_cache) as engine, open_openvino(other, own_cache) as another:
        assert engine.run(crops).tobytes() != another.run(crops).tobytes()
    assert len(entries(own_cache)) == 2
    newer = replace(graph_variants.FLOAT32, version=99)
    monkeypatch.setattr(fast, "FLOAT32", newer)
    monkeypatch.setattr(graph_variants, "VARIANTS", (newer,))
    open_openvino(model, own_cache).close()
    names = [entry.name for entry in entries(own_cache)]
    assert len(names) == 2, "the entry of the older form is removed"
    assert sum(name.endswith(newer.name) for name in names) == 1


def test_a_cache_that_cannot_be_written_is_no_obstacle(model, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with open_openvino(model, tmp_path / "file") as engine:
        assert np.isfinite(engine.run(random_crops(1))).all()
    assert "could not be kept" in caplog.text


def test_refuses_crops_of_another_size(model, cache):
    with open_openvino(model, cache) as engine, pytest.raises(ValueError, match="crops must be"):
        engine.run(random_crops(1, size=32))


def test_a_closed_engine_refuses_work(model, cache):
    engine = open_openvino(model, cache)
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.run(random_crops(1))


def test_a_missing_model_file_is_told_to_the_user(model, tmp_path):
    from gpen_webui.errors import UserError

    missing = replace(model, path=tmp_path / "missing.safetensors", sha256="0" * 64)
    with pytest.raises(UserError):
        open_openvino(missing, tmp_path)


def test_what_a_killed_process_has_left_in_the_cache_is_removed_at_the_next_start(model, own_cache):
    (own_cache / "new-abc" / "entry").mkdir(parents=True)
    (own_cache / "new-abc" / "entry" / "network.blob").write_bytes(b"half of it")
    with FileLock(own_cache / LOCK):  # another process that saves just now
        open_openvino(model, own_cache).close()
        assert (own_cache / "new-abc").is_dir()
    open_openvino(model, own_cache).close()
    assert not (own_cache / "new-abc").exists()
    assert len(entries(own_cache)) == 1


def test_a_signal_after_an_engine_was_freed_by_another_thread_is_handled(model, cache):
    # OpenVINO sets up the stack for signal handlers, of the thread that opens the first engine.
    code = f"""
import signal
from pathlib import Path
from threading import Thread
from gpen_webui.engines.openvino.engine import OpenVinoEngine
from gpen_webui.models.folder import InstalledModel
model = InstalledModel({model.name!r}, Path({str(model.path)!r}), {model.sha256!r}, {model.size})
engines = [OpenVinoEngine(model, precision="exact", workers=1, cache=Path({str(cache)!r}))]
freeing = Thread(target=engines.clear)
freeing.start()
freeing.join()
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
signal.raise_signal(signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("handled\n", 0), done.stderr
