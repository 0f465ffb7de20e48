"""ONNX graphs, read with the few parts of their format that weights need.

An ONNX file is one protobuf message (https://github.com/onnx/onnx, `onnx/onnx.proto`); fields are
read by their numbers there. The library `onnx` would bring 20 MB for the same.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gpen_webui.gpen.weight_files import MAX_CROP, MIN_CROP, CheckpointError

MAX_BYTES = 1 << 30
MAX_NODES = 50_000
NUMBERS = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16, 11: np.float64}
# Arithmetic, convolutions and rearrangement: nothing that loops, branches or reads files.
OPERATIONS = frozenset(
    "Abs Add AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv "
    "ConvTranspose Div Einsum Elu Equal Erf Exp Expand Flatten Floor Gather GatherElements Gelu "
    "Gemm GlobalAveragePool GreaterOrEqual HardSigmoid HardSwish Identity InstanceNormalization "
    "LayerNormalization LeakyRelu Less Log LpNormalization MatMul Max MaxPool Min Mul Neg Pad Pow "
    "PRelu Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceSum Relu Reshape Resize Shape "
    "Sigmoid Sign Sin Slice Softmax Softplus Split Sqrt Squeeze Sub Tanh Tile Transpose Unsqueeze "
    "Upsample Where ArgMax ArgMin Cos GroupNormalization DepthToSpace SpaceToDepth".split()
)
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

Value = int | memoryview  # of a field: a number, or its bytes
Attribute = float | tuple[int, ...] | np.ndarray | None


@dataclass(frozen=True)
class Node:
    """An operation. attributes: numbers, tuples of numbers, and tensors."""

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]


@dataclass
class Graph:
    """nodes: in the order in which they are computed. constants: tensors by name. inputs, outputs:
    shapes by name, with None for what is not fixed."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    inputs: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[int | None, ...]] = field(default_factory=dict)


def read_onnx(path: Path, name: str | None = None) -> Graph:
    """The graph of an ONNX file; nothing in it is run. name: what errors call it.

    Raises CheckpointError where it is damaged, too large, or keeps its weights elsewhere.
    """
    name = name or path.name
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{name} is larger than any model of faces; choose another file.")
        content = memoryview(path.read_bytes())
        graph = Graph()
        for number, value in _fields(content):
            if number == 7:
                _read_graph(_bytes(value), graph)
            elif number == 25:
                raise ValueError("it brings functions of its own")
    except OSError as error:
        raise CheckpointError(
            f"The weights {path} cannot be opened ({error.strerror}); check the path."
        ) from error
    except _ExternalData:
        raise CheckpointError(
            f"{name} keeps its weights in another file; save it anew as one file."
        ) from None
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as error:
        raise CheckpointError(
            f"{name} is damaged or no ONNX graph; fetch the file anew."
        ) from error
    if not graph.nodes:
        raise CheckpointError(f"{name} is damaged or no ONNX graph; fetch the file anew.")
    return graph


def crop_size_of(graph: Graph, name: str) -> int:
    """The side of the crops that a graph takes and gives, in pixels.

    Raises CheckpointError where it is no network from a square RGB crop to one of that size, or
    uses operations that such a network has no need of.
    """
    inputs, outputs = list(graph.inputs.values()), list(graph.outputs.values())
    size = inputs[0][3] if len(inputs) == 1 and len(inputs[0]) == 4 else None
    if len(outputs) != 1 or not size or inputs[0][1:] != (3, size, size):
        raise CheckpointError(
            f"{name} is no network that takes one square RGB crop of a fixed size and gives one; "
            "choose another model."
        )
    if inputs[0][0] not in (None, 1) or not MIN_CROP <= size <= MAX_CROP:
        raise CheckpointError(
            f"{name} takes {inputs[0][0]} crops of {size} px at once; choose one that takes 1 of "
            f"{MIN_CROP} to {MAX_CROP} px."
        )
    unknown = sorted({node.operation for node in graph.nodes} - OPERATIONS)
    if unknown:
        raise CheckpointError(
            f"{name} uses operations that no restorer of faces needs ({', '.join(unknown[:3])}); "
            "choose another model."
        )
    return size


class _ExternalData(Exception):  # noqa: N818 - told as a CheckpointError
    """A tensor lies in another file, and its name could lead anywhere."""


