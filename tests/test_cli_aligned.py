"""`--aligned` compares the network from outside: a checkpoint with the official names in, the
reference's own output out, within one grey level."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.reference_case import ReferenceCase


def grey_levels(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip((values + 1) * 127.5, 0, 255))


def run_aligned(project: Path, folder: Path, case: ReferenceCase) -> list[np.ndarray]:
    """What the command line makes of the case's crops, saved as PNG, each (S,S,3)."""
    torch.save({"g_ema": case.state()}, folder / "official.pth")
    (folder / "crops").mkdir()
    for number, crop in enumerate(case.crops()):
        pixels = grey_levels(crop).astype(np.uint8).transpose(1, 2, 0)
        Image.fromarray(pixels).save(folder / "crops" / f"{number}.png")
    command = [sys.executable, project / "app.py", "restore", folder / "crops", "-o"]
    command += [folder / "out", "--aligned", "--model", folder / "official.pth"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    files = sorted((folder / "out").glob("*.png"))
    assert len(files) == case.meta["batch"]
    return [np.asarray(Image.open(file)) for file in files]


def largest_difference(results: list[np.ndarray], case: ReferenceCase) -> float:
    """In grey levels, on the points of the output that the reference recorded."""
    step, middle = case.meta["step"], slice(case.size // 2 - 16, case.size // 2 + 16)
    worst = 0.0
    for pixels, output, patch in zip(results, case.output, case.patch, strict=True):
        planes = pixels.transpose(2, 0, 1).astype(float)
        for ours, theirs in (
            (planes[:, ::step, ::step], output),
            (planes[:, middle, middle], patch),
        ):
            worst = max(worst, np.abs(ours - grey_levels(theirs)).max())
    return worst


def test_aligned_runs_the_network_and_nothing_else(project: Path, tmp_path: Path):
    face = Image.open(project / "tests" / "data" / "astronaut.jpg").crop((160, 60, 290, 190))
    face.save(tmp_path / "face.png")
    command = [sys.executable, project / "app.py", "restore", "face.png", "-o", "out", "--aligned"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "face.png: restored as one face in" in done.stderr
    with Image.open(tmp_path / "out" / "face.png") as result:
        assert result.size == (256, 256)
        difference = np.asarray(result.convert("RGB"), float) - np.asarray(face.resize((256, 256)))
    assert 0.5 < np.abs(difference).mean() < 40  # restored: not the same, but the same face


def test_a_small_random_checkpoint_equals_the_reference(project: Path, tmp_path: Path):
    case = ReferenceCase(project / "tests" / "data" / "tiny-64.npz")
    assert largest_difference(run_aligned(project, tmp_path, case), case) <= 1


@pytest.mark.slow
def test_gpen_bfr_512_equals_the_reference(project: Path, shared: Path, tmp_path: Path):
    case = ReferenceCase(shared / "reference" / "network" / "gpen-bfr-512.npz")
    assert largest_difference(run_aligned(project, tmp_path, case), case) <= 1
