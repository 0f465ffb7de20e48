"""Training of the network that finds scratches: its samples, its loss, a run and what it leaves."""

import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gpen_webui.cli import main
from gpen_webui.repairing.scratches import PROBABILITY, ScratchDetector
from gpen_webui.stages.restorer import last
from gpen_webui.training.scratches import damage
from gpen_webui.training.scratches.measures import Counts
from gpen_webui.training.scratches.network import ScratchNetwork, save_onnx
from gpen_webui.training.scratches.samples import DamageSamples, sample
from gpen_webui.training.scratches.train import ScratchOptions, ScratchTraining, damage_losses

SIDE = 96


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    """A folder of four photos, one of them held out."""
    folder = tmp_path_factory.mktemp("photos")
    astronaut = cv2.imread(str(project / "tests" / "data" / "astronaut.jpg"))
    for number in range(4):
        part = astronaut[80 * number : 80 * number + 240, 100:340]
        cv2.imwrite(str(folder / f"photo{number}.png"), part)
    (folder / "held-out.txt").write_text("photo3")
    return folder


def options(photos: Path, output: Path, steps: int) -> ScratchOptions:
    return ScratchOptions((photos,), output, steps=steps, batch=2, size=64, device="cpu", threads=1)


@pytest.mark.parametrize("kind", damage.KINDS)
def test_every_kind_of_damage_hides_the_picture_where_its_mask_says_and_nowhere_else(kind: str):
    grey = np.full((SIDE, SIDE, 1), 110, np.float32)
    seen = 0
    for seed in range(6):
        worn, covered = damage.KINDS[kind][1](grey, np.random.default_rng(seed))
        mask = damage.seen(grey, worn, covered)
        changed = np.abs(worn - grey).max(axis=2) > 60
        assert not changed[~cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))).astype(bool)].any()
        seen += mask.sum()
    assert seen > 0


def test_samples_are_the_same_for_the_same_step_and_some_are_sound(photos: Path):
    files = sorted(photos.glob("*.png"))
    samples, again = (DamageSamples(files, 64, 16, seed=5) for _ in range(2))
    pictures, masks = samples.batch(3)
    other, _ = again.batch(3)
    samples.close()
    again.close()
    assert torch.equal(pictures, other)
    per_picture = masks.sum(dim=(1, 2, 3))
    assert 0 < (per_picture == 0).sum() < 16


def test_sound_pictures_have_no_damage_whatever_thin_things_are_in_them(photos: Path):
    photo = cv2.imread(str(photos / "photo0.png"), cv2.IMREAD_GRAYSCALE)
    for seed in range(8):
        _, damaged = sample(photo, 64, np.random.default_rng(seed), sound_share=1)
        assert not damaged.any()


def test_f1_forgives_two_pixels_and_no_more():
    line = np.zeros((40, 40), bool)
    line[20] = True
    near, far = Counts(), Counts()
    near.add(np.roll(line, 2, axis=0), line)
    far.add(np.roll(line, 3, axis=0), line)
    assert near.f1 == pytest.approx(1)
    assert far.f1 == 0


def test_the_loss_is_lower_the_more_of_the_damage_is_found():
    damaged = torch.zeros(1, 1, 32, 32)
    damaged[..., 10:12, :] = 1
    found, half, none = (
        sum(damage_losses(logits, damaged).values())
        for logits in (damaged * 12 - 6, damaged * 6 - 6, torch.full_like(damaged, -6.0))
    )
    assert found < half < none


def test_the_file_computes_what_the_network_does(tmp_path: Path):
    torch.manual_seed(1)
    network = ScratchNetwork()
    for _ in range(2):  # so that normalisation has something to fold
        network(torch.rand(2, 1, 64, 64))
    with torch.no_grad():
        network.last.weight.mul_(15)
        network.last.bias.zero_()
    save_onnx(network, tmp_path / "net.onnx")
    grey = (torch.rand(60, 100) * 255).to(torch.uint8)
    expected = torch.sigmoid(
        network.eval()(
            torch.nn.functional.pad(grey[None, None] / 255, (0, 28, 0, 4), mode="replicate")
        )
    )[0, 0, :60, :100]
    pixels = np.repeat(grey.numpy()[:, :, None], 3, axis=2)
    found = last(ScratchDetector(tmp_path / "net.onnx").find(pixels, rim=0))
    assert found.any()
    assert np.array_equal(found, (expected > PROBABILITY).numpy())


def test_a_resumed_training_equals_an_uninterrupted_one_and_leaves_a_network(
    photos: Path, tmp_path: Path, monkeypatch
):
    ScratchTraining(options(photos, tmp_path / "whole", 4)).run()
    stopped = ScratchTraining(options(photos, tmp_path / "parts", 4))
    batch = stopped.samples.batch

    def stop_in_the_second(step: int):
        if step == 1:
            signal.raise_signal(signal.SIGTERM)
        return batch(step)

    monkeypatch.setattr(stopped.samples, "batch", stop_in_the_second)
    stopped.run()
    assert stopped.step == 2
    ScratchTraining(options(photos, tmp_path / "parts", 4)).run()
    whole, parts = (
        torch.load(tmp_path / run / "state.pt", weights_only=True) for run in ("whole", "parts")
    )
    assert whole["step"] == parts["step"] == 4
    for name, tensor in whole["ema"].items():
        assert torch.equal(tensor, parts["ema"][name]), name
    assert (tmp_path / "whole" / "last.onnx").stat().st_size < 2_000_000


def test_the_commands_train_validate_and_measure(photos: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr("gpen_webui.training.run.VALIDATE_STEPS", 2)
    monkeypatch.setattr("gpen_webui.training.scratches.train.CHECKED", 2)
    run = tmp_path / "run"
    asked = "--task scratches --steps 2 --batch 2 --size 64 --device cpu --threads 1".split()
    assert main(["train", "run", str(photos), "-o", str(run), *asked]) == 0
    assert (run / "best.onnx").exists()
    assert (run / "metrics.png").exists()
    measure = ["train", "evaluate", str(run / "best.onnx"), str(photos), "--task", "scratches"]
    assert main([*measure, "--count", "2", "-o", str(tmp_path / "report")]) == 0
    assert "| F1 |" in capsys.readouterr().out
    assert (tmp_path / "report" / "best.json").exists()
