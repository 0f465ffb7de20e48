"""Turns a PyTorch network into an OpenVINO model by running its own `forward`.

The network is called with a `Traced` tensor instead of a real one. PyTorch hands every
operation that meets such a tensor to `Traced.__torch_function__`, which adds the matching
OpenVINO node; operations on weights alone run in PyTorch as always and so arrive here as
finished constants. There is no second description of the network to keep in step, and it
takes a fraction of the time of `torch.export` followed by `openvino.convert_model`.

Inside the graph, channels come last: PyTorch's (B,C,H,W) is kept as (B,H,W,C) and (B,C,N) as
(B,N,C). That is how OpenVINO's convolutions compute on a CPU anyway, and said openly it also
lets everything between them work without rearranging a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from torch import Tensor, nn

from gpen_webui.engines.openvino.nodes import constant, ints, reshape
from gpen_webui.engines.openvino.winograd import winograd_conv, winograd_pays

TO_CHANNELS_LAST, TO_CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
UPSAMPLED_BYTES = 4 << 20  # of what is convolved at once


def build_model(network: nn.Module, shape: tuple[int, ...], *, direct: bool = False) -> ov.Model:
    """The OpenVINO model of `network` for one float32 input of the given, fixed shape.

    direct: write convolutions in the forms that tile instructions are good at; the
    numbers stay those of float32. Raises NotImplementedError where the network uses an operation
    that is not known here.
    """
    crops = ops.parameter(list(shape), np.float32, name="crops")
    chosen = _operations.set(OPERATIONS | DIRECT_OPERATIONS if direct else OPERATIONS)
    try:
        with torch.inference_mode():
            restored = network(Picture(crops.output(0)))
    finally:
        _operations.reset(chosen)
    return ov.Model([restored.pictures], [crops], "gpen")


class Traced:
    """Stands for a tensor that is known only when the model runs.

    output: its value in the graph, with channels last. shape: as PyTorch has it.
    """

    def __init__(self, output: ov.Output, size: tuple[int, int] | None = None):
        self._output = output
        self._size = size

    @property
    def output(self) -> ov.Output:
        return self._output

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width, where it has four dimensions."""
        return self._size

    @property
    def shape(self) -> tuple[int, ...]:
        shape = tuple(self.output.get_shape())
        if len(shape) < 3:
            return shape
        batch, places, channels = shape
        return (batch, channels, *(self.size or (places,)))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def pictures(self) -> ov.Output:
        """A four-dimensional value, channels first."""
        batch, channels, height, width = self.shape
        places = reshape(self.output, batch, height, width, channels)
        return ops.transpose(places, ints(*TO_CHANNELS_FIRST)).output(0)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None) -> Traced:
        return _apply(function.__name__, *args, **(kwargs or {}))

    def __getattr__(self, name: str) -> Callable[..., Traced]:
        return lambda *args, **kwargs: _apply(name, self, *args, **kwargs)

    def __add__(self, other: Traced | Tensor) -> Traced:
        return _apply("add", self, other)

    def __mul__(self, other: Traced | Tensor | float) -> Traced:
        return _apply("mul", self, other)

    def __rmul__(self, other: Tensor) -> Traced:
        return _apply("mul", other, self)

    def __matmul__(self, other: Traced | Tensor) -> Traced:
        return _apply("matmul", self, other)

    def __getitem__(self, index: tuple) -> Traced:
        """Only what modulation needs: `x[:, :, None, None]` and `x[:, None]` of (B,C)."""
        every = slice(None)
        batch, channels = self.shape[:2]
        if self.ndim == 2 and index == (every, every, None, None):
            return Traced(reshape(self.output, batch, 1, channels).output(0), (1, 1))
        if self.ndim == 2 and index == (every, None):
            return Traced(reshape(self.output, batch, channels, 1).output(0))
        raise NotImplementedError(f"indexing by {index}")


def _apply(name: str, *args, **kwargs) -> Traced:
    try:
        operation = _operations.get()[name.strip("_")]
    except KeyError:
        raise NotImplementedError(f"no OpenVINO form of the operation {name}") from None
    result = operation(*args, **kwargs)
    return result if isinstance(result, Traced) else Traced(result.output(0))


