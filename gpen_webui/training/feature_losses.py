"""Terms that compare faces by what trained networks see in them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from gpen_webui.training.identity import FaceRecogniser
from gpen_webui.training.parts import Parts
from gpen_webui.training.perceptual import StLpips

PART = 96  # pixels; VGG on whole faces would cost more than all the rest of a step


class PerceptualLoss(nn.Module):
    """ST-LPIPS of a part of each face, most often around eyes and mouth."""

    def __init__(self, seed: int):
        super().__init__()
        self._seed = seed
        self._trunk = StLpips("vgg").requires_grad_(False)

    def forward(self, results: Tensor, truths: Tensor, step: int) -> Tensor:
        """(B,3,S,S) twice -> (). Which parts depends on seed and step.

        The root of the mean square over the faces: those that look worst pull hardest, and good
        photos, which have little to gain and much to lose, hardly at all.
        """
        rng = np.random.default_rng((self._seed, step, 1 << 20))
        parts = Parts(rng, results.shape, PART)
        with torch.no_grad():
            wanted = self._trunk.features(parts.of(truths))
        distances = self._trunk.between(self._trunk.features(parts.of(results)), wanted)
        return distances.norm() / len(distances) ** 0.5


class IdentityLoss(nn.Module):
    """Distance to the true person, the mean over the batch."""

    def __init__(self, seed: int):
        super().__init__()
        self._recogniser = FaceRecogniser().requires_grad_(False)

    def forward(self, results: Tensor, truths: Tensor, step: int) -> Tensor:
        """(B,3,S,S) twice -> (); the same at every step, whatever the seed."""
        with torch.no_grad():
            wanted = self._recogniser(truths)
        return (self._recogniser(results) - wanted).norm(dim=1).mean()
