"""The OpenVINO model of the network that enlarges, its wide layers in 8 bits.

The layers of 64 inputs and more do 95 % of the work. Before them values are rounded to 256 steps of
the range that they have in real faces, good, small, noisy and grey; a few large weights are cut off
where that spares all others more than it costs, which brings 1 to 2 dB. What comes out stays in
float32 up to the end: rounded too, it would cost 2 to 4 dB.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from torch import Tensor
from torch.nn import functional

from gpen_webui.engines.openvino.eight_bits import (
    STEPS,
    WEIGHT_STEPS,
    Range,
    round_weights,
    rounded,
)
from gpen_webui.engines.openvino.enlarging_graph import layers_of, meeting, shares_of
from gpen_webui.engines.openvino.nodes import constant
from gpen_webui.engines.quality import many_crops
from gpen_webui.enlarging.upconv import SLOPE, UpConv

WIDE = 64  # inputs of a layer
SIDE_OF_CROPS = 160  # pixels; larger ones show no other values


def build_enlarging_in_eight_bits(network: UpConv, side: int) -> ov.Model:
    """The model of `network` for one tile (1,3,side,side)."""
    layers, tensors = layers_of(network), network.state_dict()
    tile = ops.parameter([1, network.inputs, side, side], np.float32, name="tile")
    values = tile
    for (weight, bias), limits in zip(layers, _ranges_before(layers), strict=True):
        is_wide = weight.shape[1] >= WIDE
        made = _convolved(_rounded(values, limits) if is_wide else values, weight)
        if is_wide:
            round_weights(made, _best_limits)
        made = ops.add(made, constant(bias.view(1, -1, 1, 1)))
        values = ops.prelu(made, ops.constant(np.array([SLOPE], np.float32)))
    shares = shares_of(tensors["enlarge.weight"]).T
    made = _convolved(values, shares.reshape(*shares.shape, 1, 1))
    return ov.Model([meeting(made, tensors["enlarge.bias"])], [tile], "enlarging")


def _convolved(values: ov.Node, weight: Tensor) -> ov.Node:
    return ops.convolution(values, constant(weight), [1, 1], [0, 0], [0, 0], [1, 1])


def _rounded(values: ov.Node, limits: Range) -> ov.Node:
    """In steps of which zero is one."""
    lowest, highest = limits
    step = (highest - lowest) / (STEPS - 1)
    below = round(-lowest / step)
    return rounded(values, -below * step, (STEPS - 1 - below) * step)


def _best_limits(weights: np.ndarray) -> np.ndarray:
    """The largest weight (O,1,1,1) of each output channel after which the rounded weights
    (O,C,3,3) are closest to what they were."""
    axes = (1, 2, 3)
    largest = np.abs(weights).max(axis=axes, keepdims=True)
    tried = [largest * share for share in np.linspace(0.5, 1, 26, dtype=np.float32)]
    most = WEIGHT_STEPS // 2
    errors = [
        np.square(
            np.clip(np.round(weights / limit * most), -most, most) * limit / most - weights
        ).sum(axis=axes, keepdims=True)
        for limit in (np.maximum(each, np.finfo(np.float32).tiny) for each in tried)
    ]
    return np.take_along_axis(np.stack(tried), np.argmin(errors, axis=0)[None], axis=0)[0]


@torch.inference_mode()
def _ranges_before(layers: list[tuple[Tensor, Tensor]]) -> list[Range]:
    """The lowest and highest value that goes into each layer."""
    found = [(0.0, 0.0)] * len(layers)
    for crop, _ in many_crops(SIDE_OF_CROPS):
        values = torch.from_numpy((crop[None] + 1) / 2)
        for number, (weight, bias) in enumerate(layers):
            lowest, highest = found[number]
            found[number] = min(lowest, values.min().item()), max(highest, values.max().item())
            values = functional.leaky_relu(functional.conv2d(values, weight, bias), SLOPE)
    return found
