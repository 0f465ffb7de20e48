"""Turns a network of plain convolutions into an OpenVINO model by running its own `forward`.

As in `graph.py`, but channels come first all the way: networks that do nothing but convolve, join
and add need no rearranging between their layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from torch import Tensor, nn

from gpen_webui.engines.openvino.nodes import constant, ints

HEIGHT, WIDTH = 2, 3


def build_planes_model(network: nn.Module) -> ov.Model:
    """The model of `network` for one tile (1,3,h,w) float32, of any size. Raises
    NotImplementedError where the network uses an operation that is not known here."""
    tile = ops.parameter(ov.PartialShape([1, 3, -1, -1]), np.float32, name="tile")
    with torch.inference_mode():
        made = network(Planes(tile))
    return ov.Model([made.output], [tile], "enlarging")


class Planes:
    """Stands for a tensor (1,C,H,W) that is known only when the model runs."""

    def __init__(self, node: ov.Node):
        self.output = node.output(0)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None) -> Planes:
        try:
            operation = OPERATIONS[function.__name__]
        except KeyError:
            name = function.__name__
            raise NotImplementedError(f"no OpenVINO form of the operation {name}") from None
        return Planes(operation(*args, **(kwargs or {})))

    def __add__(self, other: Planes) -> Planes:
        return Planes(ops.add(self.output, other.output))

    def __mul__(self, factor: float) -> Planes:
        return Planes(ops.multiply(self.output, ops.constant(np.float32(factor))))

    def __getitem__(self, index: tuple[slice, slice, slice, slice]) -> Planes:
        """Only a part of the rows and columns: `x[:, :, a:-b, c:-d]`."""
        _, _, rows, columns = index
        begins, ends = (rows.start, columns.start), (rows.stop, columns.stop)
        return Planes(
            ops.slice(self.output, ints(*begins), ints(*ends), ints(1, 1), ints(HEIGHT, WIDTH))
        )


def _conv2d(
    x: Planes,
    weight: Tensor,
    bias: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> ov.Node:
    if groups != 1:
        raise NotImplementedError(f"a convolution in {groups} groups")
    pads = list(padding)
    made = ops.convolution(x.output, constant(weight), list(stride), pads, pads, list(dilation))
    return ops.add(made, constant(bias.view(1, -1, 1, 1)))


def _interpolate(
    x: Planes, size: None = None, scale_factor: int = 2, mode: str = "nearest", **_: object
) -> ov.Node:
    """Only pixels repeated."""
    if mode != "nearest" or size is not None:
        raise NotImplementedError(f"enlarging with {mode} to {size}")
    return ops.interpolate(
        x.output,
        ops.constant(np.full(2, scale_factor, np.float32)),
        "nearest",
        "scales",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        axes=ints(HEIGHT, WIDTH),
    )


def _leaky_relu(x: Planes, negative_slope: float, inplace: bool = False) -> ov.Node:
    return ops.prelu(x.output, ops.constant(np.array([negative_slope], np.float32)))


OPERATIONS: dict[str, Callable[..., ov.Node]] = {
    "conv2d": _conv2d,
    "leaky_relu": _leaky_relu,
    "prelu": lambda x, slopes: ops.prelu(x.output, constant(slopes)),
    "cat": lambda parts, dim: ops.concat([part.output for part in parts], dim),
    "interpolate": _interpolate,
    "pixel_shuffle": lambda x, side: ops.depth_to_space(x.output, "depth_first", side),
    "pixel_unshuffle": lambda x, side: ops.space_to_depth(x.output, "depth_first", side),
}
