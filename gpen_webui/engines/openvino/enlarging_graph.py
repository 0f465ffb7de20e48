"""The OpenVINO model of the network that enlarges.

It computes as many pixels as it is given, the margin included, so that Winograd's convolutions
with their whole tiles of 4 can do the work; the margin's are wrong and are cut off at the end.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from torch import Tensor

from gpen_webui.engines.openvino.winograd import winograd_conv, winograd_pays
from gpen_webui.enlarging.upconv import COLOURS, MARGIN, SCALE, SLOPE, UpConv

# Kernel rows (or columns) of the transposed convolution that make output row 2i + a of the input
# rows i - 1, i, i + 1; None where a row takes no part.
TAPS = ((3, 1, None), (None, 2, 0))


def build_enlarging_model(network: UpConv, side: int, *, direct: bool) -> ov.Model:
    """The model of `network` for one tile (1,3,side,side); side is a multiple of 4.

    direct: all convolutions as they are, for computing in 16 bits.
    """
    tile = ops.parameter([1, network.inputs, side, side], np.float32, name="tile")
    planes: ov.Node = tile
    tensors = network.state_dict()
    for number in range(len(network.convolutions)):
        name = f"convolutions.{number}"
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        planes = _convolved(planes, weight, bias, side, direct=direct)
    planes = _enlarged(planes, tensors["enlarge.weight"], tensors["enlarge.bias"])
    cut = SCALE * MARGIN
    ends = [cut, cut], [SCALE * side - cut] * 2
    inner = ops.slice(planes, _ints(*ends[0]), _ints(*ends[1]), _ints(1, 1), _ints(2, 3))
    return ov.Model([inner], [tile], "enlarging")


def _convolved(
    planes: ov.Node, weight: Tensor, bias: Tensor, side: int, *, direct: bool
) -> ov.Node:
    channels = weight.shape[1]
    slope = ops.constant(np.array([SLOPE], np.float32))
    if direct or not winograd_pays((1, channels, side, side), tuple(weight.shape)):
        pads = [1, 1]
        planes = ops.convolution(planes, _constant(weight), [1, 1], pads, pads, [1, 1])
        return ops.prelu(ops.add(planes, _constant(bias.view(1, -1, 1, 1))), slope)
    places = ops.reshape(ops.transpose(planes, _ints(0, 2, 3, 1)), _ints(1, -1, channels), False)
    made = winograd_conv(places.output(0), (side, side), weight.numpy())
    made = ops.prelu(ops.add(made, _constant(bias.view(1, 1, -1))), slope)
    return ops.transpose(
        ops.reshape(made, _ints(1, side, side, len(weight)), False), _ints(0, 3, 1, 2)
    )


def _enlarged(planes: ov.Node, weight: Tensor, bias: Tensor) -> ov.Node:
    """The transposed convolution as an ordinary one that makes four pixels of each: OpenVINO
    computes that faster."""
    channels = weight.shape[0]
    kernels = torch.zeros(COLOURS, SCALE, SCALE, channels, 3, 3)
    for down, rows in enumerate(TAPS):
        for across, columns in enumerate(TAPS):
            for y, row in enumerate(rows):
                for x, column in enumerate(columns):
                    if row is not None and column is not None:
                        kernels[:, down, across, :, y, x] = weight[:, :, row, column].T
    kernels = kernels.reshape(COLOURS * SCALE**2, channels, 3, 3)
    made = ops.convolution(planes, _constant(kernels), [1, 1], [1, 1], [1, 1], [1, 1])
    made = ops.add(made, _constant(bias.repeat_interleave(SCALE**2).view(1, -1, 1, 1)))
    return ops.depth_to_space(made, "depth_first", SCALE)


def _constant(values: Tensor) -> ov.Node:
    return ops.constant(np.ascontiguousarray(values.numpy()))


def _ints(*values: int) -> ov.Node:
    return ops.constant(np.array(values, np.int64))
