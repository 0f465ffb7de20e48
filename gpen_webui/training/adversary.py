"""The discriminator of the last stages: it learns to tell results from truths, and thereby
what texture is missing.

A StyleGAN2 discriminator in the generator's own widths. It judges pairs, a result beside its own
truth (the relativistic loss of Jolicoeur-Martineau, 2018): what only differs from face to face,
light or background, tells it nothing, and after dozens of steps it knows the truth of nearly every
pair. The gradient at truths and results is kept small, every few steps (R1 and R2, Mescheder et
al., 2018; Karras et al., 2020; pairs need both, Huang et al., 2024).

It is shown texture alone: of one part of each face, as whole ones of 256 pixels would cost four
times as much, the grey without what is constant over a few pixels. Of the rest, colours and
shading, other terms know the truth, and to it any difference is as good as another. How, and how
it is kept from learning faces by heart, is told in discriminator_views.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpen_webui.gpen.network import BiasedLeakyReLU, Blur, EqualConv, EqualLinear, NetworkConfig
from gpen_webui.training.discriminator_views import PART, Augmentation, Views
from gpen_webui.training.precision import Precision

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
        self.augmentation = Augmentation()
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
        loss = F.softplus(-self._margins(results, truths, self._views(features, step)))
        self._network.requires_grad_(True)
        return loss

    def learn(self, results: Tensor, truths: Tensor, features: Tensor, step: int) -> float:
        """One step of the discriminator; the results must be detached.

        Returns by how much it held the truths for truer before that.
        """
        views = self._views(features, step)
        margins = self._margins(results, truths, views)
        loss = F.softplus(margins).mean()
        if step % SLOPE_EVERY == 0:
            with torch.autocast(truths.device.type, enabled=False):
                for faces in (results, truths):
                    slope = self._slope(views.of(faces)[:SLOPE_FACES])
                    loss = loss + SLOPE_EVERY * SLOPE_WEIGHT / 2 * slope
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return -margins.mean().item()

    @torch.no_grad()
    def margin(self, results: Tensor, truths: Tensor, features: Tensor, step: int) -> float:
        """By how much it holds truths for truer than their results, in the mean."""
        return -self._margins(results, truths, self._views(features, step)).mean().item()

    def _margins(self, results: Tensor, truths: Tensor, views: Views) -> Tensor:
        """By how much it holds each result for truer than its truth, (B,)."""
        pairs = torch.cat((views.of(results), views.of(truths)))
        of_results, of_truths = self._network(pairs).chunk(2)
        return of_results - of_truths

    def _views(self, features: Tensor, step: int) -> Views:
        """The same views of results and truths."""
        rng = np.random.default_rng((self._seed, step, 1 << 21))
        return Views(rng, features, self.augmentation.share)

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "augmented": self.augmentation.share,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.augmentation.share = state["augmented"]

    def _slope(self, textures: Tensor) -> Tensor:
        textures = textures.detach().requires_grad_()
        rating = self._network(textures).sum()
        (gradient,) = torch.autograd.grad(rating, textures, create_graph=True)
        return gradient.square().sum(dim=(1, 2, 3)).mean()
