"""The OpenVINO model of the network that enlarges.

Each layer computes what the next one needs and no more: two rows and columns less than the one
before. Winograd's convolutions work on whole tiles of 4 pixels and may compute up to three rows and
columns beyond that; what stands there is wrong, and nobody reads it. What they make stays in the
order in which they make it: the next layer knows where each pixel is. All that follows the last one
is done while its rows are still in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from torch import Tensor

from gpen_webui.engines.openvino.nodes import constant, ints, reshape
from gpen_webui.engines.openvino.winograd import (
    TILE,
    places_in_bands,
    winograd_bands,
    winograd_pays,
)
from gpen_webui.enlarging.recognise import COLOURS
from gpen_webui.enlarging.upconv import SCALE, SLOPE, UpConv

# Which rows of the 4x4 kernel make output row 2i + a, and of which input row, seen from i: for
# a = 0 and 1. The same holds for columns.
KERNEL = 4
TAPS = (((0, 1), (-1, 3)), ((1, 0), (0, 2)))

# A quarter of what suits GPEN: measured, a twentieth less time than with half of that.
BAND_BYTES = 5 << 18

Finish = Callable[[ov.Node], ov.Node]


@dataclass(frozen=True)
class _Layer:
    """What a layer makes: values (1,N,C), and where in them each of its pixels is: numbers (H,W).
    good: how many rows and columns of those are right."""

    values: ov.Node
    numbers: np.ndarray
    good: int

    @property
    def pictures(self) -> ov.Node:
        """The good ones, (1,C,good,good)."""
        numbers = self.numbers[: self.good, : self.good]
        values = self.values
        if not np.array_equal(numbers.reshape(-1), np.arange(values.get_output_shape(0)[1])):
            places = ops.constant(np.ascontiguousarray(numbers, np.int32).reshape(-1))
            values = ops.gather(values, places, ints(1))
        rows = reshape(values, 1, self.good, self.good, -1)
        return ops.transpose(rows, ints(0, 3, 1, 2))


def build_enlarging_model(network: UpConv, side: int, *, direct: bool) -> ov.Model:
    """The model of `network` for one tile (1,3,side,side).

    direct: all convolutions as they are, for computing in 16 bits.
    """
    tile = ops.parameter([1, network.inputs, side, side], np.float32, name="tile")
    layer = _layer_of(tile)
    tensors = network.state_dict()
    shares = shares_of(tensors["enlarge.weight"])
    layers = layers_of(network)
    for number, (weight, bias) in enumerate(layers, start=1):
        finish = _finish(bias, shares if number == len(layers) else None)
        layer = _convolved(layer, weight, finish, direct=direct)
    made = meeting(layer.pictures, tensors["enlarge.bias"])
    return ov.Model([made], [tile], "enlarging")


def layers_of(network: UpConv) -> list[tuple[Tensor, Tensor]]:
    """The weights and the bias of each convolution."""
    tensors = network.state_dict()
    return [
        (tensors[f"convolutions.{number}.weight"], tensors[f"convolutions.{number}.bias"])
        for number in range(len(network.convolutions))
    ]


def _layer_of(pictures: ov.Node) -> _Layer:
    """Of (1,C,S,S)."""
    _, channels, side, _ = pictures.get_output_shape(0)
    values = reshape(ops.transpose(pictures, ints(0, 2, 3, 1)), 1, -1, channels)
    return _Layer(values, np.arange(side * side).reshape(side, side), side)


def _convolved(layer: _Layer, weight: Tensor, finish: Finish, *, direct: bool) -> _Layer:
    """By a kernel of 3x3, without padding. finish: done to what comes of it, channels last."""
    channels = weight.shape[1]
    good = layer.good - 2
    side = -(-good // TILE) * TILE
    if direct or not winograd_pays((1, channels, side, side), tuple(weight.shape)):
        made = ops.convolution(layer.pictures, constant(weight), [1, 1], [0, 0], [0, 0], [1, 1])
        plain = _layer_of(made)
        return _Layer(finish(plain.values), plain.numbers, good)
    numbers = layer.numbers[: layer.good, : layer.good]
    bands = winograd_bands(
        layer.values.output(0),
        numbers,
        weight.numpy(),
        begin=0,
        result=(side, side),
        band_bytes=BAND_BYTES,
    )
    parts = [reshape(finish(band.values), 1, band.rows * side, -1) for band in bands]
    return _Layer(ops.concat(parts, 1), places_in_bands(bands, side), good)


def _finish(bias: Tensor, product: Tensor | None) -> Finish:
    """Adds the bias, lets little of what is below zero through, and multiplies by `product`."""

    def finish(values: ov.Node) -> ov.Node:
        values = ops.add(values, constant(bias.view(1, 1, -1)))
        values = ops.prelu(values, ops.constant(np.array([SLOPE], np.float32)))
        return values if product is None else ops.matmul(values, constant(product), False, False)

    return finish


def shares_of(weight: Tensor) -> Tensor:
    """The transposed convolution as a product: each pixel's share in the 4x4 pixels that it
    reaches. weight (C,3,4,4) -> (C,48), by row, column and colour."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def meeting(shares: ov.Node, bias: Tensor) -> ov.Node:
    """The shares (1,48,h,w) that meet in a pixel, added up: (1,3,2(h-2),2(w-2)).

    A convolution of ones and zeros, which gives the four pixels that each becomes as channels.
    """
    ones = torch.zeros(SCALE**2 * COLOURS, KERNEL**2 * COLOURS, 3, 3)
    phases = [(rows, columns) for rows in TAPS for columns in TAPS]
    for phase, (rows, columns) in enumerate(phases):
        for down, row in rows:
            for across, column in columns:
                for colour in range(COLOURS):
                    share = COLOURS * (KERNEL * row + column) + colour
                    ones[COLOURS * phase + colour, share, 1 + down, 1 + across] = 1
    made = ops.convolution(shares, constant(ones), [1, 1], [0, 0], [0, 0], [1, 1])
    made = ops.add(made, constant(bias.repeat(SCALE**2).view(1, -1, 1, 1)))
    return ops.depth_to_space(made, "blocks_first", SCALE)
