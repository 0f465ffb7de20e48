"""The OpenVINO model of the network that enlarges.

It computes as many pixels as it is given, the margin included, so that Winograd's convolutions
with their whole tiles of 4 can do the work; the margin's are wrong and are cut off at the end.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from torch import Tensor

from gpen_webui.engines.openvino.winograd import winograd_conv, winograd_pays
from gpen_webui.enlarging.upconv import COLOURS, MARGIN, SCALE, SLOPE, UpConv

# Which rows of the 4x4 kernel make output row 2i + a, and of which input row, seen from i: for
# a = 0 and 1. The same holds for columns.
KERNEL = 4
TAPS = (((0, 1), (-1, 3)), ((1, 0), (0, 2)))


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
    inner = _enlarged(planes, tensors["enlarge.weight"], tensors["enlarge.bias"], side)
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


def _enlarged(planes: ov.Node, weight: Tensor, bias: Tensor, side: int) -> ov.Node:
    """The transposed convolution, without the margin: each pixel's share in the 4x4 pixels that it
    reaches is a product, and those that meet are added up."""
    channels = weight.shape[0]
    kernels = weight.permute(2, 3, 1, 0).reshape(-1, channels, 1, 1)
    shares = ops.convolution(planes, _constant(kernels), [1, 1], [0, 0], [0, 0], [1, 1])
    phases = []
    for rows in TAPS:
        for columns in TAPS:
            met = [
                _shares_of(shares, KERNEL * row + column, (down, across), side)
                for down, row in rows
                for across, column in columns
            ]
            phases.append(reduce(ops.add, met))
    made = ops.add(ops.concat(phases, 1), _constant(bias.repeat(SCALE**2).view(1, -1, 1, 1)))
    return ops.depth_to_space(made, "blocks_first", SCALE)


def _shares_of(shares: ov.Node, place: int, shift: tuple[int, int], side: int) -> ov.Node:
    """The colours of one place of the kernel, without the margin, of the pixels that lie so far
    down and across."""
    first = COLOURS * place, *(MARGIN + by for by in shift)
    ends = COLOURS * (place + 1), *(side - MARGIN + by for by in shift)
    return ops.slice(shares, _ints(*first), _ints(*ends), _ints(1, 1, 1), _ints(1, 2, 3))


def _constant(values: Tensor) -> ov.Node:
    return ops.constant(np.ascontiguousarray(values.numpy()))


def _ints(*values: int) -> ov.Node:
    return ops.constant(np.array(values, np.int64))
