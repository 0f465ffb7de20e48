"""Real-ESRGAN's compact network: a plain chain of convolutions at the photo's own size.

The last one gives, for each pixel, by how much each of the pixels that it becomes differs from it
(xinntao, Real-ESRGAN, `SRVGGNetCompact`; the pixels are put in their places as in Shi et al.,
"Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
Network", 2016).
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from gpen_webui.enlarging.recognise import COLOURS, CompactConfig


class CompactNet(nn.Module):
    """Convolutions and what follows them take turns in `body`, as published files number them."""

    def __init__(self, config: CompactConfig):
        super().__init__()
        self.config = config
        sizes = (COLOURS, *[config.features] * (config.layers + 1))
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += (nn.Conv2d(inputs, outputs, 3, padding=1), nn.PReLU(outputs))
        layers.append(nn.Conv2d(config.features, COLOURS * config.scale**2, 3, padding=1))
        self.body = nn.ModuleList(layers)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N,3,H,W) in [0,1] -> (N,3,scale*H,scale*W) about [0,1], not clipped."""
        made = pixels
        for layer in self.body:
            made = layer(made)
        scale = self.config.scale
        repeated = functional.interpolate(pixels, scale_factor=scale, mode="nearest")
        return functional.pixel_shuffle(made, scale) + repeated


class CompactTile(nn.Module):
    """The same without the tile's margin."""

    def __init__(self, network: CompactNet):
        super().__init__()
        self.network = network

    def forward(self, tile: Tensor) -> Tensor:
        """(N,3,h,w) in [0,1] -> what it shows without the margin, about [0,1], not clipped."""
        shape = self.network.config.tile
        edge = shape.margin * shape.scale
        return self.network(tile)[:, :, edge:-edge, edge:-edge]
