"""`train run`: end to end on drawn faces, exact resume, growing, held-out people."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing

import cv2
import numpy as np
import pytest
import torch

from gpen_webui.cli import main
from gpen_webui.gpen.checkpoint import load_checkpoint, load_network, save_checkpoint
from gpen_webui.gpen.network import GPEN, NetworkConfig
from gpen_webui.training import likely_person
from gpen_webui.training.adversary import Adversary
from gpen_webui.training.faces import FacesError, balanced, list_faces, open_sets
from gpen_webui.training.grow import InitError, new_network
from gpen_webui.training.precision import Precision
from gpen_webui.training.run import DivergedError
from gpen_webui.training.run_folder import RunFolderError
from gpen_webui.training.samples import SampleMaker, Samples
from gpen_webui.training.stages import STAGES, stage_at
from gpen_webui.training.train import Training, TrainingOptions
from tests.extras import needs_extras
from tests.waiting import wait_for

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def short_teaching(monkeypatch):
    """The face recogniser learns for minutes otherwise."""
    monkeypatch.setattr(likely_person, "STEPS", 3)
    monkeypatch.setattr(likely_person, "BATCH", 2)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Eight drawn faces of eight people."""
    folder = tmp_path_factory.mktemp("faces")
    for number in range(8):
        cv2.imwrite(str(folder / f"{number:04d}--drawn-1.png"), drawn_face(number))
    return folder


def drawn_face(number: int) -> np.ndarray:
    random = np.random.default_rng(number)
    picture = np.full((80, 80, 3), random.integers(60, 200, 3).tolist(), np.uint8)
    cv2.ellipse(picture, (40, 42), (22, 30), 0, 0, 360, random.integers(120, 230, 3).tolist(), -1)
    for x in (32, 47):
        cv2.circle(picture, (x, 38), 3, (40, 40, 40), -1)
    cv2.ellipse(picture, (40, 56), (8, 3), 0, 0, 180, (60, 60, 160), 2)
    return picture


def options(faces, output, **changes) -> TrainingOptions:
    small = {"size": 64, "narrow": 0.03125, "batch": 2, "steps": 6, "device": "cpu", "threads": 1}
    sets = faces if isinstance(faces, tuple) else (faces,)
    return TrainingOptions(sets, output, **{**small, **changes})


def state_of(folder) -> dict:
    return torch.load(folder / "state.pt", weights_only=True)


def tensors_in(value) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    children = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    )
    return list(itertools.chain.from_iterable(map(tensors_in, children)))


@needs_extras
@pytest.mark.parametrize("stage", ["identity", pytest.param("texture", marks=pytest.mark.slow)])
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(
    faces, tmp_path, monkeypatch, stage
):
    Training(options(faces, tmp_path / "whole", stage=stage, steps=3)).run()
    interrupted = Training(options(faces, tmp_path / "parts", stage=stage, steps=3))
    batch = interrupted.samples.batch

    def stop_in_the_second(step: int):
        if step == 1:
            signal.raise_signal(signal.SIGTERM)
        return batch(step)

    monkeypatch.setattr(interrupted.samples, "batch", stop_in_the_second)
    interrupted.run()
    assert state_of(tmp_path / "parts")["step"] == 2
    Training(options(faces, tmp_path / "parts", stage=stage, steps=3)).run()
    whole, parts = state_of(tmp_path / "whole"), state_of(tmp_path / "parts")
    assert whole["step"] == parts["step"] == 3
    assert len(tensors_in(whole)) == len(tensors_in(parts)) > 100
    for a, b in zip(tensors_in(whole), tensors_in(parts), strict=True):
        assert torch.equal(a, b)


@needs_extras
def test_the_command_trains_logs_draws_and_leaves_weights_that_load(faces, tmp_path, monkeypatch):
    monkeypatch.setattr("gpen_webui.training.run.VALIDATE_STEPS", 2)
    small = "--size 64 --narrow 0.03125 --batch 2 --steps 4 --device cpu --threads 1".split()
    assert main(["train", "run", str(faces), "-o", str(tmp_path / "run"), *small]) == 0
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    checks = [entry for entry in map(json.loads, lines) if "sets" in entry]
    assert [check["step"] for check in checks] == [2, 4]
    assert set(checks[0]["sets"][faces.name]) == {"mild", "medium", "heavy", "untouched"}
    sheet = cv2.imread(str(tmp_path / "run" / "samples" / "step-0000004.png"))
    assert sheet.shape == (64, 7 * 64, 3)
    assert (tmp_path / "run" / "metrics.png").stat().st_size > 1000
    for name in ("best", "last"):
        assert load_network(tmp_path / "run" / f"{name}.safetensors").config.size == 64


