"""`train run --task enlarge` and its evaluation: end to end on parts of a photo."""

import json
import signal

import cv2
import numpy as np
import pytest
import torch

from gpen_webui.cli import main
from gpen_webui.enlarging.upconv import MARGIN, UpConv, load_upconv
from gpen_webui.gpen.checkpoint import save_checkpoint
from gpen_webui.training.enlarging.kinds import MAKERS
from gpen_webui.training.enlarging.measure import Judge, bicubic, enlarged
from gpen_webui.training.enlarging.pictures import EnlargingSamples
from gpen_webui.training.enlarging.train import EnlargingOptions, EnlargingTraining
from gpen_webui.training.faces import FacesError, read_picture
from tests.extras import needs_extras


@pytest.fixture(scope="module")
def photos(tmp_path_factory, project):
    """Four parts of a photo, one of them held out."""
    folder = tmp_path_factory.mktemp("photos")
    photo = cv2.imread(str(project / "tests" / "data" / "astronaut.jpg"))
    for number, left in enumerate((0, 60, 120, 180)):
        cv2.imwrite(str(folder / f"{number}.png"), photo[:160, left : left + 160])
    (folder / "held-out.txt").write_text("3\n")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of a small network's random weights."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(file, UpConv((4, 4, 8, 8, 8, 16)).state_dict())
    return file


def options(photos, output, weights, **changes):
    small = {"size": 16, "batch": 3, "steps": 4, "device": "cpu", "threads": 1, "init": weights}
    return EnlargingOptions((photos,), output, **{**small, **changes})


def weights_in(folder) -> list[torch.Tensor]:
    return list(torch.load(folder / "state.pt", weights_only=True)["network"].values())


@needs_extras
def test_the_command_trains_from_given_weights_validates_and_leaves_a_network_that_loads(
    photos, weights, tmp_path, monkeypatch
):
    monkeypatch.setattr("gpen_webui.training.enlarging.train.VALIDATE_STEPS", 2)
    run = tmp_path / "run"
    small = "--task enlarge --size 16 --batch 2 --steps 3 --device cpu --threads 1".split()
    command = ["train", "run", str(photos), "-o", str(run), "--init", str(weights), *small]
    assert main(command) == 0
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (check,) = [entry for entry in entries if "sets" in entry]
    assert set(check["sets"][photos.name]) == set(MAKERS)
    assert cv2.imread(str(run / "samples" / "step-0000002.png")).shape == (160, 9 * 160, 3)
    trained, begun = load_upconv(run / "last.safetensors"), load_upconv(weights)
    assert trained.convolutions[0].weight.shape == begun.convolutions[0].weight.shape
    assert not torch.equal(trained.enlarge.weight, begun.enlarge.weight)


@needs_extras
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(
    photos, weights, tmp_path, monkeypatch
):
    EnlargingTraining(options(photos, tmp_path / "whole", weights)).run()
    interrupted = EnlargingTraining(options(photos, tmp_path / "parts", weights))
    batch = EnlargingSamples.batch

    def stop_in_the_second(samples: EnlargingSamples, step: int):
        if step == 1:
            signal.raise_signal(signal.SIGTERM)
        return batch(samples, step)

    with monkeypatch.context() as patch:
        patch.setattr(EnlargingSamples, "batch", stop_in_the_second)
        interrupted.run()
    assert interrupted.step == 2
    EnlargingTraining(options(photos, tmp_path / "parts", weights)).run()
    whole, parts = weights_in(tmp_path / "whole"), weights_in(tmp_path / "parts")
    assert len(whole) == 14
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


@needs_extras
def test_training_brings_the_network_nearer_to_the_truth(photos, weights, tmp_path, monkeypatch):
    monkeypatch.setattr("gpen_webui.training.run.REPORT_SECONDS", -1)  # each step is logged
    changes = {"steps": 40, "kinds": ("clean",), "learning_rate": 3e-3}
    EnlargingTraining(options(photos, tmp_path / "run", weights, **changes)).run()
    entries = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    sums = [sum(entry["loss"].values()) for entry in entries if "loss" in entry]
    assert len(sums) > 30
    assert np.mean(sums[-5:]) < 0.5 * np.mean(sums[:5])


