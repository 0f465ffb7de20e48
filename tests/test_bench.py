"""The benchmark: its baseline is the network, its arithmetic is right, its figures agree."""

import json
import math
import os

import cv2
import numpy as np
import pytest
import torch

from gpen_webui.bench.busy import WatchedEngine
from gpen_webui.bench.comparison import describe_changes, last_run
from gpen_webui.bench.flops import count_flops
from gpen_webui.bench.machine import describe_machine, instruction_set, processor_name
from gpen_webui.bench.memory import AlbumFailedError, measure_memory
from gpen_webui.bench.network import numbers_of
from gpen_webui.bench.photos import make_photos
from gpen_webui.bench.random_model import SHAPES
from gpen_webui.bench.reference_engine import ReferenceEngine
from gpen_webui.bench.reference_form import to_reference_form
from gpen_webui.bench.store import measure_store
from gpen_webui.bench.summary import Summary, alternate
from gpen_webui.cli import main
from gpen_webui.engines.base import Engine
from gpen_webui.faces.detect import FaceDetector
from gpen_webui.gpen.checkpoint import load_network
from gpen_webui.gpen.network import GPEN
from gpen_webui.settings import Settings
from tests.tiny_gpen import make_tiny_model, random_crops

CPU_INFO = """\
processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu sse2 avx2 avx512f avx512_vnni avx512_bf16 amx_int8
"""


def test_the_reference_form_gives_the_numbers_of_the_network(tmp_path):
    model = make_tiny_model(tmp_path)
    crops = torch.from_numpy(random_crops(3))
    with torch.inference_mode():
        expected = load_network(model.path)(crops)
        together = to_reference_form(load_network(model.path))(crops)
    assert (together - expected).abs().max() < 1e-5 * max(1, expected.abs().max())
    alone = ReferenceEngine(model, "cpu").run(crops.numpy())
    assert np.abs(alone - expected.numpy()).max() < 1e-5 * max(1, expected.abs().max())


def test_operations_are_counted_as_by_hand():
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1, bias=False),  # 16 x 16 pixels stay
        torch.nn.ConvTranspose2d(8, 4, 3, stride=2, bias=False),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 33 * 33, 10, bias=False),
    )
    by_hand = 2 * (16 * 16 * 8 * 3 * 9 + 16 * 16 * 8 * 4 * 9 + 4 * 33 * 33 * 10)
    assert count_flops(network, (1, 3, 16, 16)) == by_hand


def test_the_512_network_has_276_billion_operations():
    with torch.device("meta"):
        network = GPEN(SHAPES["512"]).requires_grad_(False)
    assert count_flops(network, (1, 3, 512, 512)) == pytest.approx(276e9, rel=0.002)


def test_a_spread_holds_middle_and_ends():
    assert Summary.of([5.0, 1.0, 3.0]) == Summary(median=3.0, low=1.0, high=5.0, count=3)
    assert Summary.of([4.0, 2.0]).median == 3.0


def test_sides_take_turns_and_go_back_and_forth():
    turns = []
    sides = {name: lambda name=name: turns.append(name) or len(turns) for name in "abc"}
    assert alternate(sides, rounds=3) == {"a": [1, 6, 7], "b": [2, 5, 8], "c": [3, 4, 9]}
    assert "".join(turns) == "abccbaabc"


def test_the_machine_is_named_by_cores_and_instruction_set():
    assert processor_name(CPU_INFO) == "Intel Xeon Platinum 8481C"
    assert instruction_set(CPU_INFO) == "AVX-512 VNNI BF16 AMX"
    assert instruction_set("") == ""
    machine = describe_machine()
    assert machine["summary"].startswith(f"{machine['cores']} core")


def test_the_kind_of_numbers_is_read_off_an_engines_description():
    on_cpu = "m runs on the CPU with OpenVINO in {} (2 cores, 2 faces at a time)."
    assert numbers_of(on_cpu.format("bfloat16")) == "bfloat16"
    assert numbers_of(on_cpu.format("float32") + " In bfloat16 it missed the check.") == "float32"


def test_every_made_photo_shows_one_face_and_no_two_are_alike(tmp_path):
    photos = [cv2.imread(str(path)) for path in make_photos(tmp_path, 3)]
    detector = FaceDetector()
    assert [photo.shape for photo in photos] == [(1080, 1080, 3)] * 3
    assert [len(detector.detect(photo[..., ::-1].copy())) for photo in photos] == [1, 1, 1]
    assert np.abs(photos[0].astype(int) - photos[1]).mean() > 10


class HalfBusy(Engine):
    """Two streams, of which a single caller uses one."""

    size, description, threads, streams = 8, "", 2, 2

    def run(self, crops):
        self.clock[0] += 3.0
        return crops

    def close(self):
        pass


