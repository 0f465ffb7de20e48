"""Who is on a face: the 128 numbers of dlib's face recogniser, computed with PyTorch.

King, "Dlib-ml", JMLR 2009, and its ResNet of 2017: two faces of one person lie less than 0.6
apart. The weights come from the package `face-recognition-models` (public domain); read
directly, they need neither dlib nor a compiler, and the network can be trained through.

    chip (N,3,150,150) -> 7x7 convolution, max pooling -> 14 residual blocks, 32 to 256 wide
                       -> mean -> 128 numbers
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpen_webui.folders import to_get_extra
from gpen_webui.training.perceptual import TrainingExtrasError

CHIP = 150
# The part of an aligned face that the recogniser was trained on: left, top and side, in parts
# of the crop (the median that dlib's own alignment finds on faces aligned as ours).
CHIP_BOX = (0.2072, 0.3011, 0.5922)
MEAN = (122.782, 117.001, 104.298)  # levels, RGB
# Width and number of blocks per resolution; all but the first resolution begin by halving.
BLOCKS = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
# A layer's name in the file, behind its length; how many integers stand before its parameters.
LAYERS = {b"\x05con_4": 0, b"\x07affine_": 0, b"\x04fc_2": 2}
WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"


class FaceRecogniser(nn.Module):
    """Aligned faces (N,3,S,S) in [-1,1] -> (N,128) float32. Asks for no gradient of its weights.

    Raises TrainingExtrasError where the weights are not installed.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        arrays = _read_arrays(_weights_file().read_bytes())
        self._plan: list[tuple[int, bool]] = []  # width, halves
        self._add_convolution(arrays, 3, 32, 7)
        width = 32
        for level, (wider, blocks) in enumerate(BLOCKS):
            for block in range(blocks):
                self._plan.append((wider, level > 0 and block == 0))
                self._add_convolution(arrays, width, wider, 3)
                self._add_convolution(arrays, wider, wider, 3)
                width = wider
        self.project = nn.Parameter(arrays.pop(0).view(width, 128), requires_grad=False)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))

    def forward(self, faces: Tensor) -> Tensor:
        x = ((chips(faces) + 1) * 127.5 - self.mean) / 256
        x = F.max_pool2d(F.relu(self._convolve(x, 0, stride=2, padding=0)), 3, stride=2)
        for block, (width, halves) in enumerate(self._plan):
            stride, padding = (2, 0) if halves else (1, 1)
            inner = F.relu(self._convolve(x, 2 * block + 1, stride=stride, padding=padding))
            inner = self._convolve(inner, 2 * block + 2, stride=1, padding=1)
            past = F.avg_pool2d(x, 2, stride=2) if halves else x
            x = F.relu(_add(inner, past, width))
        with torch.autocast(x.device.type, enabled=False):  # small differences matter here
            return x.float().mean(dim=(2, 3)) @ self.project

    def _add_convolution(self, arrays: list[Tensor], inputs: int, outputs: int, kernel: int):
        """Take a convolution and the scale and shift after it, and fold them into one."""
        weights, scale_and_shift = arrays.pop(0), arrays.pop(0)
        bias = weights[-outputs:]
        weight = weights[:-outputs].view(outputs, inputs, kernel, kernel)
        scale, shift = scale_and_shift.view(2, outputs)
        number = sum(name.startswith("weight") for name, _ in self.named_parameters())
        folded = {"weight": weight * scale.view(-1, 1, 1, 1), "bias": bias * scale + shift}
        for name, values in folded.items():
            parameter = nn.Parameter(values, requires_grad=False)
            self.register_parameter(f"{name}{number}", parameter)

    def _convolve(self, x: Tensor, number: int, stride: int, padding: int) -> Tensor:
        weight = self.get_parameter(f"weight{number}")
        bias = self.get_parameter(f"bias{number}")
        return F.conv2d(x, weight, bias, stride=stride, padding=padding)


def chips(faces: Tensor) -> Tensor:
    """What the recogniser looks at, from aligned faces (N,3,S,S): (N,3,150,150)."""
    size = faces.shape[-1]
    left, top, side = (round(part * size) for part in CHIP_BOX)
    part = faces[:, :, top : top + side, left : left + side]
    return F.interpolate(part, (CHIP, CHIP), mode="bilinear", antialias=True)


def _add(a: Tensor, b: Tensor, width: int) -> Tensor:
    """Sum of two feature maps; what one lacks in channels, rows or columns counts as 0."""
    height = max(a.shape[2], b.shape[2])
    return _padded(a, width, height) + _padded(b, width, height)


def _padded(x: Tensor, width: int, height: int) -> Tensor:
    missing = height - x.shape[2]
    return F.pad(x, (0, missing, 0, missing, 0, width - x.shape[1]))


def _weights_file() -> Path:
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        raise TrainingExtrasError(
            f"The package face-recognition-models is missing; {to_get_extra('train')}."
        )
    return Path(spec.origin).parent / "models" / WEIGHTS


def _read_arrays(data: bytes) -> list[Tensor]:
    """The parameters in dlib's file, in the network's order from input to output.

    A layer's parameters follow its name: version 2, four dimensions, then float32 numbers.
    An integer is one byte that counts its bytes, then those, least significant first.
    """
    arrays: list[Tensor] = []
    at = 0
    while True:
        found = [(place, name) for name in LAYERS if (place := data.find(name, at)) >= 0]
        if not found:
            return arrays
        place, name = min(found)
        _, at = _integers(data, place + len(name), LAYERS[name])
        (version, *shape), at = _integers(data, at, 5)
        count = int(np.prod(shape))
        if version != 2 or not 0 < count <= (len(data) - at) // 4:
            raise TrainingExtrasError(
                f"{WEIGHTS} is of another kind; install the version of face-recognition-models "
                "that requirements-train.txt names."
            )
        arrays.append(torch.from_numpy(np.frombuffer(data, "<f4", count, at).copy()))
        at += 4 * count


def _integers(data: bytes, at: int, count: int) -> tuple[list[int], int]:
    """`count` integers from `at` on, and where they end."""
    values = []
    for _ in range(count):
        length = data[at] & 0x0F
        values.append(int.from_bytes(data[at + 1 : at + 1 + length], "little"))
        at += 1 + length
    return values, at
