"""How the network's weights move: convolutions by Muon, everything else by Adam.

Adam scales every number of a weight by itself. Muon averages the gradients of a whole convolution
and gives all of its directions the same length, so that rare ones are learned as fast as frequent
ones. The rest are biases, colours and the style's layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gpen_webui.training.muon import Muon

ADAM_BETAS = (0.5, 0.99)
MUON_MOMENTUM = 0.95
MUON_SPEED = 4.0  # its learning rate beside Adam's
LEAST_WIDTH = 16  # a matrix with fewer rows or columns has too few directions for Muon


class Optimizer:
    """Moves the parameters along their gradients."""

    def __init__(self, network: nn.Module, precision: torch.dtype = torch.float32):
        """precision: of Muon's matrices; bfloat16 is enough, and faster where it is computed."""
        parameters = list(network.parameters())
        self._convolutions = [p for p in parameters if p.ndim >= 4 and _width(p) >= LEAST_WIDTH]
        others = set(parameters) - set(self._convolutions)
        # Muon takes matrices: these share the convolutions' memory.
        self._matrices = [nn.Parameter(_matrix(p.detach())) for p in self._convolutions]
        self._muon = Muon(self._matrices, MUON_MOMENTUM, precision)
        self._adam = torch.optim.Adam([p for p in parameters if p in others], betas=ADAM_BETAS)

    def step(self, loss: Tensor, learning_rate: float) -> None:
        """One step down the loss, a scalar."""
        self._adam.param_groups[0]["lr"] = learning_rate
        self._muon.param_groups[0]["lr"] = MUON_SPEED * learning_rate
        self._adam.zero_grad(set_to_none=True)
        for convolution in self._convolutions:
            convolution.grad = None
        loss.backward()
        for convolution, matrix in zip(self._convolutions, self._matrices, strict=True):
            gradient = convolution.grad
            matrix.grad = None if gradient is None else _matrix(gradient)
        self._muon.step()
        self._adam.step()

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises KeyError where the state is of another kind of optimizer."""
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])


def _matrix(weight: Tensor) -> Tensor:
    """A convolution's (...,O,I,K,K) as (O,I*K*K) in the same memory, whatever its order."""
    weight = weight.flatten(0, -4)
    if weight.is_contiguous():
        return weight.view(len(weight), -1)
    return weight.permute(0, 2, 3, 1).view(len(weight), -1)


def _width(weight: Tensor) -> int:
    return min(weight.shape[-4], weight[..., 0, :, :, :].numel())
