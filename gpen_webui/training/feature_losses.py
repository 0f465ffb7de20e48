"""Terms that compare faces by what trained networks see in them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpen_webui.training.identity import FaceRecogniser
from gpen_webui.training.likely_person import person_to_ask_for
from gpen_webui.training.parts import Parts
from gpen_webui.training.perceptual import StLpips

PART = 96  # pixels; VGG on whole faces would cost more than all the rest of a step
# What is done to a face before the recogniser sees it: how far it is moved, in parts of its side,
# and resized, and at which resolutions, in parts of its own, it is shown.
MOVED, RESIZED, RESOLUTIONS = 0.02, 0.05, (1.0, 0.75, 0.5)


class PerceptualLoss(nn.Module):
    """ST-LPIPS of a part of each face."""

    def __init__(self, seed: int, *, compiled: bool = False):
        super().__init__()
        self._seed = seed
        self._trunk = StLpips("vgg").requires_grad_(False)
        self._features = torch.compile(self._trunk.features) if compiled else self._trunk.features

    def forward(self, results: Tensor, truths: Tensor, features: Tensor, step: int) -> Tensor:
        """(B,3,S,S) twice, (B,1,S,S) -> (). Which parts depends on seed and step.

        The root of the mean square over the faces: those that look worst pull hardest, and good
        photos, which have little to gain and much to lose, hardly at all.
        """
        rng = np.random.default_rng((self._seed, step, 1 << 20))
        parts = Parts(rng, features, PART)
        with torch.no_grad():
            wanted = self._features(parts.of(truths))
        distances = self._trunk.between(self._features(parts.of(results)), wanted)
        return distances.norm() / len(distances) ** 0.5


class IdentityLoss(nn.Module):
    """Distance to the person whom a face can still show, the mean over the batch.

    Half of the faces are mirrored, and all a little moved and resized, at different resolutions,
    before they are compared. Most of what the recogniser asks for holds for one view alone, and
    is not about the person: always shown the same view, it has one eye smudged.

    taught: the recogniser that tells whom; see likely_person.py.
    """

    def __init__(self, taught: FaceRecogniser, seed: int):
        super().__init__()
        self._recogniser = FaceRecogniser()
        self.taught = taught
        self._seed = seed

    def forward(self, results: Tensor, truths: Tensor, inputs: Tensor, step: int) -> Tensor:
        """(B,3,S,S) three times -> (). Which views depends on seed and step."""
        views = _Views(np.random.default_rng((self._seed, step, 1 << 22)), results)
        with torch.no_grad():
            truths, inputs = views.of(truths), views.of(inputs)
            seen, true = self._recogniser(inputs), self._recogniser(truths)
            wanted = person_to_ask_for(seen, true, self.taught(inputs))
        return (self._recogniser(views.of(results)) - wanted).norm(dim=1).mean()


class _Views:
    """How each face (B,3,S,S) is shown to the recogniser: result, truth and input alike."""

    def __init__(self, rng: np.random.Generator, faces: Tensor):
        count, size = len(faces), faces.shape[-1]
        self._side = int(size * rng.choice(RESOLUTIONS))
        scale = 1 + rng.normal(0, RESIZED, count)
        transforms = np.zeros((count, 2, 3))
        transforms[:, 0, 0] = scale * rng.choice((-1, 1), count)
        transforms[:, 1, 1] = scale
        transforms[:, :, 2] = 2 * rng.normal(0, MOVED, (count, 2))  # a face reaches from -1 to 1
        on_device = torch.from_numpy(transforms).float().to(faces.device)
        shape = [count, faces.shape[1], self._side, self._side]
        self._places = F.affine_grid(on_device, shape, align_corners=False)

    def of(self, faces: Tensor) -> Tensor:
        side = (self._side, self._side)
        shrunk = F.interpolate(faces.float(), side, mode="bilinear", antialias=True)
        return F.grid_sample(shrunk, self._places, padding_mode="border", align_corners=False)
