"""The network that enlarges a photo twice: waifu2x's `upconv_7`.

Seven layers and no shortcuts: six 3x3 convolutions work at the photo's own resolution, and a
transposed one makes four pixels of each at the end (nagadomi, waifu2x, `lib/srcnn.lua`, MIT). No
layer pads, so every output pixel is made of the pixels around it alone, and a photo that is
enlarged tile by tile is the photo enlarged as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from gpen_webui.enlarging.recognise import COLOURS, UPCONV_MARGIN, UPCONV_SCALE
from gpen_webui.errors import UserError

WIDTHS = (16, 32, 64, 128, 128, 256)  # channels after each convolution
SCALE, MARGIN = UPCONV_SCALE, UPCONV_MARGIN
SLOPE = 0.1  # of the leaky ReLU below zero


class EnlargingFileError(UserError):
    """A file is not of this network."""


class UpConv(nn.Module):
    """inputs: 3 for a network of one noise level, 4 where a plane that says how strongly to clean,
    0-1, follows red, green and blue."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS, inputs: int = COLOURS):
        super().__init__()
        self.inputs = inputs
        sizes = (inputs, *widths)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3) for before, after in zip(sizes, widths, strict=False)
        )
        # The padding cuts off the rim that too few pixels contribute to.
        self.enlarge = nn.ConvTranspose2d(widths[-1], COLOURS, 4, stride=SCALE, padding=3)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N,inputs,H,W) in [0,1] -> (N,3,2(H-14),2(W-14)) about [0,1], not clipped.

        The first output pixels show the input's from row and column `MARGIN` on.
        """
        for convolution in self.convolutions:
            pixels = functional.leaky_relu(convolution(pixels), SLOPE)
        return self.enlarge(pixels)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The weights of a safetensors file, in float32. Raises EnlargingFileError."""
    try:
        with safe_open(path, "pt") as file:
            names = file.keys()  # it is no dictionary, and cannot be iterated itself
            return {name: file.get_tensor(name).float() for name in names}
    except (OSError, SafetensorError) as error:
        raise EnlargingFileError(f"{path.name} cannot be read; install it anew.") from error


def load_upconv(path: Path) -> UpConv:
    """The network that a safetensors file holds, in float32 and for use, not for training.

    Widths and inputs are read off its shapes. Raises EnlargingFileError where it is damaged or of
    another network.
    """
    return network_of(read_tensors(path), path.name)


def network_of(tensors: Mapping[str, Tensor], name: str) -> UpConv:
    """The network of these weights. name: what the error calls them. Raises EnlargingFileError."""
    layers = {
        int(key.split(".")[1]): weight
        for key, weight in tensors.items()
        if re.fullmatch(r"convolutions\.\d+\.weight", key) and weight.ndim == 4
    }
    if not layers:
        raise EnlargingFileError(f"{name} does not hold a network that enlarges photos.")
    widths = tuple(len(weight) for _, weight in sorted(layers.items()))
    network = UpConv(widths, inputs=layers[min(layers)].shape[1])
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise EnlargingFileError(f"{name} does not hold this network; choose another.") from error
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise EnlargingFileError(f"{name} has numbers that are none; get it anew.")
    return network.eval().requires_grad_(False)
