"""In what precision and order in memory a device trains fastest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Precision:
    """kind: of device. dtype: of convolutions. order: of their weights and of pictures."""

    kind: str
    dtype: torch.dtype
    order: torch.memory_format

    @classmethod
    def best_for(cls, device: torch.device) -> Precision:
        """bfloat16 and channels last, or float32 in planes where that is slow.

        In float32, CPUs take four times as long for the weights' gradients of channels last.
        """
        if _has_fast_bfloat16(device.type):
            return cls(device.type, torch.bfloat16, torch.channels_last)
        return cls(device.type, torch.float32, torch.contiguous_format)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.kind, torch.bfloat16, enabled=self.dtype is torch.bfloat16)

    def placed(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network on this device, its convolutions' weights in order."""
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=self.order)
        return network.to(device)

    def compiled(self, network: nn.Module) -> Callable:
        """The network with its operations fused, which needs a C++ compiler on a CPU."""
        # Left alone, the compiler brings every convolution on a CPU into channels last.
        keep: dict[str, str | int | bool | Callable] = {
            "layout_optimization": self.order is torch.channels_last
        }
        return torch.compile(network, options=keep)


def _has_fast_bfloat16(kind: str) -> bool:
    if kind == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