@needs_extras
def test_a_killed_training_that_is_asked_to_stop_keeps_its_state(faces, tmp_path, project):
    reporting = (
        "import sys; from gpen_webui.cli import main; from gpen_webui.training import run; "
        "run.REPORT_SECONDS = -1; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", reporting, "train", "run", faces, "-o", tmp_path / "run"]
    small = "--size 64 --narrow 0.03125 --batch 2 --steps 100000 --device cpu --threads 1".split()
    process = subprocess.Popen([*command, *small], cwd=project, stderr=subprocess.PIPE, text=True)
    try:
        # The log begins with the second step.
        wait_for((tmp_path / "run" / "metrics.jsonl").exists, patience=120)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
    assert state_of(tmp_path / "run")["step"] > 0


@needs_extras
@pytest.mark.slow
def test_a_training_stops_at_once_while_the_recogniser_is_taught_and_teaches_anew_later(
    faces, tmp_path, monkeypatch
):
    asked = options(faces, tmp_path / "run", steps=2, stage="identity")
    with monkeypatch.context() as endless:
        endless.setattr(likely_person, "STEPS", 10**6)
        batch, batches = Samples.batch, []

        def stop_in_the_third_of_the_lesson(samples: Samples, step: int):
            batches.append(step)
            if batches == [0, 0, 1, 2]:  # the training's, then those of the lesson
                signal.raise_signal(signal.SIGTERM)
            return batch(samples, step)

        endless.setattr(Samples, "batch", stop_in_the_third_of_the_lesson)
        Training(asked).run()
        assert batches == [0, 0, 1, 2]
    assert state_of(tmp_path / "run")["step"] == 0
    Training(asked).run()
    state = state_of(tmp_path / "run")
    assert state["step"] == 2
    assert state["taught"]


@needs_extras
def test_training_makes_the_network_better_at_what_it_is_asked(faces, tmp_path, monkeypatch):
    monkeypatch.setattr("gpen_webui.training.run.REPORT_SECONDS", -1)  # each step is logged
    Training(options(faces, tmp_path / "run", steps=40, stage="fidelity", batch=4)).run()
    entries = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    losses = [entry["loss"]["pixels"] for entry in entries if "loss" in entry]
    assert len(losses) > 30
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:5])


@needs_extras
def test_what_was_logged_after_the_last_saved_step_is_forgotten(faces, tmp_path):
    Training(options(faces, tmp_path / "run", steps=2)).run()
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_text(json.dumps({"step": 1}) + "\n" + json.dumps({"step": 9}) + "\n")
    Training(options(faces, tmp_path / "run", steps=2))
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [1]


@needs_extras
def test_a_training_that_diverges_says_so_and_keeps_the_last_good_state(faces, tmp_path):
    Training(options(faces, tmp_path / "run", steps=2)).run()
    training = Training(options(faces, tmp_path / "run", steps=9))
    next(training.network.parameters()).data.fill_(float("nan"))
    with pytest.raises(DivergedError, match="lower --learning-rate"):
        training.run()
    assert state_of(tmp_path / "run")["step"] == 2
    assert all(torch.isfinite(t).all() for t in tensors_in(state_of(tmp_path / "run")))


@needs_extras
def test_a_run_folder_of_another_network_is_refused(faces, tmp_path):
    Training(options(faces, tmp_path / "run", steps=1)).run()
    with pytest.raises(RunFolderError, match="another network shape"):
        Training(options(faces, tmp_path / "run", steps=1, size=32))


