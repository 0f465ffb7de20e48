"""The discriminator of the last stage: it learns to tell results from truths, and thereby
what texture is missing.

A StyleGAN2 discriminator in the generator's own widths, with R1 (Mescheder et al., 2018): the
gradient at true faces is kept small, every few steps (Karras et al., 2020). It sees one part of
each face: texture is local, and whole faces of 256 pixels would cost four times as much.
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
LEARNING_RATE = 2e-3
BETAS = (0.0, 0.99)
R1_WEIGHT, R1_EVERY = 1.0, 16
R1_FACES = 4  # of the batch; the second derivative costs memory


class Discriminator(nn.Module):
    """Faces (B,3,S,S) in [-1,1] -> (B,): high for true ones."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width = config.channels(config.size)
        layers: list[nn.Module] = [EqualConv(3, width, 1, stride=1, padding=0)]
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
            EqualLinear((width + 1) * 16, width, activate=True), EqualLinear(width, 1)
        )

    def forward(self, faces: Tensor) -> Tensor:
        x = self.layers(faces)
        # How much the batch varies, as one more channel: a generator that always draws the
        # same is found out.
        spread = (x.float().var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
        x = torch.cat((x, spread.to(x.dtype).expand(len(x), 1, 4, 4)), dim=1)
        return self.last(x.flatten(1)).squeeze(1)


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

    def generator_loss(self, results: Tensor, step: int) -> Tensor:
        """Low where the discriminator takes the results (B,3,S,S) for true faces; (B,)."""
        return F.softplus(-self._network(self._parts(results, step)))

    def learn(self, results: Tensor, truths: Tensor, step: int) -> None:
        """One step of the discriminator; the results must be detached."""
        results, truths = self._parts(results, step), self._parts(truths, step)
        loss = F.softplus(self._network(results)) + F.softplus(-self._network(truths))
        loss = loss.mean()
        if step % R1_EVERY == 0:
            with torch.autocast(truths.device.type, enabled=False):
                loss = loss + R1_EVERY * R1_WEIGHT / 2 * self._r1(truths[:R1_FACES])
        # The generator's loss has left gradients here as well.
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()

    def _parts(self, faces: Tensor, step: int) -> Tensor:
        """A part of each face, the same of results and truths."""
        rng = np.random.default_rng((self._seed, step, 1 << 21))
        return Parts(rng, faces.shape, PART).of(faces)

    def state_dict(self) -> dict[str, Any]:
        return {"network": self._network.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _r1(self, truths: Tensor) -> Tensor:
        truths = truths.detach().requires_grad_()
        verdict = self._network(truths).sum()
        (gradient,) = torch.autograd.grad(verdict, truths, create_graph=True)
        return gradient.square().sum(dim=(1, 2, 3)).mean()
