"""The network as StyleGAN2's published code computes it: the baseline of the benchmark.

Every face gets weights of its own, multiplied by its style and normalised, and the faces of a
batch are put side by side as groups of one grouped convolution. The numbers are those of
`gpen.network`; the work is not.
"""

from __future__ import annotations

from types import MethodType

import torch
import torch.nn.functional as F
from torch import Tensor

from gpen_webui.gpen.network import DEMODULATION_EPS, GPEN, Blur, ModulatedConv


def to_reference_form(network: GPEN) -> GPEN:
    """Make `network` compute in the reference form, in place."""
    for module in network.modules():
        if isinstance(module, ModulatedConv):
            module.forward = MethodType(_modulated_conv, module)  # type: ignore[method-assign]  # in place
        elif isinstance(module, Blur):
            module.forward = MethodType(_blur, module)  # type: ignore[method-assign]  # in place
    return network


def _modulated_conv(conv: ModulatedConv, x: Tensor, style: Tensor) -> Tensor:
    """x (B,inputs,H,W), style (B,512) -> (B,outputs,H,W), or twice that H and W."""
    batch, inputs, height, width = x.shape
    channel_style = conv.modulation(style).view(batch, 1, inputs, 1, 1)
    weight = conv.weight_scale * conv.weight * channel_style  # (B,outputs,inputs,k,k)
    outputs, kernel = weight.shape[1], weight.shape[-1]
    if kernel > 1:
        power = weight.square().sum(dim=(2, 3, 4), keepdim=True)
        weight = weight * torch.rsqrt(power + DEMODULATION_EPS)
    x = x.reshape(1, batch * inputs, height, width)
    if conv.blur is None:
        weight = weight.view(batch * outputs, inputs, kernel, kernel)
        x = F.conv2d(x, weight, padding=conv.padding, groups=batch)
        return x.view(batch, outputs, height, width)
    weight = weight.transpose(1, 2).reshape(batch * inputs, outputs, kernel, kernel)
    x = F.conv_transpose2d(x, weight, stride=2, groups=batch)
    return conv.blur(x.view(batch, outputs, *x.shape[-2:]))


def _blur(blur: Blur, x: Tensor) -> Tensor:
    """One plane after the other: every channel is a picture of its own with one channel."""
    planes = F.pad(x.reshape(-1, 1, *x.shape[-2:]), (*blur.pad, *blur.pad))
    planes = F.conv2d(planes, blur.kernel[None, None])
    return planes.view(*x.shape[:2], *planes.shape[-2:])
