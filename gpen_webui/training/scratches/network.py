"""The network that finds scratches: a small U-Net over a grey picture.

Ronneberger et al., "U-Net" (2015), narrow, its first layer at half the size. Only training needs
it in this form: photos are looked at with the ONNX file that is made from it.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gpen_webui.files.atomic import write_atomically

WIDTHS = (16, 40, 64, 88, 80)  # channels at 1/2, 1/4, ... of the size
MULTIPLE = 32  # of which height and width must be
INPUT, OUTPUT = "picture", "damage"  # what the file calls them


class ScratchNetwork(nn.Module):
    """Tells for every pixel whether the print is damaged there."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS):
        super().__init__()
        self.first = _Block(1, widths[0], kernel=6, stride=2)
        self.same = nn.ModuleList(_Block(width, width) for width in widths)
        self.down = nn.ModuleList(
            _Block(wide, narrow, stride=2) for wide, narrow in pairwise(widths)
        )
        self.merge, self.up = nn.ModuleList(), nn.ModuleList()
        below = widths[-1]
        for width in widths[-2::-1]:
            self.merge.append(_Block(below + width, width, kernel=1))
            self.up.append(_Block(width, width))
            below = width
        self.spread = nn.Sequential(nn.Conv2d(below, 16, 3, padding=1), nn.PixelShuffle(2))
        self.last = nn.Conv2d(4 + 1, 1, 3, padding=1)
        assert self.last.bias is not None
        nn.init.constant_(self.last.bias, -3.0)  # most of a print is sound

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,1,H,W) grey in [0,1], H and W multiples of 32 -> (B,1,H,W) logits."""
        x = self.same[0](self.first(pictures - 0.5))
        levels = [x]
        for down, same in zip(self.down, self.same[1:], strict=True):
            x = same(down(x))
            levels.append(x)
        for merge, up, level in zip(self.merge, self.up, levels[-2::-1], strict=True):
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = up(merge(torch.cat((x, level), 1)))
        return self.last(torch.cat((torch.relu(self.spread(x)), pictures - 0.5), 1))


class _Block(nn.Sequential):
    """Convolution, normalisation, ReLU."""

    def __init__(self, before: int, after: int, kernel: int = 3, stride: int = 1):
        super().__init__(
            nn.Conv2d(before, after, kernel, stride, (kernel - 1) // 2, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )

    def fold(self) -> None:
        """Let the convolution do what the normalisation did."""
        convolution, normalisation, _ = self
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(normalisation, nn.BatchNorm2d)
        self[0] = fuse_conv_bn_eval(convolution, normalisation)
        self[1] = nn.Identity()


class _Probability(nn.Module):
    """What the file computes: normalisation folded into the convolutions, a sigmoid at the end."""

    def __init__(self, network: ScratchNetwork):
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.sigmoid(self.network(pictures))


def save_onnx(network: nn.Module, path: Path) -> None:
    """Write the network as an ONNX file: (1,1,H,W) in [0,1] -> (1,1,H,W) in [0,1]."""
    folded = ScratchNetwork()
    folded.load_state_dict(network.state_dict())
    folded.eval()
    for module in folded.modules():
        if isinstance(module, _Block):
            module.fold()
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "network.onnx"
        _export(_Probability(folded).eval(), exported)
        write_atomically(path, exported.read_bytes())


def _export(network: nn.Module, path: Path) -> None:
    torch.onnx.export(
        network,
        (torch.zeros(1, 1, 2 * MULTIPLE, 2 * MULTIPLE),),
        path,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_axes={INPUT: {2: "height", 3: "width"}, OUTPUT: {2: "height", 3: "width"}},
        opset_version=17,
        dynamo=False,
    )