class Picture(Traced):
    """Four dimensions, channels first: what a convolution takes and gives.

    spare: how many rows and columns of zeros lie beyond the end, for padding to use.
    """

    def __init__(self, pictures: ov.Output | ov.Node, spare: int = 0):
        self._pictures = pictures.output(0) if isinstance(pictures, ov.Node) else pictures
        self.spare = spare

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._pictures.get_shape())

    @property
    def size(self) -> tuple[int, int]:
        _, _, height, width = self.shape
        return height, width

    @property
    def pictures(self) -> ov.Output:
        return self._pictures

    @property
    def output(self) -> ov.Output:
        batch, channels, height, width = self.shape
        places = ops.transpose(self._pictures, ints(*TO_CHANNELS_LAST))
        return reshape(places.output(0), batch, height * width, channels).output(0)


def _node(value: Traced | Tensor | float, ndim: int = 0) -> ov.Output | ov.Node:
    """An operand's value in the graph, next to another operand of `ndim` dimensions."""
    if isinstance(value, Traced):
        return value.output
    if not isinstance(value, Tensor):
        return ops.constant(np.float32(value))
    numbers = value.numpy()
    ndim = max(ndim, numbers.ndim)
    if ndim >= 3:
        numbers = numbers.reshape((1,) * (ndim - numbers.ndim) + numbers.shape)
        numbers = np.moveaxis(numbers, 1, -1).reshape(numbers.shape[0], -1, numbers.shape[1])
    return ops.constant(np.ascontiguousarray(numbers))


def _elementwise(operation: Callable[..., ov.Node]) -> Callable[..., Traced]:
    def apply(a: Traced | Tensor | float, b: Traced | Tensor | float) -> Traced:
        x = next(value for value in (a, b) if isinstance(value, Traced))
        other = b if x is a else a
        if isinstance(x, Picture) and not isinstance(other, Traced):
            # A constant: part of the convolution that made the picture.
            factor = constant(other) if isinstance(other, Tensor) else _node(other)
            return Picture(operation(x.pictures, factor))
        result = operation(_node(a, x.ndim), _node(b, x.ndim)).output(0)
        if x.ndim != 4:
            return Traced(result)
        pictures = [value for value in (a, b) if isinstance(value, Traced | Tensor)]
        height, width = max(tuple(value.shape[2:]) for value in pictures if value.ndim == 4)
        return Traced(result, (height, width))

    return apply


def _matmul(a: Traced | Tensor, b: Traced | Tensor) -> ov.Node:
    if a.ndim == 2:
        return ops.matmul(_node(a), _node(b), False, False)
    return ops.matmul(_node(b), _node(a), False, False)  # (AB)' = B'A'


def _conv2d(
    x: Traced, weight: Tensor, stride: int = 1, padding: int = 0, groups: int = 1
) -> Traced:
    if groups == 1 and (stride, padding) == (1, 1) and winograd_pays(x.shape, weight.shape):
        height, width = x.shape[2:]
        return Traced(winograd_conv(x.output, (height, width), weight.numpy()), x.size)
    return _direct_conv2d(x, weight, stride, padding, groups)


def _direct_conv2d(
    x: Traced, weight: Tensor, stride: int = 1, padding: int = 0, groups: int = 1
) -> Picture:
    geometry = ([stride] * 2, [padding] * 2, [padding] * 2, [1, 1])
    if groups == 1:
        return Picture(ops.convolution(x.pictures, constant(weight), *geometry))
    weight = constant(_grouped(weight, groups))
    return Picture(ops.group_convolution(x.pictures, weight, *geometry))


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
        if (stride, padding, *weight.shape[2:]) == (2, 0, 3, 3):
            return _upsampled_in_bands(x, weight)
        return Picture(ops.convolution_backprop_data(x.pictures, constant(weight), **geometry))
    weight = constant(_grouped(weight, groups))
    return Picture(ops.group_convolution_backprop_data(x.pictures, weight, **geometry))


def _upsampled_in_bands(x: Traced, weight: Tensor) -> Picture:
    """3x3 with stride 2 by bands of the input's rows, which gives the same numbers.

    For each of its threads OpenVINO sets aside as much memory as all that is convolved at once:
    130 MB for GPEN-BFR-512. Output rows 2i and 2i+1 are made from input rows i-1 and i.
    """
    channels, height, width = x.shape[1:]
    kernel = constant(weight)
    bands = max(1, min(height, math.ceil(height * width * channels * 4 / UPSAMPLED_BYTES)))
    parts = []
    for rows in np.array_split(np.arange(height), bands):
        begin, end = int(rows[0]), int(rows[-1]) + 1
        above = int(begin > 0)
        lines = x.output
        if bands > 1:
            limits = (ints((begin - above) * width), ints(end * width))
            lines = ops.slice(lines, *limits, ints(1), ints(1)).output(0)
        band = Traced(lines, (end - begin + above, width)).pictures
        crop = {"pads_begin": [2 * above, 0], "pads_end": [int(end < height), 0]}
        step = {"strides": [2, 2], "dilations": [1, 1]}
        parts.append(ops.convolution_backprop_data(band, kernel, **step, **crop))
    return Picture(parts[0] if bands == 1 else ops.concat(parts, 2))