@needs_extras
@pytest.mark.parametrize(
    ("part", "older"),
    [
        ("optimizer", {"state": {}, "param_groups": []}),
        ("adversary", {"network": {"last.0.weight": torch.zeros(1)}, "optimizer": {}}),
    ],
)
def test_a_run_of_an_older_version_is_refused_with_the_way_to_go_on(faces, tmp_path, part, older):
    Training(options(faces, tmp_path / "run", steps=1)).run()
    state = state_of(tmp_path / "run")
    state[part] = older
    torch.save(state, tmp_path / "run" / "state.pt")
    with pytest.raises(RunFolderError, match=r"--init .*last\.safetensors"):
        Training(options(faces, tmp_path / "run", steps=2))


def test_samples_depend_on_the_step_alone_and_every_face_comes_once_per_round(faces):
    files = sorted(faces.iterdir())
    one, other = (Samples(files, 32, 4, seed=5) for _ in range(2))
    one.batch(0)
    assert torch.equal(one.batch(1)[0], other.batch(1)[0])
    assert not torch.equal(one.batch(2)[0], one.batch(1)[0])
    one.close()
    other.close()
    maker = SampleMaker(files, 32, 4, seed=5)
    seen = [maker.number_at(step, place) for step in (0, 1) for place in range(4)]
    assert len(set(seen)) == 8


def test_samples_are_the_same_whatever_process_makes_them(faces):
    files = sorted(faces.iterdir())
    with closing(Samples(files, 32, 4, seed=5)) as one, closing(Samples(files, 32, 4, 5, 2)) as two:
        for step in (3, 4, 9):
            for a, b in zip(one.batch(step), two.batch(step), strict=True):
                assert torch.equal(a, b)


def test_nobody_is_both_trained_on_and_held_out(tmp_path):
    for person, photo in itertools.product(range(60), range(2)):
        (tmp_path / f"{person:04d}--photo-{photo}.jpg").touch()
    training, held_out = list_faces(tmp_path)
    people = [{file.name.split("--")[0] for file in files} for files in (training, held_out)]
    assert not people[0] & people[1]
    assert len(people[0] | people[1]) == 60
    assert 0 < len(people[1]) < 20


def test_an_empty_or_missing_folder_of_faces_is_explained(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FacesError, match="train prepare"):
            list_faces(folder)


def test_a_grown_network_begins_with_every_layer_of_the_smaller_one_that_fits(tmp_path):
    small = GPEN(NetworkConfig(32, 1, 0.0625))
    save_checkpoint(tmp_path / "small.safetensors", small.state_dict())
    grown = new_network(NetworkConfig(64, 1, 0.0625), 0, tmp_path / "small.safetensors")
    state, old = grown.state_dict(), small.state_dict()
    assert torch.equal(state["ecd2.0.1.weight"], old["ecd1.0.1.weight"])
    assert torch.equal(state["generator.convs.0.conv.weight"], old["generator.convs.0.conv.weight"])
    assert torch.equal(state["final_linear.0.weight"], old["final_linear.0.weight"])


def test_an_initial_checkpoint_of_the_same_shape_is_taken_whole(project):
    file = project / "models" / "gpen-mini-256.safetensors"
    config, state = load_checkpoint(file)
    network = new_network(config, 0, file).state_dict()
    assert all(torch.equal(network[name], tensor) for name, tensor in state.items())


def test_an_initial_checkpoint_that_cannot_fit_is_refused(project):
    file = project / "models" / "gpen-mini-256.safetensors"
    with pytest.raises(InitError, match="--size 256"):
        new_network(NetworkConfig(128, 1, 0.25), 0, file)


def test_a_network_of_another_width_begins_by_drawing_what_the_old_one_draws(tmp_path):
    narrow, wide = NetworkConfig(64, 1, 0.0625), NetworkConfig(64, 2, 0.125)
    network = new_network(narrow, 0, None)
    save_checkpoint(tmp_path / "narrow.safetensors", network.state_dict())
    wider = new_network(wide, 1, tmp_path / "narrow.safetensors")
    save_checkpoint(tmp_path / "wide.safetensors", wider.state_dict())
    # The channels that nothing listens to yet are the ones that a narrower network leaves out.
    narrower = new_network(narrow, 2, tmp_path / "wide.safetensors")
    faces = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        expected = network(faces)
        for other in (wider, narrower):
            assert (other(faces) - expected).abs().max() < 0.01 * expected.std()