@needs_extras
def test_evaluation_tells_each_kind_and_network_beside_bicubic(photos, weights, tmp_path, capsys):
    command = ["train", "evaluate", str(weights), str(photos), "--task", "enlarge"]
    other = tmp_path / "other.safetensors"
    other.write_bytes(weights.read_bytes())
    assert main([*command, "--against", str(other), "-o", str(tmp_path / "report")]) == 0
    printed = capsys.readouterr().out
    rows = json.loads((tmp_path / "report" / "small.json").read_text())
    assert [(row["kind"], row["network"]) for row in rows] == [
        (kind, name) for kind in MAKERS for name in ("small", "other")
    ]
    assert rows[0] == {**rows[1], "network": "small"}
    assert rows[0]["gain"] < 0 < rows[0]["bicubic"]  # random weights draw nothing
    assert f"| {photos.name} | print | 1 |" in printed
    sheet = cv2.imread(str(tmp_path / "report" / f"web-{photos.name}.png"))
    assert sheet.shape == (160, 4 * 160, 3)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_photo_of_each_kind_is_half_its_truth_and_lies_over_it(kind, project):
    photo = cv2.imread(str(project / "tests" / "data" / "astronaut.jpg"))[:128, 100:228, ::-1]
    rng = np.random.default_rng(4)
    truth, small = MAKERS[kind](photo.astype(np.float32), rng)
    assert truth.shape == (128, 128, 3)
    assert small.shape == (64, 64, 3)
    for levels in (truth, small):
        assert levels.min() >= 0
        assert levels.max() <= 255
        assert np.array_equal(levels, np.rint(levels))
    shrunk = cv2.resize(truth.astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)
    errors = {
        shift: np.abs(np.roll(small, shift, (0, 1)) - shrunk)[4:-4, 4:-4].mean()
        for shift in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
    }
    assert min(errors, key=errors.get) == (0, 0)


def test_samples_depend_on_the_step_alone_and_show_what_the_network_makes(photos):
    files = sorted(photos.glob("*.png"))
    one, other = (EnlargingSamples(files, 32, 4, 7, ("clean",)) for _ in range(2))
    one.batch(0)
    inputs, truths = one.batch(1)
    assert torch.equal(inputs, other.batch(1).inputs)
    assert inputs.shape == (4, 3, 16 + 2 * MARGIN, 16 + 2 * MARGIN)
    assert truths.shape == (4, 3, 32, 32)
    inside = bicubic(inputs)[..., 2 * MARGIN : -2 * MARGIN, 2 * MARGIN : -2 * MARGIN]
    assert (inside - truths).abs().mean() < 0.05
    one.close()
    other.close()


@needs_extras
def test_a_picture_is_judged_as_the_truth_alone_where_it_equals_it():
    truth = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    judge = Judge()
    assert judge(truth, truth).psnr == pytest.approx(99, abs=0.1)
    assert judge(truth, truth).perceptual == 0
    grey_error = judge((truth * 0.8 + 0.02).clamp(0, 1), truth * 0.8)
    assert grey_error.psnr == pytest.approx(34, abs=0.3)  # 0.02 of 1, in 8 bits
    assert grey_error.perceptual > 0


def test_a_network_enlarges_to_twice_the_size_up_to_the_edges():
    network = UpConv((4, 4, 4, 4, 4, 4)).requires_grad_(False)
    assert enlarged(network, torch.rand(1, 3, 20, 30)).shape == (1, 3, 40, 60)


def test_a_photo_that_is_damaged_or_too_small_is_named(tmp_path):
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    cv2.imwrite(str(tmp_path / "stamp.png"), np.zeros((20, 90, 3), np.uint8))
    with pytest.raises(FacesError, match=r"torn\.png"):
        read_picture(tmp_path / "torn.png", 64)
    with pytest.raises(FacesError, match=r"stamp\.png is too small.*64 pixels"):
        read_picture(tmp_path / "stamp.png", 64)
