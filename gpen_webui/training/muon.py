"""Muon (Jordan et al., 2024): gradient descent in which all directions of a matrix count alike.

PyTorch has one, whose matrices are always bfloat16. Processors that cannot multiply those fast
spend as long on it as on the rest of a step; here the precision is chosen.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

# An odd polynomial that brings singular values from 0-1 near 1 within a few rounds.
COEFFICIENTS, ROUNDS = (3.4445, -4.775, 2.0315), 5
STEP_OF_ADAM = 0.2  # root mean square of Adam's usual step, in learning rates (Liu et al., 2025)


class Muon(torch.optim.Optimizer):
    """Moves matrices along their averaged gradients, brought to equal singular values.

    The root mean square of a step is 0.2 learning rates.
    """

    def __init__(self, matrices: Iterable[Tensor], momentum: float, precision: torch.dtype):
        """matrices: (R,C) each. precision: in which they are brought to equal singular values."""
        super().__init__(matrices, {"lr": 1e-3, "momentum": momentum})
        self._precision = precision

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # nobody has a closure for it
        for group in self.param_groups:
            for matrix in group["params"]:
                self._move(matrix, group["lr"], group["momentum"])

    def _move(self, matrix: Tensor, learning_rate: float, momentum: float) -> None:
        gradient = matrix.grad
        if gradient is None:
            return
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        average = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(average, momentum)  # Nesterov's
        length = STEP_OF_ADAM * max(matrix.shape) ** 0.5
        direction = orthogonal(ahead.to(self._precision)).to(matrix.dtype)
        matrix.add_(direction, alpha=-learning_rate * length)


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with all its singular values brought to about 1 (0.7 to 1.2); (R,C) -> (R,C).

    Newton-Schulz rounds; a zero matrix stays one.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    result = wide / wide.norm().clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        gram = result @ result.T
        result = torch.addmm(result, torch.addmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return result if wide is matrix else result.T