def _fields(message: Value) -> Iterator[tuple[int, Value]]:
    """The fields of a message: (number, value)."""
    message, position = _bytes(message), 0
    value: Value
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == VARINT:
            value, position = _varint(message, position)
        elif kind == LENGTH:
            length, position = _varint(message, position)
            value = message[position : position + length]
            position += length
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
            value = message[position : position + length]
            position += length
        else:
            raise ValueError("a field of an unknown kind")
        if position > len(message):
            raise ValueError("a field is cut short")
        yield key >> 3, value


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
    return (value - (1 << 64) if value >= 1 << 63 else value), position


def _numbers(value: Value) -> list[int]:
    """Integers of a repeated field: one, or packed."""
    if isinstance(value, int):
        return [value]
    numbers: list[int] = []
    position = 0
    while position < len(value):
        number, position = _varint(value, position)
        numbers.append(number)
    return numbers


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise ValueError("bytes where a number belongs")
    return value


def _bytes(value: Value) -> memoryview:
    if isinstance(value, int):  # of which bytes() would make as many zeros
        raise ValueError("a number where bytes belong")
    return value


def _text(value: Value) -> str:
    return bytes(_bytes(value)).decode("utf-8")


def _read_graph(message: Value, graph: Graph) -> None:
    for number, value in _fields(message):
        if number == 1:
            graph.nodes.append(_read_node(value))
            if len(graph.nodes) > MAX_NODES:
                raise ValueError("there are too many nodes")
        elif number == 5:
            name, tensor = _read_tensor(value)
            if tensor is not None:
                graph.constants[name] = tensor
        elif number in (11, 12):
            name, shape = _read_value(value)
            (graph.inputs if number == 11 else graph.outputs)[name] = shape
    for name in graph.constants:  # older files list their weights among the inputs
        graph.inputs.pop(name, None)


def _read_node(message: Value) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    operation = ""
    attributes: dict[str, Attribute] = {}
    for number, value in _fields(message):
        if number == 1:
            inputs.append(_text(value))
        elif number == 2:
            outputs.append(_text(value))
        elif number == 4:
            operation = _text(value)
        elif number == 5:
            name, content = _read_attribute(value)
            attributes[name] = content
        elif number == 7 and (domain := _text(value)):
            operation = f"{domain}.{operation}" if domain != "ai.onnx" else operation
    return Node(operation, tuple(inputs), tuple(outputs), attributes)


def _read_attribute(message: Value) -> tuple[str, Attribute]:
    name = ""
    content: Attribute = None
    many: list[int] = []
    for number, value in _fields(message):
        if number == 1:
            name = _text(value)
        elif number == 2:
            content = struct.unpack("<f", _bytes(value))[0]
        elif number == 3:
            content = _number(value)
        elif number == 5:
            content = _read_tensor(value)[1]
        elif number == 8:
            many += _numbers(value)
    return name, tuple(many) if many else content


def _read_tensor(message: Value) -> tuple[str, np.ndarray | None]:
    """Name and numbers; None for numbers of a kind that no weight has."""
    kind, name = 0, ""
    raw: memoryview | None = None
    shape: list[int] = []
    numbers: list[int] = []
    for number, value in _fields(message):
        if number == 1:
            shape += _numbers(value)
        elif number == 2:
            kind = _number(value)
        elif number == 4:
            raw = _bytes(value) if raw is None else raw  # packed float32: the same bytes
        elif number in (5, 7):
            numbers += _numbers(value)
        elif number == 8:
            name = _text(value)
        elif number == 9:
            raw = _bytes(value)
        elif number == 13 or (number == 14 and value == 1):
            raise _ExternalData
    if kind not in NUMBERS:
        return name, None
    content: np.ndarray = (
        np.array(numbers, NUMBERS[kind]) if raw is None else np.frombuffer(raw, NUMBERS[kind])
    )
    if any(length < 0 for length in shape) or content.size != math.prod(shape):
        raise ValueError("a tensor is cut short")
    return name, content.reshape(shape)


def _read_value(message: Value) -> tuple[str, tuple[int | None, ...]]:
    """Name and shape of an input or output; the shape is empty where it is no float tensor."""
    name = ""
    shape: tuple[int | None, ...] = ()
    for number, value in _fields(message):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for inner, tensor_type in _fields(value):
                if inner == 1:
                    shape = _shape_of(tensor_type)
    return name, shape


def _shape_of(tensor_type: Value) -> tuple[int | None, ...]:
    kind = 0
    lengths: list[int | None] = []
    for number, value in _fields(tensor_type):
        if number == 1:
            kind = _number(value)
        elif number == 2:
            for _, dimension in _fields(value):
                known = [_number(length) for place, length in _fields(dimension) if place == 1]
                lengths.append(known[0] if known else None)
    return tuple(lengths) if kind in (1, 10) else ()
