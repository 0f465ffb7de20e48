"""A convolutional network in 8 bits, by the ranges of its values, measured beforehand.

Values and weights are rounded to 256 steps (Jacob et al., arXiv:1712.05877): values by the range
of their whole tensor, weights by that of each output channel. OpenVINO computes what lies between
two such roundings in whole numbers. What is not named, and every upsampling, stays in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import openvino as ov
import openvino.opset13 as ops

STEPS, WEIGHT_STEPS = 256, 255  # of a range; weights are symmetric
BITS_OF_PIXELS = (0.0, 255.0)
EIGHT_BIT_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}  # processors that gain by it have one
Range = tuple[float, float]
Limits = Callable[[np.ndarray], np.ndarray]


def _largest(weights: np.ndarray) -> np.ndarray:
    return np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)


def places_to_round(model: ov.Model) -> list[ov.Node]:
    """The operations whose results are rounded: all that leads to another convolution."""
    places = []
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Relu" or (kind == "Add" and _goes_on(node)):
            places.append(node)
    return places


def to_eight_bits(model: ov.Model, ranges: Mapping[str, Range]) -> None:
    """Change a network that takes pixels from 0 to 255, by the ranges of its values.

    ranges: of each of `places_to_round`, by its name. Raises KeyError where they are of another
    network.
    """
    for node in places_to_round(model):
        lowest, highest = ranges[node.get_friendly_name()]
        if node.get_type_name() == "Relu":
            _round(node.output(0), 0.0, highest)
        else:
            most = max(-lowest, highest)
            _round(node.output(0), -most, most * (STEPS / 2 - 1) / (STEPS / 2))
    _round(model.input(0), *BITS_OF_PIXELS)
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("Convolution", "GroupConvolution"):
            round_weights(node)
    model.validate_nodes_and_infer_types()


def _goes_on(add: ov.Node) -> bool:
    """Whether a sum is more than the first half of an activation or the end of the network."""
    kinds = {target.get_node().get_type_name() for target in add.output(0).get_target_inputs()}
    return kinds != {"Relu"} and not kinds & {"Result", "Sigmoid"}


def rounded(values: ov.Output | ov.Node, lowest: float, highest: float) -> ov.Node:
    """Values of any shape, in steps of a range."""
    low, high = (ops.constant(np.float32(limit)) for limit in (lowest, highest))
    return ops.fake_quantize(values, low, high, low, high, STEPS)


def _round(values: ov.Output, lowest: float, highest: float) -> None:
    targets = list(values.get_target_inputs())
    result = rounded(values, lowest, highest)
    for target in targets:
        target.replace_source_output(result.output(0))


def round_weights(convolution: ov.Node, limits: Limits = _largest) -> None:
    """Change the weights of a convolution, constants, to those of 8 bits. limits: the largest that
    stay as they are, of weights (O,...) -> (O,1,...), above zero."""
    shape = convolution.input(1).get_shape()
    node = convolution.input(1).get_source_output().get_node()
    while node.get_type_name() != "Constant":  # of a convolution in groups it is reshaped
        node = node.input(0).get_source_output().get_node()
    weights = node.data.astype(np.float32).reshape(shape)
    most = np.maximum(limits(weights), np.finfo(np.float32).tiny)
    low, high = ops.constant(-most), ops.constant(most)
    result = ops.fake_quantize(ops.constant(weights), low, high, low, high, WEIGHT_STEPS)
    convolution.input(1).replace_source_output(result.output(0))