def test_an_engine_counts_as_busy_by_the_share_of_its_streams(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("gpen_webui.bench.busy.time.perf_counter", lambda: clock[0])
    engine = HalfBusy()
    engine.clock = clock
    watched = WatchedEngine(engine)
    clock[0] += 5.0  # nobody calls
    watched.run(np.zeros((1, 3, 8, 8), np.float32))
    assert watched.busy_seconds() == 1.5


def test_memory_is_that_of_the_whole_command(tmp_path):
    photos = make_photos(tmp_path / "photos", 1)
    use = measure_memory(Settings(outputs=tmp_path / "outputs"), photos, 2, tmp_path / "work")
    assert use.photos == 2
    assert 150 < use.peak_mb < 4000  # the libraries alone take more than the one
    assert not (tmp_path / "work").exists()


def test_an_album_that_fails_ends_the_measurement_with_its_own_words(tmp_path):
    photos = make_photos(tmp_path / "photos", 1)
    nowhere = Settings(outputs=tmp_path, model="no-such-model")
    with pytest.raises(AlbumFailedError, match="no-such-model"):
        measure_memory(nowhere, photos, 1, tmp_path / "work")


@pytest.mark.slow
def test_a_quick_benchmark_writes_figures_that_agree_with_each_other(tmp_path, capsys):
    assert main(["bench", "--quick", "--photos", "2", "-o", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    network, album = figures["network"], figures["album"]
    baseline = network["sides"][0]
    assert baseline["speed_up"] == 1
    for side in network["sides"]:
        seconds = side["seconds"]
        assert 0 < seconds["low"] <= seconds["median"] <= seconds["high"]
        ratio = baseline["seconds"]["median"] / seconds["median"]
        assert side["speed_up"] == pytest.approx(ratio, rel=1e-3)
        rate = network["flops"] / seconds["median"] / network["peak"]["median"]
        assert side["share_of_peak"] == pytest.approx(rate, rel=1e-3)
    assert album["faces"] == album["photos"] == 2
    assert album["same_bytes"]
    assert [side["workers"] for side in album["sides"]] == [1, 2, 4, 8]
    for side in album["sides"]:
        assert side["psnr"] is None or side["psnr"] > 60
        assert side["total"]["median"] == pytest.approx(2 * side["seconds"]["median"], rel=1e-3)
        assert math.isclose(sum(side["stages"].values()), 1, rel_tol=1e-3)
        assert 0 <= side["not_in_network"] < 1
    assert [use["photos"] for use in figures["memory"]] == [2, 8]
    assert str(tmp_path) not in json.dumps(figures)
    assert cv2.imread(str(tmp_path / "benchmark.png")) is not None
    assert figures["machine"]["summary"] in capsys.readouterr().out


def figures_of(seconds: float, spread: float = 0.01, model: str = "m", peak: float = 500) -> dict:
    """A run in which a photo of the album takes so long."""

    def summary(median: float) -> dict:
        return {"low": median - spread, "median": median, "high": median + spread}

    return {
        "machine": {"summary": "2 cores"},
        "model": model,
        "size": 256,
        "network": {"sides": [{"name": "fast", "seconds": summary(1.0)}]},
        "album": {
            "reference": {"seconds": summary(9.0)},
            "sides": [{"workers": 2, "seconds": summary(seconds)}],
        },
        "memory": [{"photos": 4, "peak_mb": peak}],
    }


def test_what_became_slower_than_in_the_last_run_is_named():
    words = describe_changes(figures_of(1.0), figures_of(1.3, peak=600))
    assert "Slower than in the last run: album, workers: 2: 1 -> 1.3 s per photo (+30%)" in words
    assert "memory, photos: 4: 500 -> 600 MB (+20%)" in words
    assert "network" not in words
    assert "Better" in describe_changes(figures_of(1.3), figures_of(1.0))


def test_what_differs_within_its_spread_is_no_news():
    assert "As fast as" in describe_changes(figures_of(1.0, 0.2), figures_of(1.3, 0.2))
    assert "As fast as" in describe_changes(figures_of(1.0), figures_of(1.03))


def test_a_run_is_compared_with_the_last_one_of_its_kind(tmp_path):
    for number, (name, figures) in enumerate(
        {"a": figures_of(1.0), "b": figures_of(2.0), "c": figures_of(3.0, model="other")}.items()
    ):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "benchmark.json"
        path.write_text(json.dumps(figures))
        os.utime(path, (number, number))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "benchmark.json").write_text("cut short")
    assert last_run(tmp_path, figures_of(1.0)) == figures_of(2.0)
    assert last_run(tmp_path / "a", figures_of(1.0)) is None


def test_the_store_is_measured_and_its_largest_album_removed(tmp_path):
    rates, removal = measure_store(tmp_path, sizes=(10, 20), photos=3)
    assert [rate.items for rate in rates] == [10, 20]
    assert all(rate.photos_per_second > 0 and rate.core_ms > 0 for rate in rates)
    assert (removal.items, removal.seconds > 0) == (20, True)
    results = sorted(len(list(folder.iterdir())) for folder in tmp_path.glob("* photos*"))
    assert results == sorted([9, removal.photos] if removal.photos else [0, 9]), "of two albums"
