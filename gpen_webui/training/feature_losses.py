"""Terms that compare faces by what trained networks see in them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from gpen_webui.training.identity import FaceRecogniser
from gpen_webui.training.likely_person import person_to_ask_for
from gpen_webui.training.parts import Parts
from gpen_webui.training.perceptual import StLpips

PART = 96  # pixels; VGG on whole faces would cost more than all the rest of a step


class PerceptualLoss(nn.Module):
    """ST-LPIPS of a part of each face."""

    def __init__(self, seed: int, *, compiled: bool = False):
        super().__init__()
        self._seed = seed
        self._trunk = StLpips("vgg").requires_grad_(False)
        self._features = torch.compile(self._trunk.features) if compiled else self._trunk.features

    def forward(self, results: Tensor, truths: Tensor, step: int) -> Tensor:
        """(B,3,S,S) twice -> (). Which parts depends on seed and step.

        The root of the mean square over the faces: those that look worst pull hardest, and good
        photos, which have little to gain and much to lose, hardly at all.
        """
        rng = np.random.default_rng((self._seed, step, 1 << 20))
        parts = Parts(rng, results.shape, PART)
        with torch.no_grad():
            wanted = self._features(parts.of(truths))
        distances = self._trunk.between(self._features(parts.of(results)), wanted)
        return distances.norm() / len(distances) ** 0.5


class IdentityLoss(nn.Module):
    """Distance to the person whom a face can still show, the mean over the batch.

    taught: the recogniser that tells whom; see likely_person.py.
    """

    def __init__(self, taught: FaceRecogniser):
        super().__init__()
        self._recogniser = FaceRecogniser()
        self.taught = taught

    def forward(self, results: Tensor, truths: Tensor, inputs: Tensor) -> Tensor:
        """(B,3,S,S) three times -> ()."""
        with torch.no_grad():
            seen, true = self._recogniser(inputs), self._recogniser(truths)
            wanted = person_to_ask_for(seen, true, self.taught(inputs))
        return (self._recogniser(results) - wanted).norm(dim=1).mean()
