"""ParseNet: tells for every pixel of a face which part of it that is.

An encoder halves the picture a few times, residual blocks work on it at its smallest, a decoder
doubles it again (Chen et al., "Progressive Semantic-Aware Style Transformation for Blind Face
Restoration", 2021, whose authors call it face parsing network; GPEN's use the same). Layers have
the names of the published file.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from gpen_webui.parsing.recognise import CLASSES, COLOURS, ParseConfig

SLOPE = 0.2  # of what is below zero


class BatchNorm(nn.Module):
    """A batch normalization by the means and variances that training left."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, made: Tensor) -> Tensor:
        return functional.batch_norm(
            made, self.running_mean, self.running_var, self.weight, self.bias
        )


class ConvLayer(nn.Module):
    """A 3x3 convolution of a picture that is mirrored at its edges.

    scale: 2 doubles the picture before, 1/2 halves it. is_normed: with a batch normalization
    instead of a bias. bends: with a leaky ReLU at the end.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        scale: float = 1,
        *,
        is_normed: bool = False,
        bends: bool = False,
    ):
        super().__init__()
        self._doubles = scale > 1
        self._bends = bends
        self.conv2d = nn.Conv2d(
            inputs,
            outputs,
            3,
            stride=2 if scale < 1 else 1,
            padding=1,
            padding_mode="reflect",
            bias=not is_normed,
        )
        self.norm = nn.ModuleDict({"norm": BatchNorm(outputs)} if is_normed else {})

    def forward(self, made: Tensor) -> Tensor:
        if self._doubles:
            made = functional.interpolate(made, scale_factor=2, mode="nearest")
        made = self.conv2d(made)
        for norm in self.norm.values():
            made = norm(made)
        return functional.leaky_relu(made, SLOPE) if self._bends else made


class ResidualBlock(nn.Module):
    """Two convolutions, added to what goes in; a block that doubles does so first, one that halves
    last."""

    def __init__(self, inputs: int, outputs: int, scale: float = 1):
        super().__init__()
        self.shortcut_func: nn.Module = nn.Identity()
        if scale != 1 or inputs != outputs:
            self.shortcut_func = ConvLayer(inputs, outputs, scale)
        first, second = (scale, 1.0) if scale > 1 else (1.0, scale)
        self.conv1 = ConvLayer(inputs, outputs, first, is_normed=True, bends=True)
        self.conv2 = ConvLayer(outputs, outputs, second, is_normed=True)

    def forward(self, made: Tensor) -> Tensor:
        return self.shortcut_func(made) + self.conv2(self.conv1(made))


class ParseNet(nn.Module):
    """The second output of the published network, the face drawn anew, is not computed; its weights
    are read, as the file has them."""

    def __init__(self, config: ParseConfig):
        super().__init__()
        widths = config.widths
        down = [ResidualBlock(wide, deep, 1 / 2) for wide, deep in pairwise(widths)]
        up = [ResidualBlock(deep, wide, 2) for deep, wide in pairwise(widths[::-1])]
        self.encoder = nn.Sequential(ConvLayer(COLOURS, widths[0]), *down)
        self.body = nn.Sequential(
            *(ResidualBlock(widths[-1], widths[-1]) for _ in range(config.blocks))
        )
        self.decoder = nn.Sequential(*up)
        self.out_img_conv = ConvLayer(widths[0], COLOURS)
        self.out_mask_conv = ConvLayer(widths[0], len(CLASSES))

    def forward(self, faces: Tensor) -> Tensor:
        """Faces (N,3,H,W) RGB in [-1,1] -> (N,19,H,W), per pixel how much speaks for each class."""
        made = self.encoder(faces)
        return self.out_mask_conv(self.decoder(made + self.body(made)))
