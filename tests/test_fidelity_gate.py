"""The fidelity gate: where a face needs little, little of what the network made of it is used."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from gpen_webui.cli import main
from gpen_webui.engines.open import open_engine
from gpen_webui.faces.align import crop_matrix, extract_crop
from gpen_webui.faces.detect import FaceDetector
from gpen_webui.models.folder import InstalledModel
from gpen_webui.models.installed import find_model
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.stages.face_network import FaceNetwork
from gpen_webui.stages.fidelity_gate import (
    KEY,
    NUMBERS,
    FidelityGate,
    FidelityGateError,
    describe_change,
    read_fidelity_gate,
)
from gpen_webui.stages.restorer import Restorer
from tests.extras import needs_extras
from tests.test_restore import SIZE, OneLineEngine
from tests.tiny_gpen import make_tiny_model

PLAIN = RestoreOptions(strength=100, mode="detail", protect_skin=False)


def constant_gate(share: float) -> FidelityGate:
    """Uses the same share of every change."""
    zeros = np.zeros(NUMBERS)
    bias = float(np.log(share / (1 - share)))
    return FidelityGate(zeros, zeros + 1, np.zeros((2, NUMBERS)), np.zeros(2), np.zeros(2), bias)


def model_with(text: str | None, folder: Path) -> InstalledModel:
    """A weight file with this gate and nothing else."""
    path = folder / "gated.safetensors"
    save_file({"none": torch.zeros(1)}, path, {KEY: text} if text is not None else None)
    return InstalledModel("gated", path, "0" * 64, SIZE)


def restorer(model: InstalledModel) -> Restorer:
    lighter = OneLineEngine(lambda crops: crops * 0.5 + np.float32(0.5))
    return Restorer(lighter, FaceDetector(), model)


@pytest.fixture(scope="module")
def astronaut(project: Path) -> Photo:
    return open_photo(project / "tests" / "data" / "astronaut.jpg")


def change(astronaut: Photo, model: InstalledModel, options: RestoreOptions) -> float:
    """Mean change of the face, in levels."""
    done = restorer(model).restore(astronaut, options)
    (face,) = done.faces
    left, top, width, height = (round(value) for value in face.box)
    middle = np.s_[top + height // 3 : top + height // 2, left + width // 3 : left + width // 2]
    return float((done.pixels.astype(float) - astronaut.pixels)[middle].mean())


def test_of_a_face_that_needs_little_little_is_changed_and_that_is_said(astronaut, tmp_path):
    model = model_with(constant_gate(0.25).as_text(), tmp_path)
    done = restorer(model).restore(astronaut, replace(PLAIN, mode="natural"))
    assert done.faces[0].share == 0.25
    assert [note for note in done.notes if "1 face needed little" in note]
    aligned = restorer(model).restore(astronaut, replace(PLAIN, aligned=True))
    crop = cv2.resize(astronaut.pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(float)
    expected = crop + 0.25 * (255 - crop) / 2
    assert np.abs(aligned.pixels - expected).mean() < 1


def test_strong_shows_all_that_the_network_made(astronaut, tmp_path):
    gated = model_with(constant_gate(0.25).as_text(), tmp_path)
    strong = replace(PLAIN, mode="strong")
    done = restorer(gated).restore(astronaut, strong)
    assert done.faces[0].share is None
    without = restorer(model_with(None, tmp_path)).restore(astronaut, strong)
    assert np.array_equal(done.pixels, without.pixels)
    assert change(astronaut, gated, strong) > 20


@pytest.mark.parametrize(
    "spoil",
    [
        lambda values: values.pop("out"),
        lambda values: values["mean"].pop(),
        lambda values: values.update(out_bias=float("nan")),
        lambda values: values.update(spread=[0.0] * NUMBERS),
        lambda values: values.update(hidden="text"),
    ],
)
def test_a_gate_that_is_none_is_refused_in_words(spoil, tmp_path):
    values = json.loads(constant_gate(0.5).as_text())
    spoil(values)
    model = model_with(json.dumps(values), tmp_path)
    with pytest.raises(FidelityGateError, match=r"gated\.safetensors cannot be read; fetch"):
        read_fidelity_gate(model.path)


def test_the_embedded_model_leaves_sharp_faces_and_restores_blurred_ones(project, astronaut):
    model = find_model("gpen-mini-256", project / "models")
    (face,) = FaceDetector().detect(astronaut.pixels)
    crop = extract_crop(astronaut.pixels, crop_matrix(face.landmarks, model.size), model.size)
    grain = np.random.default_rng(0).normal(0, 5, (model.size, model.size, 1))
    good_print = np.clip(crop.mean(axis=2, keepdims=True) + grain + np.zeros(3), 0, 255)
    blurred = cv2.GaussianBlur(crop, (0, 0), 3)
    with open_engine(model, precision="exact") as engine:
        network = FaceNetwork(engine, model, None)
        faces = network.restore([crop, good_print.astype(np.uint8), blurred], "photo")
    shares = [share for _, _, share in faces]
    assert max(shares[:2]) < 0.35
    assert shares[2] > 0.95


def test_a_change_is_described_by_finite_numbers_whatever_the_face(astronaut):
    flat, noise = (
        np.full((64, 64, 3), 255, np.uint8),
        np.random.default_rng(1).integers(0, 256, (64, 64, 3)),
    )
    for crop in (flat, noise.astype(np.uint8)):
        for restored in (crop, flat, np.zeros_like(flat)):
            numbers = describe_change(crop, restored.astype(np.float32))
            assert numbers.shape == (NUMBERS,)
            assert np.isfinite(numbers).all()


@needs_extras
def test_a_gate_learns_which_changes_help():
    from gpen_webui.training.fidelity_gate import GateExample, fit_gate, mean_gain

    random = np.random.default_rng(2)
    helps, harms = np.linspace(0, 4, 5), np.linspace(0, -4, 5)
    numbers = random.normal(size=(500, NUMBERS))
    examples = [GateExample(each, helps if each[3] > 0 else harms) for each in numbers]
    gate = fit_gate(examples[:400])
    assert mean_gain(gate, examples[400:]) > 1.5
    assert gate.share_for(np.eye(NUMBERS)[3] * 2) > 0.95
    assert gate.share_for(np.eye(NUMBERS)[3] * -2) < 0.05


@needs_extras
def test_the_command_adds_a_gate_and_leaves_the_weights(project, tmp_path, capsys):
    folder = tmp_path / "faces"
    folder.mkdir()
    photo = cv2.imread(str(project / "tests" / "data" / "astronaut.jpg"))
    for number, left in enumerate((100, 130)):
        cv2.imwrite(str(folder / f"{number:04d}--part.png"), photo[:220, left : left + 220])
    model = make_tiny_model(tmp_path)
    output = tmp_path / "gated.safetensors"
    command = ["train", "gate", str(model.path), str(folder), "-o", str(output), "--count", "4"]
    assert main(command) == 0
    assert "(4 faces)" in capsys.readouterr().out
    with safe_open(model.path, "pt") as before, safe_open(output, "pt") as after:
        names = set(before.keys())
        assert names == set(after.keys())
        assert all(torch.equal(before.get_tensor(n), after.get_tensor(n)) for n in names)
    assert read_fidelity_gate(output) is not None
    assert read_fidelity_gate(model.path) is None
