"""`train evaluate` and its judges: sane numbers, known answers, the product's own engine."""

import json

import cv2
import numpy as np
import pytest
import torch

from gpen_webui.cli import main
from gpen_webui.training.classical import CLASSICAL, tuned
from gpen_webui.training.degrade import LEVELS
from gpen_webui.training.evaluate import Evaluator
from gpen_webui.training.faces import open_sets, read_face, to_tensor
from gpen_webui.training.identity import FaceRecogniser
from gpen_webui.training.perceptual import StLpips
from gpen_webui.training.validate import degraded, psnr
from tests.extras import needs_extras
from tests.tiny_gpen import make_tiny_model

pytestmark = needs_extras


@pytest.fixture(scope="module")
def faces(tmp_path_factory, project):
    """Parts of a real photo, as faces of two people."""
    folder = tmp_path_factory.mktemp("faces")
    photo = cv2.imread(str(project / "tests" / "data" / "astronaut.jpg"))
    for number, left in enumerate((100, 130)):
        cv2.imwrite(str(folder / f"{number:04d}--part-1.png"), photo[:220, left : left + 220])
    return folder


@pytest.fixture(scope="module")
def evaluator(faces) -> Evaluator:
    return Evaluator(*open_sets([faces]), 64, 4)


def test_giving_back_the_input_scores_one_in_every_ratio(evaluator):
    rows = evaluator.evaluate("nothing", lambda inputs: inputs.clone()).rows
    assert [row.level for row in rows] == list(LEVELS)
    for row in rows:
        assert row.psnr_in == pytest.approx(row.psnr_out)
        assert (row.alex, row.vgg, row.identity) == pytest.approx((1, 1, 1))
        assert row.colour_shift == 0
    assert rows[0].psnr_in > rows[1].psnr_in > rows[2].psnr_in


def test_giving_back_the_truth_scores_zero_and_worse_pictures_score_above_one(faces, evaluator):
    (held_out,) = (some.held_out for some in open_sets([faces]))
    truths = degraded(held_out, "mild", 64)[1]
    row = evaluator.evaluate("truth", lambda inputs: truths).rows[1]
    assert (row.alex, row.vgg, row.identity) == pytest.approx((0, 0, 0), abs=1e-4)
    assert row.psnr_out > 90
    darker = evaluator.evaluate("darker", lambda inputs: inputs * 0.5 - 0.5).rows[1]
    assert min(darker.alex, darker.vgg) > 1
    assert darker.psnr_out < darker.psnr_in
    assert darker.colour_shift > 10


def test_a_model_that_keeps_its_input_leaves_untouched_faces_and_gains_nothing_twice(evaluator):
    kept = evaluator.evaluate("nothing", lambda inputs: inputs.clone()).untouched
    assert kept.psnr > 90
    assert kept.identity < 1e-3
    assert kept.second_pass == pytest.approx(0, abs=0.01)
    darker = evaluator.evaluate("darker", lambda inputs: inputs * 0.8 - 0.2)
    assert darker.untouched.psnr < 30
    assert darker.untouched.second_pass < -1
    assert "Untouched faces" in darker.table()


def test_a_face_gets_the_same_damage_each_time(faces):
    files = sorted(faces.iterdir())
    assert torch.equal(degraded(files, "heavy", 64)[0], degraded(files, "heavy", 64)[0])


def test_the_command_measures_a_model_and_writes_table_and_sheet(faces, tmp_path, capsys):
    model = make_tiny_model(tmp_path)
    out = tmp_path / "report"
    assert main(["train", "evaluate", str(model.path), str(faces), "-o", str(out)]) == 0
    assert "| medium |" in capsys.readouterr().out
    (report,) = json.loads((out / f"{model.path.stem}.json").read_text())
    assert [row["level"] for row in report["rows"]] == list(LEVELS)
    assert report["seconds"] > 0
    sheet = cv2.imread(str(out / f"{model.path.stem}-{faces.name}.png"))
    assert sheet.shape == (64 * report["faces"], 64 * 7, 3)


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_tuned_filter_is_not_worse_than_the_inputs_it_was_tuned_on(faces, name):
    inputs, truths = degraded(sorted(faces.iterdir()), "medium", 64)
    result = tuned(name, inputs, truths)(inputs)
    assert result.shape == inputs.shape
    assert psnr(result, truths).mean() > psnr(inputs, truths).mean() - 0.3


@pytest.mark.parametrize("trunk", ["alex", "vgg"])
def test_perceptual_distance_is_zero_for_equals_and_grows_with_blur(faces, trunk):
    judge = StLpips(trunk)
    face = read_face(sorted(faces.iterdir())[0], 96)
    blurred = [cv2.GaussianBlur(face, (0, 0), sigma) for sigma in (1, 2, 4)]
    with torch.inference_mode():
        distances = judge(to_tensor(np.stack([face] * 4)), to_tensor(np.stack([face, *blurred])))
    assert distances[0] == 0
    assert list(distances) == sorted(distances)
    assert 0.02 < distances[3] < 2


def test_the_recogniser_tells_people_apart_and_a_person_from_blur(shared):
    files = [shared / "faces" / f"{name}.jpg" for name in ("A000358", "B001278", "C001037")]
    if not files[0].exists():
        pytest.skip("needs the faces beside the checkout")
    faces = np.stack([read_face(file, 256) for file in files])
    blurred = np.stack([cv2.GaussianBlur(face, (0, 0), 1.5) for face in faces])
    with torch.inference_mode():
        recognise = FaceRecogniser()
        true, soft = recognise(to_tensor(faces)), recognise(to_tensor(blurred))
    assert true.norm(dim=1).mean() == pytest.approx(1.4, abs=0.1)
    same = (true - soft).norm(dim=1)
    others = torch.pdist(true)
    assert same.max() < 0.5 < 0.6 < others.min()


def test_psnr_of_a_known_error():
    truth = torch.zeros(1, 3, 8, 8)
    assert psnr(truth + 0.02, truth).item() == pytest.approx(40, abs=0.01)
    assert psnr(truth, truth).item() == pytest.approx(99)
