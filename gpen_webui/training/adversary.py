"""The discriminator of the last stages: it learns to tell results from truths, and thereby
what texture is missing.

A StyleGAN2 discriminator in the generator's own widths. It judges pairs, a result beside its own
truth (the relativistic loss of Jolicoeur-Martineau, 2018): what only differs from face to face,
light or background, tells it nothing, and after dozens of steps it knows the truth of nearly every
pair. The gradient at truths and results is kept small, every few steps (R1 and R2, Mescheder et
al., 2018; Karras et al., 2020; pairs need both, Huang et al., 2024).

It is shown texture alone: of one part of each face, as whole ones of 256 pixels would cost four
times as much, the grey without what is constant over a few pixels. Of the rest, colours and
shading, other terms know the truth, and to it any difference is as good as another.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpen_webui.gpen.network import BiasedLeakyReLU, Blur, EqualConv, EqualLinear, NetworkConfig
from gpen_webui.training.parts import Parts
from gpen_webui.training.precision import Precision

PART = 128  # pixels
TEXTURE_REACH = 8  # pixels
LEARNING_RATE = 2e-3
BETAS = (0.0, 0.99)
SLOPE_WEIGHT, SLOPE_EVERY = 1.0, 16
SLOPE_FACES = 4  # of the batch; the second derivative costs memory


class Discriminator(nn.Module):
    """Textures (B,1,S,S) -> (B,): higher for the true one of a pair."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width = config.channels(config.size)
        layers: list[nn.Module] = [EqualConv(1, width, 1, stride=1, padding=0)]
        layers.append(BiasedLeakyReLU(width))
        resolution = config.size
        while resolution > 4:
            wider = config.channels(resolution // 2)
            layers += [
                EqualConv(width, width, 3, stride=1, padding=1),
                BiasedLeakyReLU(width),
                Blur(pad=(2, 2)),
                EqualConv(width, wider, 3, stride=2, padding=0),
                BiasedLeakyReLU(wider),
            ]
            resolution, width = resolution // 2, wider
        self.layers = nn.Sequential(*layers)
        self.last = nn.Sequential(
            EqualLinear(width * 16, width, activate=True), EqualLinear(width, 1)
        )

    def forward(self, textures: Tensor) -> Tensor:
        return self.last(self.layers(textures).flatten(1)).squeeze(1)


class Adversary:
    """The discriminator and its optimizer."""

    def __init__(
        self, config: NetworkConfig, seed: int, device: torch.device, precision: Precision
    ):
        torch.manual_seed(seed)
        self._seed = seed
        network = Discriminator(replace(config, size=min(config.size, PART)))
        self._network = precision.placed(network, device)
        self._optimizer = torch.optim.Adam(
            self._network.parameters(), lr=LEARNING_RATE, betas=BETAS
        )

    def generator_loss(
        self, results: Tensor, truths: Tensor, features: Tensor, step: int
    ) -> Tensor:
        """Low where results (B,3,S,S) look truer to it than their truths; (B,)."""
        self._network.requires_grad_(False)
        loss = F.softplus(-self._margins(results, truths, self._parts(features, step)))
        self._network.requires_grad_(True)
        return loss

    def learn(self, results: Tensor, truths: Tensor, features: Tensor, step: int) -> None:
        """One step of the discriminator; the results must be detached."""
        parts = self._parts(features, step)
        loss = F.softplus(self._margins(results, truths, parts)).mean()
        if step % SLOPE_EVERY == 0:
            with torch.autocast(truths.device.type, enabled=False):
                for faces in (results, truths):
                    slope = self._slope(_textures(faces, parts)[:SLOPE_FACES])
                    loss = loss + SLOPE_EVERY * SLOPE_WEIGHT / 2 * slope
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()

    def _margins(self, results: Tensor, truths: Tensor, parts: Parts) -> Tensor:
        """By how much it holds each result for truer than its truth, (B,)."""
        pairs = torch.cat((_textures(results, parts), _textures(truths, parts)))
        of_results, of_truths = self._network(pairs).chunk(2)
        return of_results - of_truths

    def _parts(self, features: Tensor, step: int) -> Parts:
        """The same parts of results and truths."""
        return Parts(np.random.default_rng((self._seed, step, 1 << 21)), features, PART)

    def state_dict(self) -> dict[str, Any]:
        return {"network": self._network.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _slope(self, textures: Tensor) -> Tensor:
        textures = textures.detach().requires_grad_()
        verdict = self._network(textures).sum()
        (gradient,) = torch.autograd.grad(verdict, textures, create_graph=True)
        return gradient.square().sum(dim=(1, 2, 3)).mean()


def _textures(faces: Tensor, parts: Parts) -> Tensor:
    """The texture of a part of each face, (B,1,P,P)."""
    grey = parts.of(faces).float().mean(dim=1, keepdim=True)
    side, reach = 2 * TEXTURE_REACH + 1, TEXTURE_REACH
    return grey - F.avg_pool2d(grey, side, 1, reach, count_include_pad=False)
