"""The GPEN generator: a degraded face in, a restored face out, in one file.

GPEN (Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the
Wild", CVPR 2021, section 3) is a U-shaped network whose right half is a StyleGAN2
generator:

    crop (B,3,S,S) -> encoder: S, S/2, ..., 8, 4        one feature map per resolution
                   -> linear -> 8-layer MLP -> w        the style, (B,512)
                   -> decoder: 4, 8, ..., S/2, S        StyleGAN2, modulated by w; at every
                                                        layer the encoder's features of that
                                                        resolution take the place of the noise
                   -> sum of the RGB skips              the restored crop

Parameter and buffer names are those of the published checkpoints, so that they load
with ``strict=True``.

The modulated convolution is computed with *static* weights. StyleGAN2 (Karras et al.,
2020, equations 1-3) multiplies every weight by its input channel's style and divides by
the norm of the result; a convolution is linear, so scaling the activations before it and
the outputs after it gives the same numbers. The weights then stay constants: all faces
of a batch share one ordinary convolution, and an inference compiler can fold them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STYLE_DIM = 512
STYLE_LAYERS = 8
STYLE_LEARNING_RATE = 0.01  # the MLP's weights are stored 100 times too large
DEMODULATION_EPS = 1e-8
NEGATIVE_SLOPE = 0.2
BLUR_TAPS = (1.0, 3.0, 3.0, 1.0)


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that decides the shapes of a GPEN network.

    size: side of the square crop in pixels, a power of two, at least 8.
    channel_multiplier: widens the layers at 64 px and above (2 for GPEN-BFR-512).
    narrow: scales every layer's width (1 for GPEN-BFR-512, 0.5 for GPEN-BFR-256).
    """

    size: int
    channel_multiplier: int = 2
    narrow: float = 1.0

    def channels(self, resolution: int) -> int:
        """Width of the feature maps that are `resolution` pixels wide."""
        if resolution <= 32:
            return int(512 * self.narrow)
        return int(16384 // resolution * self.channel_multiplier * self.narrow)


def scaled_leaky_relu(x: Tensor, bias: Tensor) -> Tensor:
    """Add a bias per channel (dimension 1), then leaky ReLU; sqrt(2) keeps the variance."""
    bias = bias.view(1, -1, *(1,) * (x.ndim - 2))
    return F.leaky_relu(x + bias, NEGATIVE_SLOPE) * math.sqrt(2)


def blur_kernel(gain: float = 1.0) -> Tensor:
    """The binomial 4x4 low-pass kernel whose sum is `gain`."""
    taps = torch.tensor(BLUR_TAPS)
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum() * gain


class Blur(nn.Module):
    """Low-pass filter of every channel, after padding `pad` = (before, after) with zeros.

    The kernel is separable, but one 4x4 depthwise pass beats two 4-tap passes here:
    both are bound by memory, not by arithmetic.
    """

    kernel: Tensor

    def __init__(self, pad: tuple[int, int], gain: float = 1.0):
        super().__init__()
        self.pad = pad
        self.register_buffer("kernel", blur_kernel(gain))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        x = F.pad(x, (*self.pad, *self.pad))
        return F.conv2d(x, self.kernel.expand(channels, 1, 4, 4), groups=channels)


class Upsample(nn.Module):
    """Double the resolution: zeros between the pixels, then the low-pass filter."""

    kernel: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("kernel", blur_kernel(gain=4.0))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self.kernel.expand(channels, 1, 4, 4)
        return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)


class EqualLinear(nn.Module):
    """Linear layer whose stored weights have unit variance (equalised learning rate)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias_init: float = 0.0,
        learning_rate: float = 1.0,
        activate: bool = False,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / learning_rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias_init))
        self.weight_scale = learning_rate / math.sqrt(inputs)
        self.bias_scale = learning_rate
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight * self.weight_scale, self.bias * self.bias_scale
        if self.activate:
            return scaled_leaky_relu(F.linear(x, weight), bias)
        return F.linear(x, weight, bias)


class PixelNorm(nn.Module):
    """Scale every sample to unit mean square over its features."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class BiasedLeakyReLU(nn.Module):
    """`scaled_leaky_relu` with a learned bias per channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return scaled_leaky_relu(x, self.bias)


class EqualConv(nn.Module):
    """Convolution without bias whose stored weights have unit variance."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int, padding: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.weight_scale = 1 / math.sqrt(inputs * kernel**2)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.weight_scale
        return F.conv2d(x, weight, stride=self.stride, padding=self.padding)


def encoder_layer(inputs: int, outputs: int, *, downsample: bool) -> nn.Sequential:
    """One encoder level: a 1x1 convolution at full size, or blur and a strided 3x3 one.

    The outer Sequential only gives the parameters their published names (`ecd1.0.1.weight`).
    """
    if downsample:
        convolution = EqualConv(inputs, outputs, 3, stride=2, padding=0)
        steps = [Blur(pad=(2, 2)), convolution, BiasedLeakyReLU(outputs)]
    else:
        steps = [EqualConv(inputs, outputs, 1, stride=1, padding=0), BiasedLeakyReLU(outputs)]
    return nn.Sequential(nn.Sequential(*steps))


