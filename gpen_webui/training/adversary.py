"""The discriminator of the last stage: it learns to tell results from truths, and thereby
what texture is missing.

It does not learn to see: it judges the features that the perceptual term has computed already
("Projected GANs Converge Faster", Sauer et al., 2021), so that dozens of steps teach it what a
discriminator from nothing takes thousands for. And it judges pairs, a result beside its own truth
(the relativistic loss of Jolicoeur-Martineau, 2018): what only differs from face to face, light
or background, tells it nothing.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpen_webui.gpen.network import BiasedLeakyReLU, EqualConv
from gpen_webui.training.feature_losses import FeaturePair

CHANNELS = (64, 128, 256, 512)  # of VGG's features, from fine to coarse
HIDDEN = 64
FINEST_STRIDE = 2  # at full size, half the verdicts across and down do
LEARNING_RATE = 5e-3
BETAS = (0.0, 0.99)
# R1 (Mescheder et al., 2018), every few steps (Karras et al., 2020), on features, not on pixels.
R1_WEIGHT, R1_EVERY = 0.02, 4


class Head(nn.Module):
    """Unit-length features (B,C,H,W) -> a verdict for each place (B,1,h,w): high for true ones."""

    def __init__(self, channels: int, stride: int):
        super().__init__()
        self._scale = channels**0.5  # brings single features to about 1
        first = HIDDEN // stride
        self.layers = nn.Sequential(
            EqualConv(channels, first, 1, stride=1, padding=0),
            BiasedLeakyReLU(first),
            EqualConv(first, HIDDEN, 3, stride=stride, padding=1),
            BiasedLeakyReLU(HIDDEN),
            EqualConv(HIDDEN, 1, 3, stride=1, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features * self._scale)


class Adversary:
    """The discriminator, one head for each depth of the features, and its optimizer."""

    def __init__(self, seed: int, device: torch.device):
        torch.manual_seed(seed)
        strides = (FINEST_STRIDE, *[1] * (len(CHANNELS) - 1))
        heads = (Head(*shape) for shape in zip(CHANNELS, strides, strict=True))
        self._heads = nn.ModuleList(heads).to(device)
        self._optimizer = torch.optim.Adam(self._heads.parameters(), lr=LEARNING_RATE, betas=BETAS)

    def generator_loss(self, features: FeaturePair) -> Tensor:
        """Low where it takes the results for truer than their truths; (B,)."""
        self._heads.requires_grad_(False)
        losses = [
            F.softplus(head(truths) - head(results)).mean(dim=(1, 2, 3))
            for head, results, truths in self._at_each_depth(features)
        ]
        self._heads.requires_grad_(True)
        return torch.stack(losses).mean(dim=0)

    def learn(self, features: FeaturePair, step: int) -> None:
        """One step of the discriminator. step: of the training."""
        regularised = step % R1_EVERY == 0
        losses = []
        for head, results, truths in self._at_each_depth(features):
            truths = truths.detach().requires_grad_(regularised)
            seen = head(truths)
            losses.append(F.softplus(head(results.detach()) - seen).mean())
            if regularised:
                (slope,) = torch.autograd.grad(seen.sum(), truths, create_graph=True)
                losses.append(R1_EVERY * R1_WEIGHT / 2 * slope.square().mean())
        self._optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()
        self._optimizer.step()

    def _at_each_depth(self, features: FeaturePair) -> zip:
        """Head, results and truths; the deepest features, of whole features of a face, have
        no head: likeness is asked for by other terms."""
        return zip(self._heads, features.results, features.truths, strict=False)

    def state_dict(self) -> dict[str, Any]:
        return {"heads": self._heads.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises KeyError where the state is of another kind of discriminator."""
        self._heads.load_state_dict(state["heads"])
        self._optimizer.load_state_dict(state["optimizer"])
