"""GPEN as an ONNX graph, as others export it: by either exporter of PyTorch, in either form."""

from pathlib import Path
from types import MethodType

import torch
import torch.nn.functional as F
from torch import Tensor

from gpen_webui.gpen.network import (
    DEMODULATION_EPS,
    GPEN,
    Blur,
    EqualLinear,
    ModulatedConv,
    NetworkConfig,
    Upsample,
)

EXPORTERS = ("torchscript", "dynamo")
FORMS = ("ours", "published")


def random_network(config: NetworkConfig, seed: int = 0) -> GPEN:
    """Random weights that all matter to the output."""
    torch.manual_seed(seed)
    network = GPEN(config).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith("noise.weight"):
            parameter.data.copy_(0.5 + 0.1 * torch.randn_like(parameter))
        elif name.endswith("bias"):
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    return network


def export(network: GPEN, path: Path, *, exporter: str, form: str) -> None:
    """Write the graph of a network, which is changed to compute in that form."""
    size = network.config.size
    for module in network.modules():
        if isinstance(module, Blur):
            module.forward = MethodType(BLUR[form], module)
        elif isinstance(module, Upsample):
            module.forward = MethodType(_upsample, module)
        elif isinstance(module, ModulatedConv):
            module.forward = MethodType(MODULATED_CONV[form], module)
    crops = torch.randn(1, 3, size, size)
    if exporter == "dynamo":
        torch.onnx.export(network, (crops,), path, dynamo=True, external_data=False, verbose=False)
    else:
        torch.onnx.export(network, (crops,), path, dynamo=False, input_names=["input"])


# The older exporter needs shapes that are plain numbers: hence the ints.


def _blur(blur: Blur, x: Tensor) -> Tensor:
    channels = int(x.shape[1])
    x = F.pad(x, (*blur.pad, *blur.pad))
    return F.conv2d(x, blur.kernel.expand(channels, 1, 4, 4), groups=channels)


def _published_blur(blur: Blur, x: Tensor) -> Tensor:
    """Every channel as a picture of its own, with the kernel turned round as convolutions do."""
    batch, channels, height, width = (int(length) for length in x.shape)
    x = F.pad(x.reshape(batch * channels, 1, height, width), (*blur.pad, *blur.pad))
    x = F.conv2d(x, torch.flip(blur.kernel, [0, 1]).view(1, 1, 4, 4))
    return x.view(batch, channels, int(x.shape[2]), int(x.shape[3]))


def _upsample(upsample: Upsample, x: Tensor) -> Tensor:
    channels = int(x.shape[1])
    kernel = upsample.kernel.expand(channels, 1, 4, 4)
    return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)


def _modulated_conv(conv: ModulatedConv, x: Tensor, style: Tensor) -> Tensor:
    batch, inputs, height, width = (int(length) for length in x.shape)
    weight = conv.weight[0] * conv.weight_scale
    channel_style = conv.modulation(style)
    if conv.padding == 0:
        weight = weight.view(3, inputs) * channel_style[:, None]
        return (weight @ x.view(batch, inputs, height * width)).view(batch, 3, height, width)
    x = x * channel_style[:, :, None, None]
    if conv.blur is None:
        x = F.conv2d(x, weight, padding=conv.padding)
    else:
        x = conv.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
    power = channel_style.square() @ weight.square().sum(dim=(2, 3)).t()
    return x * torch.rsqrt(power + DEMODULATION_EPS)[:, :, None, None]


def _published_modulated_conv(conv: ModulatedConv, x: Tensor, style: Tensor) -> Tensor:
    """Weights of its own for every face (StyleGAN2, equations 1 and 3)."""
    batch, inputs, height, width = (int(length) for length in x.shape)
    outputs, kernel = int(conv.weight.shape[1]), int(conv.weight.shape[-1])
    modulation: EqualLinear = conv.modulation
    channel_style = F.linear(
        style, modulation.weight * modulation.weight_scale, bias=modulation.bias * 1.0
    ).view(batch, 1, inputs, 1, 1)
    weight = conv.weight_scale * conv.weight * channel_style
    if kernel > 1:
        demodulation = torch.rsqrt(weight.pow(2).sum([2, 3, 4]) + DEMODULATION_EPS)
        weight = weight * demodulation.view(batch, outputs, 1, 1, 1)
    x = x.view(1, batch * inputs, height, width)
    if conv.blur is None:
        weight = weight.view(batch * outputs, inputs, kernel, kernel)
        return F.conv2d(x, weight, padding=conv.padding, groups=batch).view(
            batch, outputs, height, width
        )
    weight = weight.view(batch, outputs, inputs, kernel, kernel).transpose(1, 2)
    weight = weight.reshape(batch * inputs, outputs, kernel, kernel)
    x = F.conv_transpose2d(x, weight, padding=0, stride=2, groups=batch)
    return conv.blur(x.view(batch, outputs, int(x.shape[2]), int(x.shape[3])))


BLUR = {"ours": _blur, "published": _published_blur}
MODULATED_CONV = {"ours": _modulated_conv, "published": _published_modulated_conv}