def test_the_discriminator_learns_to_tell_results_from_truths():
    torch.manual_seed(0)
    adversary = Adversary(NetworkConfig(32, 1, 0.0625), 0, CPU, Precision.best_for(CPU))
    truths = torch.randn(4, 3, 32, 32).clamp(-1, 1)
    results = torch.nn.functional.avg_pool2d(truths, 5, 1, 2)
    features = torch.zeros(4, 1, 32, 32)
    before = adversary.generator_loss(results, truths, features, 0)
    for step in range(40):
        adversary.learn(results, truths, features, step)
    after = adversary.generator_loss(results, truths, features, 0)
    assert before.shape == (4,)
    assert after.mean() > before.mean() + 0.5
    assert adversary.generator_loss(truths, results, features, 0).mean() < before.mean()


def test_the_stages_come_in_turn_and_fill_the_whole_training():
    assert sum(stage.share for stage in STAGES.values()) == pytest.approx(1)
    order = [stage_at(progress) for progress in np.linspace(0, 1, 101)]
    assert [name for name, _ in itertools.groupby(order)] == list(STAGES)


def test_a_folder_can_say_who_is_held_out(tmp_path):
    for person, photo in itertools.product(range(6), range(2)):
        (tmp_path / f"{person:04d}--photo-{photo}.jpg").touch()
    (tmp_path / "held-out.txt").write_text("0002\n0005\nsomebody-else\n")
    training, held_out = list_faces(tmp_path)
    assert {file.name[:4] for file in held_out} == {"0002", "0005"}
    assert {file.name[:4] for file in training} == {"0000", "0001", "0003", "0004"}


def test_a_small_set_comes_more_often_than_its_size_and_a_large_one_still_most(tmp_path):
    for name, people in (("many", 90), ("few", 10)):
        (tmp_path / name).mkdir()
        for person in range(people):
            (tmp_path / name / f"{person:04d}.jpg").touch()
        (tmp_path / name / "held-out.txt").write_text("0000\n")
    files = balanced(open_sets([tmp_path / "many", tmp_path / "few"]))
    few = [file for file in files if file.parent.name == "few"]
    assert len(few) == 9 * 3
    assert len(files) - len(few) == 89
    assert "0000" not in {file.stem for file in files}


def test_sets_that_cannot_be_told_apart_or_hold_nobody_out_are_explained(tmp_path):
    for name in ("a/faces", "b/faces", "alone"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "0001--x.jpg").touch()
        (tmp_path / name / "0002--x.jpg").touch()
    with pytest.raises(FacesError, match="named faces; rename"):
        open_sets([tmp_path / "a" / "faces", tmp_path / "b" / "faces"])
    (tmp_path / "alone" / "0002--x.jpg").unlink()
    with pytest.raises(FacesError, match="too few people"):
        open_sets([tmp_path / "alone"])


@needs_extras
def test_each_set_is_validated_by_itself(faces, tmp_path, monkeypatch):
    monkeypatch.setattr("gpen_webui.training.run.VALIDATE_STEPS", 1)
    other = tmp_path / "other"
    shutil.copytree(faces, other)
    both = options((faces, other), tmp_path / "run", steps=1)
    Training(both).run()
    entries = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    (check,) = [entry for entry in entries if "sets" in entry]
    assert check["sets"][faces.name] == check["sets"]["other"]
    sheet = cv2.imread(str(tmp_path / "run" / "samples" / "step-0000001.png"))
    assert sheet.shape == (2 * 64, 7 * 64, 3)


@needs_extras
def test_one_face_in_eight_is_given_as_the_network_restored_it_and_the_others_as_they_are(
    faces, tmp_path
):
    training = Training(options(faces, tmp_path / "run", batch=8, steps=1, stage="fidelity"))
    inputs = training.samples.batch(0).inputs
    with torch.no_grad():
        restored = training.ema(inputs[:1]).clamp(-1, 1)
    seen: list[torch.Tensor] = []
    training.network.register_forward_pre_hook(lambda network, given: seen.append(given[0]))
    training.run()
    (given,) = seen
    assert torch.equal(given[1:], inputs[1:])
    assert torch.allclose(given[:1], restored, atol=1e-5)
    assert not given.requires_grad
