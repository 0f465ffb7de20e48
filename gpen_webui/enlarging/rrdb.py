"""The network of ESRGAN and Real-ESRGAN: residual-in-residual dense blocks.

Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks" (2018), section
3.1: dense blocks of five convolutions, each of which sees what all before it made; three of them
make a block, of which a fifth is added to its input, and a fifth of every dense block too. Then the
picture is doubled, by repeating pixels, as often as needed. Real-ESRGAN (Wang et al., 2021, section
3.4) first makes squares of pixels to channels where it is to enlarge less: all work is done on
fewer pixels then.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gpen_webui.enlarging.recognise import COLOURS, RRDB_MARGIN, RRDBConfig

SLOPE = 0.2  # of the leaky ReLU below zero
REACH = 4  # of the layers that enlarge, in pixels of the features
SHARE = 0.2  # of what a block makes that is added to its input


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class DenseBlock(nn.Module):
    """Five convolutions: (N,features,H,W) -> the same shape."""

    def __init__(self, features: int, growth: int):
        super().__init__()
        self.conv1 = _convolution(features, growth)
        self.conv2 = _convolution(features + growth, growth)
        self.conv3 = _convolution(features + 2 * growth, growth)
        self.conv4 = _convolution(features + 3 * growth, growth)
        self.conv5 = _convolution(features + 4 * growth, features)

    def forward(self, given: Tensor) -> Tensor:
        seen = given
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            made = functional.leaky_relu(convolution(seen), SLOPE)
            seen = torch.cat((seen, made), 1)
        return given + self.conv5(seen) * SHARE


class Block(nn.Module):
    """Three dense blocks: (N,features,H,W) -> the same shape."""

    def __init__(self, features: int, growth: int):
        super().__init__()
        self.rdb1 = DenseBlock(features, growth)
        self.rdb2 = DenseBlock(features, growth)
        self.rdb3 = DenseBlock(features, growth)

    def forward(self, given: Tensor) -> Tensor:
        return given + self.rdb3(self.rdb2(self.rdb1(given))) * SHARE


class RRDBNet(nn.Module):
    """The whole network, with BasicSR's names of its tensors."""

    def __init__(self, config: RRDBConfig):
        super().__init__()
        self.config = config
        features = config.features
        self.conv_first = _convolution(COLOURS * config.unshuffle**2, features)
        self.body = nn.Sequential(*(Block(features, config.growth) for _ in range(config.blocks)))
        self.conv_body = _convolution(features, features)
        for number in range(1, config.doublings + 1):
            self.add_module(f"conv_up{number}", _convolution(features, features))
        self.conv_hr = _convolution(features, features)
        self.conv_last = _convolution(features, COLOURS)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N,3,H,W) in [0,1] -> (N,3,scale*H,scale*W) about [0,1], not clipped; H and W are
        multiples of `unshuffle`."""
        return self.enlarged(self.features(pixels))

    def features(self, pixels: Tensor) -> Tensor:
        """(N,3,H,W) in [0,1] -> (N,features,H/unshuffle,W/unshuffle)."""
        if self.config.unshuffle > 1:
            pixels = functional.pixel_unshuffle(pixels, self.config.unshuffle)
        first = self.conv_first(pixels)
        return first + self.conv_body(self.body(first))

    def enlarged(self, made: Tensor) -> Tensor:
        """(N,features,h,w) -> (N,3,2**doublings*h,2**doublings*w). Each pixel is made of those
        that are up to REACH away."""
        for number in range(1, self.config.doublings + 1):
            larger = functional.interpolate(made, scale_factor=2, mode="nearest")
            made = functional.leaky_relu(self.get_submodule(f"conv_up{number}")(larger), SLOPE)
        return self.conv_last(functional.leaky_relu(self.conv_hr(made), SLOPE))


class RRDBTile(nn.Module):
    """The same without the tile's margin, of which the slow last layers need little."""

    def __init__(self, network: RRDBNet):
        super().__init__()
        self.network = network

    def forward(self, tile: Tensor) -> Tensor:
        """(N,3,h,w) in [0,1] -> what it shows without the margin, about [0,1], not clipped."""
        config = self.network.config
        cut, edge = RRDB_MARGIN - REACH, REACH * 2**config.doublings
        made = self.network.features(tile)[:, :, cut:-cut, cut:-cut]
        return self.network.enlarged(made)[:, :, edge:-edge, edge:-edge]
