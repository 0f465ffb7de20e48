"""How much arithmetic a network is, and how much of it the machine can do at best."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gpen_webui.bench.summary import seconds_per_call
from gpen_webui.gpen.checkpoint import load_checkpoint
from gpen_webui.gpen.network import GPEN

SIDE = 48
MATRIX = SIDE**2  # rows and columns of the measured product, and the pixels of a picture


def count_flops(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Nominal operations of one pass: two per multiplication of a convolution or product.

    Counted from shapes alone, so that `network`, whose parameters must not require gradients,
    may live on the meta device.
    """
    device = next(network.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(shape, device=device))
    return counter.get_total_flops()


def flops_per_face(checkpoint: Path) -> int:
    """Nominal operations of the network in a weight file, for one face."""
    config, _ = load_checkpoint(checkpoint)
    with torch.device("meta"):
        network = GPEN(config).requires_grad_(False)
    return count_flops(network, (1, 3, config.size, config.size))


class SgemmPeak:
    """The fastest float32 matrix product at hand: the yardstick that no network reaches.

    library: which one it is. flops: operations of one `run`.
    """

    def __init__(self, device: str, threads: int):
        torch.set_num_threads(threads)
        self.flops = 2 * MATRIX**3
        candidates = self._candidates(device)
        seconds = {name: self._try(call) for name, call in candidates.items()}
        self.library = min(seconds, key=seconds.__getitem__)
        self._call = candidates[self.library]

    def seconds(self) -> float:
        """The time of one product."""
        return seconds_per_call(self._call)

    @staticmethod
    def _candidates(device: str) -> dict[str, Callable[[], object]]:
        a, b = (torch.randn(MATRIX, MATRIX, device=device) for _ in range(2))
        if device != "cpu":
            return {"PyTorch": lambda: (a @ b).sum().item()}  # .item() waits for the device
        # A 1x1 convolution is the same product, through oneDNN.
        picture = a.t().reshape(1, MATRIX, SIDE, SIDE)
        picture = picture.contiguous(memory_format=torch.channels_last)
        kernel = b[:, :, None, None].contiguous(memory_format=torch.channels_last)
        x, y = a.numpy(), b.numpy()
        return {
            "PyTorch": lambda: a @ b,
            "oneDNN": lambda: F.conv2d(picture, kernel),
            "NumPy": lambda: np.dot(x, y),
        }

    @staticmethod
    def _try(call: Callable[[], object]) -> float:
        call()
        return seconds_per_call(call)
