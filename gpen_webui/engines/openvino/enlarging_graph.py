"""The OpenVINO model of the network that enlarges.

Each layer computes what the next one needs and no more: two rows and columns less than the one
before. Winograd's convolutions work on whole tiles of 4 pixels and may compute up to three rows and
columns beyond that; what stands there is wrong, and nobody reads it.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from torch import Tensor

from gpen_webui.engines.openvino.winograd import TILE, winograd_part, winograd_pays
from gpen_webui.enlarging.upconv import COLOURS, MARGIN, SCALE, SLOPE, UpConv

# Which rows of the 4x4 kernel make output row 2i + a, and of which input row, seen from i: for
# a = 0 and 1. The same holds for columns.
KERNEL = 4
TAPS = (((0, 1), (-1, 3)), ((1, 0), (0, 2)))


def build_enlarging_model(network: UpConv, side: int, *, direct: bool) -> ov.Model:
    """The model of `network` for one tile (1,3,side,side).

    direct: all convolutions as they are, for computing in 16 bits.
    """
    tile = ops.parameter([1, network.inputs, side, side], np.float32, name="tile")
    places = ops.reshape(
        ops.transpose(tile, _ints(0, 2, 3, 1)), _ints(1, -1, network.inputs), False
    )
    layer = _Layer(places, side, side)
    tensors = network.state_dict()
    for number in range(len(network.convolutions)):
        name = f"convolutions.{number}"
        layer = layer.convolved(tensors[f"{name}.weight"], tensors[f"{name}.bias"], direct=direct)
    made = _enlarged(layer, tensors["enlarge.weight"], tensors["enlarge.bias"], side - 2 * MARGIN)
    return ov.Model([made], [tile], "enlarging")


class _Layer:
    """What a layer makes: (1,side*side,C), of which the first `good` rows and columns are right."""

    def __init__(self, places: ov.Node, side: int, good: int):
        self.places, self.side, self.good = places, side, good

    @property
    def pictures(self) -> ov.Node:
        """Channels first."""
        channels = self.places.get_output_shape(0)[-1]
        rows = ops.reshape(self.places, _ints(1, self.side, self.side, channels), False)
        return ops.transpose(rows, _ints(0, 3, 1, 2))

    def convolved(self, weight: Tensor, bias: Tensor, *, direct: bool) -> _Layer:
        """By a kernel of 3x3, without padding."""
        outputs, channels = weight.shape[:2]
        good = self.good - 2
        side = -(-good // TILE) * TILE
        if direct or not winograd_pays((1, channels, side, side), tuple(weight.shape)):
            side = self.side - 2
            made = ops.convolution(self.pictures, _constant(weight), [1, 1], [0, 0], [0, 0], [1, 1])
            made = _rectified(ops.add(made, _constant(bias.view(1, -1, 1, 1))))
            places = ops.transpose(made, _ints(0, 2, 3, 1))
            return _Layer(ops.reshape(places, _ints(1, -1, outputs), False), side, good)
        made = winograd_part(
            self.places.output(0),
            (self.side, self.side),
            weight.numpy(),
            begin=0,
            result=(side, side),
        )
        return _Layer(_rectified(ops.add(made, _constant(bias.view(1, 1, -1)))), side, good)


def _rectified(values: ov.Node) -> ov.Node:
    return ops.prelu(values, ops.constant(np.array([SLOPE], np.float32)))


def _enlarged(layer: _Layer, weight: Tensor, bias: Tensor, inner: int) -> ov.Node:
    """The transposed convolution, without the rim: each pixel's share in the 4x4 pixels that it
    reaches is a product, and those that meet are added up."""
    channels = weight.shape[0]
    kernels = weight.permute(2, 3, 1, 0).reshape(-1, channels, 1, 1)
    shares = ops.convolution(layer.pictures, _constant(kernels), [1, 1], [0, 0], [0, 0], [1, 1])
    phases = []
    for rows in TAPS:
        for columns in TAPS:
            met = [
                _shares_of(shares, KERNEL * row + column, (down, across), inner)
                for down, row in rows
                for across, column in columns
            ]
            phases.append(reduce(ops.add, met))
    made = ops.add(ops.concat(phases, 1), _constant(bias.repeat(SCALE**2).view(1, -1, 1, 1)))
    return ops.depth_to_space(made, "blocks_first", SCALE)


def _shares_of(shares: ov.Node, place: int, shift: tuple[int, int], inner: int) -> ov.Node:
    """The colours of one place of the kernel, of the pixels that lie so far down and across from
    those of which something is made; these begin one row and column from the rim."""
    first = COLOURS * place, *(1 + by for by in shift)
    ends = COLOURS * (place + 1), *(1 + inner + by for by in shift)
    return ops.slice(shares, _ints(*first), _ints(*ends), _ints(1, 1, 1), _ints(1, 2, 3))


def _constant(values: Tensor) -> ov.Node:
    return ops.constant(np.ascontiguousarray(values.numpy()))


def _ints(*values: int) -> ov.Node:
    return ops.constant(np.array(values, np.int64))
