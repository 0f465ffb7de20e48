"""Terms that compare faces by what trained networks see in them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from gpen_webui.training.identity import FaceRecogniser
from gpen_webui.training.perceptual import StLpips

PART = 96  # pixels; VGG on whole faces would cost more than all the rest of a step
FACES_PER_BATCH = 4  # that the perceptual term looks at
FACE_CENTRE, FACE_SPREAD = (0.56, 0.5), 0.23  # row and column, in parts of the crop


class PerceptualLoss(nn.Module):
    """ST-LPIPS of some of the batch's faces, each in a part around eyes and mouth."""

    def __init__(self, seed: int):
        super().__init__()
        self._seed = seed
        self._trunk = StLpips("vgg").requires_grad_(False)

    def forward(self, results: Tensor, truths: Tensor, step: int) -> Tensor:
        """(B,3,S,S) twice -> (). Which faces and which parts depends on seed and step."""
        rng = np.random.default_rng((self._seed, step, 1 << 20))
        faces = rng.permutation(len(results))[:FACES_PER_BATCH]
        boxes = [(face, *self._place(results.shape[-1], rng)) for face in faces]
        part = min(PART, results.shape[-1])
        a, b = (
            torch.stack([x[f, :, top : top + part, left : left + part] for f, top, left in boxes])
            for x in (results, truths)
        )
        with torch.no_grad():
            wanted = self._trunk.features(b)
        return self._trunk.between(self._trunk.features(a), wanted).mean()

    def _place(self, size: int, rng: np.random.Generator) -> tuple[int, int]:
        """Top and left of a part, most often in the middle of the face."""
        room = max(0, size - PART)
        centre = (np.array(FACE_CENTRE) + rng.normal(0, FACE_SPREAD, 2)) * size
        top, left = np.clip(np.rint(centre - PART / 2), 0, room).astype(int)
        return int(top), int(left)


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
