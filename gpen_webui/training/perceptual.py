"""ST-LPIPS: how different two pictures look, by features of a trained image network.

Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022. Each feature map
is scaled to unit length per pixel; squared differences, weighted per channel as people judged
and averaged over the picture, are summed over five depths. The weights come from the package
`stlpips-pytorch` (BSD-2); its code, which asks for packages that nothing here needs, is not
imported.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpen_webui.errors import UserError
from gpen_webui.folders import to_get_extra

Step = str | tuple[str, int, int]

DEPTHS = 5
# Steps between the features that are compared: "pool" is a maximum over MAX_WINDOW at stride
# 1, then "blur": a binomial low-pass filter at stride 2. The rest are convolutions with ReLU,
# under their index in the weight file, with their padding.
PLANS: dict[str, tuple[tuple[Step, ...], ...]] = {
    "alex": (
        (("conv", 0, 2), "blur", "relu"),
        ("pool", ("conv", 5, 2), "relu"),
        ("pool", ("conv", 9, 1), "relu"),
        (("conv", 11, 1), "relu"),
        (("conv", 13, 1), "relu"),
    ),
    "vgg": (
        (("conv", 0, 1), "relu", ("conv", 2, 1), "relu"),
        ("pool", ("conv", 6, 1), "relu", ("conv", 8, 1), "relu"),
        ("pool", ("conv", 12, 1), "relu", ("conv", 14, 1), "relu", ("conv", 16, 1), "relu"),
        ("pool", ("conv", 20, 1), "relu", ("conv", 22, 1), "relu", ("conv", 24, 1), "relu"),
        ("pool", ("conv", 28, 1), "relu", ("conv", 30, 1), "relu", ("conv", 32, 1), "relu"),
    ),
}
MAX_WINDOW = {"alex": 3, "vgg": 2}
BLUR_PADDING = 2


class TrainingExtrasError(UserError):
    """A library that only training needs is missing."""


class StLpips(nn.Module):
    """The distance of two batches (B,3,H,W) in [-1,1]: (B,), 0 where they are the same.

    trunk: alex or vgg. depths: how many of the five depths to compare; fewer cost less.
    Raises TrainingExtrasError where the weights are not installed.
    """

    shift: Tensor
    scale: Tensor
    _blur: Tensor

    def __init__(self, trunk: str, depths: int = DEPTHS):
        super().__init__()
        self._plan, self._window = PLANS[trunk][:depths], MAX_WINDOW[trunk]
        for name, tensor in _read_weights(trunk).items():
            if tensor.ndim == 4:  # in the order that CPUs and tensor cores read
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            self.register_buffer(_key(name), tensor)
        taps = torch.tensor((1.0, 2.0, 1.0)) / 4
        self.register_buffer("_blur", torch.outer(taps, taps))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.between(self.features(a), self.features(b))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Unit-length features at each depth."""
        x = (pictures - self.shift) / self.scale
        features: list[Tensor] = []
        for steps in self._plan:
            for step in steps:
                x = self._take(step, x, len(features) + 1)
            length = x.float().square().sum(dim=1, keepdim=True)
            features.append(x / (length + 1e-10).sqrt())
        return features

    def between(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """The distance (B,) of pictures with these features."""
        total = torch.zeros(a[0].shape[0], device=a[0].device)
        for depth, (one, other) in enumerate(zip(a, b, strict=True)):
            judged = self.get_buffer(f"judged{depth}")
            total = total + ((one - other).square().mean(dim=(2, 3)) * judged).sum(dim=1)
        return total

    def _take(self, step: Step, x: Tensor, depth: int) -> Tensor:
        if isinstance(step, tuple):
            _, index, padding = step
            weight = self.get_buffer(f"weight{depth}_{index}")
            return F.conv2d(x, weight, self.get_buffer(f"bias{depth}_{index}"), padding=padding)
        if step == "relu":
            return F.relu(x)
        if step == "pool":
            x = F.max_pool2d(x, self._window, stride=1)
        return self._low_pass(x)

    def _low_pass(self, x: Tensor) -> Tensor:
        x = F.pad(x, (BLUR_PADDING,) * 4, mode="reflect")
        kernel = self._blur.expand(x.shape[1], 1, 3, 3)
        return F.conv2d(x, kernel, stride=2, groups=x.shape[1])


def _key(name: str) -> str:
    """Our name of a tensor in the weight file: weight1_0, bias1_0, judged0, shift, scale."""
    parts = name.split(".")
    if parts[0] == "scaling_layer":
        return parts[1]
    if parts[0] == "net":
        return f"{parts[3]}{parts[1].removeprefix('slice')}_{parts[2]}"
    return f"judged{parts[0].removeprefix('lin')}"


def _read_weights(trunk: str) -> dict[str, Tensor]:
    spec = importlib.util.find_spec("stlpips_pytorch")
    if spec is None or spec.origin is None:
        raise TrainingExtrasError(
            f"The package stlpips-pytorch is missing; {to_get_extra('train')}."
        )
    file = Path(spec.origin).parent / "weights" / "vST0.0" / f"{trunk}_shift_tolerant.pth"
    state = torch.load(file, map_location="cpu", weights_only=True)
    kept = {name: tensor for name, tensor in state.items() if not name.endswith(".filt")}
    return {n: t.flatten() if n.startswith("lin") else t.contiguous() for n, t in kept.items()}