class ModulatedConv(nn.Module):
    """StyleGAN2's convolution: the style scales the input channels, and demodulation
    restores each output channel's variance (but of colours: kernel 1). Static weights (see the
    module's head)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        upsample: bool = False,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel))
        self.modulation = EqualLinear(STYLE_DIM, inputs, bias_init=1.0)
        self.weight_scale = 1 / math.sqrt(inputs * kernel**2)
        self.padding = kernel // 2
        self.blur = Blur(pad=(1, 1), gain=4.0) if upsample else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x (B,inputs,H,W), style (B,512) -> (B,outputs,H,W), or twice that H and W."""
        weight = self.weight[0] * self.weight_scale
        channel_style = self.modulation(style)  # (B, inputs)
        if self.padding == 0:  # few outputs (ToRGB): scaling the weights is less work than x
            weight = weight.flatten(1) * channel_style[:, None]  # (B, outputs, inputs)
            return (weight @ x.flatten(2)).unflatten(2, x.shape[2:])
        x = x * channel_style[:, :, None, None]
        if self.blur is None:
            x = F.conv2d(x, weight, padding=self.padding)
        else:
            x = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        power = channel_style.square() @ weight.square().sum(dim=(2, 3)).t()
        return x * torch.rsqrt(power + DEMODULATION_EPS)[:, :, None, None]


class FeatureInjection(nn.Module):
    """Concatenate the encoder's features where StyleGAN2 would add noise (section 3.1)."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        return torch.cat((x, self.weight * features), dim=1)


class StyledConv(nn.Module):
    """Modulated convolution, injected encoder features, activation.

    Doubles the channels: the second half of the output are the encoder's features.
    """

    def __init__(self, inputs: int, outputs: int, *, upsample: bool = False):
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, upsample=upsample)
        self.noise = FeatureInjection()
        self.activate = BiasedLeakyReLU(2 * outputs)

    def forward(self, x: Tensor, style: Tensor, features: Tensor) -> Tensor:
        return self.activate(self.noise(self.conv(x, style), features))


class ToRGB(nn.Module):
    """Project features to colour and add the up-sampled colour of the level below."""

    def __init__(self, inputs: int, *, upsample: bool = True):
        super().__init__()
        self.conv = ModulatedConv(inputs, 3, 1)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = Upsample() if upsample else None

    def forward(self, x: Tensor, style: Tensor, skip: Tensor | None = None) -> Tensor:
        rgb = self.conv(x, style) + self.bias
        if skip is None:
            return rgb
        assert self.upsample is not None, "there is no level below the first"
        return self.upsample(skip) + rgb


class ConstantInput(nn.Module):
    """The learned 4x4 feature map from which the decoder starts."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, batch: int) -> Tensor:
        return self.input.expand(batch, -1, -1, -1)


class Decoder(nn.Module):
    """The embedded StyleGAN2 generator: style MLP, then 4 px to `size` px."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        mlp = [
            EqualLinear(STYLE_DIM, STYLE_DIM, learning_rate=STYLE_LEARNING_RATE, activate=True)
            for _ in range(STYLE_LAYERS)
        ]
        self.style = nn.Sequential(PixelNorm(), *mlp)

        channels = config.channels(4)
        self.input = ConstantInput(channels)
        self.conv1 = StyledConv(channels, channels)
        self.to_rgb1 = ToRGB(2 * channels, upsample=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        resolution, inputs = 8, 2 * channels
        while resolution <= config.size:
            channels = config.channels(resolution)
            self.convs.append(StyledConv(inputs, channels, upsample=True))
            self.convs.append(StyledConv(2 * channels, channels))
            self.to_rgbs.append(ToRGB(2 * channels))
            resolution, inputs = resolution * 2, 2 * channels

    def forward(self, code: Tensor, features: list[Tensor]) -> Tensor:
        """code (B,512), features from 4 px upwards -> (B,3,S,S)."""
        style = self.style(code)
        x = self.conv1(self.input(code.shape[0]), style, features[0])
        rgb = self.to_rgb1(x, style)
        for level, to_rgb in enumerate(self.to_rgbs):
            injected = features[level + 1]
            x = self.convs[2 * level](x, style, injected)
            x = self.convs[2 * level + 1](x, style, injected)
            rgb = to_rgb(x, style, rgb)
        return rgb


class GPEN(nn.Module):
    """The whole network. Input and output: (B,3,S,S) float32 RGB, S = config.size.

    The input is in [-1, 1]; the output is close to it but not clipped.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.levels = int(math.log2(config.size)) - 1  # S, S/2, ..., 4
        resolution, inputs = config.size, 3
        for level in range(self.levels):
            outputs = config.channels(resolution)
            layer = encoder_layer(inputs, outputs, downsample=level > 0)
            self.add_module(f"ecd{level}", layer)
            resolution, inputs = resolution // 2, outputs
        code = EqualLinear(inputs * 4 * 4, STYLE_DIM, activate=True)
        self.final_linear = nn.Sequential(code)  # Sequential: published name final_linear.0
        self.generator = Decoder(config)

    def forward(self, crops: Tensor) -> Tensor:
        features, x = [], crops
        for level in range(self.levels):
            x = self.get_submodule(f"ecd{level}")(x)
            features.append(x)
        code = self.final_linear(x.flatten(1))
        return self.generator(code, features[::-1])
