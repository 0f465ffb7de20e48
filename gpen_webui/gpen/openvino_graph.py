"""Turns a PyTorch network into an OpenVINO model by running its own `forward`.

The network is called with a `Traced` tensor instead of a real one. PyTorch hands every
operation that meets such a tensor to `Traced.__torch_function__`, which adds the matching
OpenVINO node; operations on weights alone run in PyTorch as always and so arrive here as
finished constants. There is no second description of the network to keep in step, and it
takes a fraction of the time of `torch.export` followed by `openvino.convert_model`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from torch import Tensor, nn


def build_model(network: nn.Module, shape: tuple[int, ...]) -> ov.Model:
    """The OpenVINO model of `network` for one float32 input of the given, fixed shape.

    Raises NotImplementedError where the network uses an operation that is not known here.
    """
    crops = ops.parameter(list(shape), np.float32, name="crops")
    with torch.inference_mode():
        restored = network(Traced(crops.output(0)))
    return ov.Model([restored.output.node], [crops], "gpen")


class Traced:
    """Stands for a tensor that is known only when the model runs."""

    def __init__(self, output: ov.Output):
        self.output = output

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.output.get_shape())

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None) -> Traced:
        return _apply(function.__name__, *args, **(kwargs or {}))

    def __getattr__(self, name: str) -> Callable[..., Traced]:
        return lambda *args, **kwargs: _apply(name, self, *args, **kwargs)

    def __add__(self, other: Traced | Tensor) -> Traced:
        return _apply("add", self, other)

    def __mul__(self, other: Traced | Tensor | float) -> Traced:
        return _apply("mul", self, other)

    def __matmul__(self, other: Tensor) -> Traced:
        return _apply("matmul", self, other)

    def __getitem__(self, index: tuple) -> Traced:
        """Only what modulation needs: new axes after all others, `x[:, :, None, None]`."""
        if index != (slice(None),) * self.ndim + (None,) * (len(index) - self.ndim):
            raise NotImplementedError(f"indexing by {index}")
        return _apply("view", self, *self.shape, *(1,) * (len(index) - self.ndim))


def _apply(name: str, *args, **kwargs) -> Traced:
    try:
        operation = OPERATIONS[name.strip("_")]
    except KeyError:
        raise NotImplementedError(f"no OpenVINO form of the operation {name}") from None
    return Traced(operation(*args, **kwargs).output(0))


def _node(value: Traced | Tensor | float) -> ov.Output | ov.Node:
    """The graph's value of an operand: a traced one's, or a constant."""
    if isinstance(value, Traced):
        return value.output
    if isinstance(value, Tensor):
        return ops.constant(np.ascontiguousarray(value.numpy()))
    return ops.constant(np.float32(value))


def _conv2d(x: Traced, weight: Tensor, stride: int = 1, padding: int = 0, groups: int = 1):
    geometry = ([stride] * 2, [padding] * 2, [padding] * 2, [1, 1])
    if groups == 1:
        return ops.convolution(x.output, _node(weight), *geometry)
    return ops.group_convolution(x.output, _node(_grouped(weight, groups)), *geometry)


def _conv_transpose2d(
    x: Traced, weight: Tensor, stride: int = 1, padding: int = 0, groups: int = 1
):
    geometry = {
        "strides": [stride] * 2,
        "pads_begin": [padding] * 2,
        "pads_end": [padding] * 2,
        "dilations": [1, 1],
    }
    if groups == 1:
        return ops.convolution_backprop_data(x.output, _node(weight), **geometry)
    weight = _node(_grouped(weight, groups))
    return ops.group_convolution_backprop_data(x.output, weight, **geometry)


def _grouped(weight: Tensor, groups: int) -> Tensor:
    return weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])


def _linear(x: Traced, weight: Tensor, bias: Tensor | None = None):
    product = ops.matmul(x.output, _node(weight), False, True)
    return product if bias is None else ops.add(product, _node(bias))


def _pad(x: Traced, pad: tuple[int, ...], mode: str = "constant", value: float | None = None):
    """With zeros. pad: (before, after) of the last dimension, then the one before it, ..."""
    if mode != "constant" or value:
        raise NotImplementedError(f"padding with {mode} {value}")
    before, after = [0] * x.ndim, [0] * x.ndim
    for distance, (begin, end) in enumerate(zip(pad[::2], pad[1::2], strict=True), start=1):
        before[-distance], after[-distance] = begin, end
    return ops.pad(x.output, before, after, "constant", _node(0.0))


def _view(x: Traced, *shape: int):
    return ops.reshape(x.output, list(shape), False)


def _mean(x: Traced, dim: int, keepdim: bool = False):
    return ops.reduce_mean(x.output, [dim], keepdim)


def _leaky_relu(x: Traced, negative_slope: float, inplace: bool = False):
    return ops.prelu(x.output, _node(negative_slope))


OPERATIONS: dict[str, Callable[..., ov.Node]] = {
    "add": lambda a, b: ops.add(_node(a), _node(b)),
    "mul": lambda a, b: ops.multiply(_node(a), _node(b)),
    "rmul": lambda a, b: ops.multiply(_node(b), _node(a)),
    "matmul": lambda a, b: ops.matmul(_node(a), _node(b), False, False),
    "square": lambda x: ops.multiply(x.output, x.output),
    "rsqrt": lambda x: ops.power(x.output, _node(-0.5)),
    "mean": _mean,
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "cat": lambda tensors, dim=0: ops.concat([_node(tensor) for tensor in tensors], dim),
    "pad": _pad,
    "view": _view,
    "flatten": lambda x, start: _view(x, *x.shape[:start], -1),
}
