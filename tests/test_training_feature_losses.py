"""What the recogniser's term asks of a restored face."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gpen_webui.training.faces import to_tensor
from gpen_webui.training.feature_losses import IdentityLoss
from gpen_webui.training.identity import FaceRecogniser
from tests.extras import needs_extras
from tests.server import ASTRONAUT

pytestmark = needs_extras


@pytest.fixture(scope="module")
def loss() -> IdentityLoss:
    return IdentityLoss(FaceRecogniser(), seed=1)


@pytest.fixture(scope="module")
def truths() -> torch.Tensor:
    """Four times the same face, (4,3,160,160)."""
    picture = cv2.cvtColor(cv2.imread(str(ASTRONAUT)), cv2.COLOR_BGR2RGB)
    return to_tensor(np.stack(4 * [cv2.resize(picture[20:240, 110:330], (160, 160))]))


def test_nothing_is_asked_of_the_true_face_and_more_of_a_blurred_one(loss, truths):
    blurred = F.avg_pool2d(truths, 9, 1, 4)
    assert loss(truths, truths, truths, step=0) < 1e-3
    assert loss(blurred, truths, truths, step=0) > 0.05


def test_a_face_and_its_mirror_image_are_asked_for_the_same_in_the_mean(loss, truths):
    symmetric = (truths + truths.flip(3)) / 2
    results = F.avg_pool2d(symmetric, 7, 1, 3).requires_grad_()
    for step in range(12):
        loss(results, symmetric, symmetric, step).backward()
    asked = results.grad.mean(dim=0)
    alike = F.cosine_similarity(asked.flatten(), asked.flip(2).flatten(), dim=0)
    assert alike > 0.7