def _conv_transpose2d_by_rows(
    x: Traced, weight: Tensor, stride: int = 1, padding: int = 0, groups: int = 1
) -> Picture:
    """3x3 with stride 2 as two ordinary convolutions, which tile instructions compute.

    Output row 2i is made from input rows i-1 and i, row 2i+1 from row i alone; each of the two
    convolutions makes the even and the odd columns of its rows as separate channels, which in
    memory are then neighbours in the right order. A last row and column are zero: `spare`.
    """
    if (stride, padding, groups, *weight.shape[2:]) != (2, 0, 1, 3, 3):
        return _conv_transpose2d(x, weight, stride, padding, groups)
    batch, _, height, width = x.shape
    outputs = weight.shape[1]
    kernel = weight.permute(1, 0, 2, 3)  # (outputs, channels, 3, 3)
    even = torch.stack((kernel[..., 2], kernel[..., 0]), -1)  # of columns j-1 and j
    odd = torch.stack((torch.zeros_like(kernel[..., 1]), kernel[..., 1]), -1)
    columns = torch.cat((even, odd))  # (2*outputs, channels, 3, 2)
    rows = [
        ops.convolution(x.pictures, constant(taps), [1, 1], [top, 1], [1, 1], [1, 1])
        for taps, top in ((columns[:, :, [2, 0]], 1), (columns[:, :, [1]], 0))
    ]
    shape = (batch, height + 1, 1, (width + 1) * 2 * outputs)
    lines = [reshape(Picture(row).output, *shape) for row in rows]
    size = (2 * height + 2, 2 * width + 2)
    places = reshape(ops.concat(lines, 2).output(0), batch, size[0] * size[1], outputs)
    return Picture(Traced(places.output(0), size).pictures, spare=1)


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
        before[-distance], after[-distance] = begin, end - getattr(x, "spare", 0)
    # Channels first: only there OpenVINO makes the padding part of the convolution after it.
    return Picture(ops.pad(x.pictures, before, after, "constant", _node(0.0)))


def _flatten(x: Traced, start: int) -> ov.Node:
    batch, channels, height, width = x.shape
    if start == 1:
        return reshape(x.pictures, batch, channels * height * width)
    return reshape(x.output, batch, height * width, channels)


def _unflatten(x: Traced, dimension: int, sizes: tuple[int, int]) -> Traced:
    """Only (B,C,H*W) -> (B,C,H,W)."""
    height, width = sizes
    return Traced(x.output, (height, width))


def _cat(tensors: tuple[Traced, ...], dim: int = 0) -> Traced:
    """Only of channels."""
    joined = ops.concat([tensor.output for tensor in tensors], -1)
    return Traced(joined.output(0), tensors[0].size)


def _mean(x: Traced, dim: int, keepdim: bool = False):
    return ops.reduce_mean(x.output, [dim], keepdim)


def _leaky_relu(x: Traced, negative_slope: float, inplace: bool = False) -> Traced:
    slope = _node(negative_slope)
    if isinstance(x, Picture):
        return Picture(ops.prelu(x.pictures, slope))
    return Traced(ops.prelu(x.output, slope).output(0), x.size)


OPERATIONS: dict[str, Callable[..., ov.Node | Traced]] = {
    "add": _elementwise(ops.add),
    "mul": _elementwise(ops.multiply),
    "rmul": _elementwise(ops.multiply),
    "matmul": _matmul,
    "square": lambda x: ops.multiply(x.output, x.output),
    "rsqrt": lambda x: ops.power(x.output, _node(-0.5)),
    "mean": _mean,
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "cat": _cat,
    "pad": _pad,
    "flatten": _flatten,
    "unflatten": _unflatten,
}
DIRECT_OPERATIONS = {"conv2d": _direct_conv2d, "conv_transpose2d": _conv_transpose2d_by_rows}
_operations: ContextVar[dict[str, Callable[..., ov.Node | Traced]]] = ContextVar("operations")
