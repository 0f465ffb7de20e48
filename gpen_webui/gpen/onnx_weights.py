"""GPEN's weights out of an ONNX graph, whose exporter has renamed, scaled and turned them.

What an exporter keeps is the order of execution and what the weights amount to where they meet the
data. So every constant is followed to that place, with what happens to it on its way (a scale, a
transposition), and is matched with the parameter that our network uses there: the n-th of its kind
and shape in the graph is the n-th in the network.

The result is only a guess that fits: compare the outputs of both before trusting it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gpen_webui.gpen.checkpoint import infer_config
from gpen_webui.gpen.network import GPEN, EqualConv, EqualLinear, ModulatedConv, NetworkConfig
from gpen_webui.gpen.onnx_file import Graph, Node

SAME_NUMBERS = ("Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Expand", "Tile", "Cast")
BIAS_PLACES = {("Add", 0), ("Add", 1), ("Gemm", 2), ("Conv", 2), ("ConvTranspose", 2)}
BLUR_SHAPE = (4, 4)  # of the fixed low-pass kernels, and of the decoder's start
WEIGHT_OPERATIONS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Mul")


class NotGpenError(Exception):
    """The graph is another network's, or was changed too much."""


@dataclass(frozen=True)
class _Constant:
    """A tensor on its way: `numbers * factor`, turned as the graph turns it."""

    numbers: np.ndarray
    factor: float = 1.0


@dataclass(frozen=True)
class _Use:
    """Where a constant meets the data. kind: weight, bias or scalar."""

    kind: str
    constant: _Constant

    @property
    def shape(self) -> tuple[int, ...]:
        """Without dimensions of length 1."""
        return tuple(length for length in self.constant.numbers.shape if length > 1)


def weights_from_onnx(graph: Graph) -> tuple[NetworkConfig, dict[str, Tensor]]:
    """The network's shape, and its tensors in float32 under their published names.

    Raises NotGpenError where the constants are not those of a GPEN network.
    """
    uses: dict[tuple, list[_Use]] = defaultdict(list)
    for use in _find_uses(graph):
        uses[use.kind, tuple(sorted(use.shape))].append(use)
    network = GPEN(_infer_config(graph, uses))
    state = network.state_dict()
    wanted: dict[tuple, list[str]] = defaultdict(list)
    for name in _execution_order(network.config):
        lengths = sorted(length for length in state[name].shape if length > 1)
        wanted[_kind_of(name), tuple(lengths)].append(name)
    scales = _scales(network)
    for key, names in wanted.items():
        if len(uses[key]) != len(names):
            raise NotGpenError(f"{len(uses[key])} of {len(names)} tensors like {names[0]}")
        for name, use in zip(names, uses[key], strict=True):
            state[name] = _as_stored(use.constant, state[name].shape, scales.get(name, 1.0))
    return network.config, state


def _find_uses(graph: Graph) -> Iterator[_Use]:
    """Every place where a constant of floating-point numbers meets the data, in order."""
    known: dict[str, _Constant | None] = {
        name: _Constant(numbers) if numbers.dtype.kind == "f" else None
        for name, numbers in graph.constants.items()
    }
    joined = {name for node in graph.nodes if node.operation == "Concat" for name in node.inputs}
    for node in graph.nodes:
        inputs = [name for name in node.inputs if name]
        if node.operation in SAME_NUMBERS:
            inputs = inputs[:1]  # the new shape may depend on the data, the numbers do not
        if all(name in known for name in inputs):
            for name in node.outputs:
                known[name] = _follow(node, [known[name] for name in inputs])
            continue
        for place, name in enumerate(node.inputs):
            constant = known.get(name)
            if constant is not None and (use := _use(node, place, constant, joined)):
                yield use


def _follow(node: Node, inputs: list[_Constant | None]) -> _Constant | None:
    """What an operation on constants makes of a weight; None where that is of no use."""
    if node.operation == "Constant":
        value = node.attributes.get("value", node.attributes.get("value_float"))
        is_float = isinstance(value, float) or getattr(value, "dtype", np.dtype(int)).kind == "f"
        return _Constant(np.asarray(value)) if is_float else None
    first = inputs[0] if inputs else None
    if node.operation in ("Mul", "Div") and len(inputs) == 2:
        return _scaled(*inputs, divide=node.operation == "Div")
    if first is None:
        return None
    if node.operation in SAME_NUMBERS:
        return first
    if node.operation == "Transpose":
        order = node.attributes.get("perm")
        order = order if isinstance(order, tuple) else None
        return replace(first, numbers=first.numbers.transpose(order))
    if node.operation == "Gather" and first.numbers.shape[:1] == (1,):
        return replace(first, numbers=first.numbers[0])
    return None


def _scaled(a: _Constant | None, b: _Constant | None, *, divide: bool) -> _Constant | None:
    if a is None or b is None:
        return None
    if a.numbers.size == 1 and not divide:
        a, b = b, a
    if b.numbers.size != 1:
        return None
    scale = float(b.numbers.reshape(())) * b.factor
    if divide and scale == 0:
        return None
    return replace(a, factor=a.factor / scale if divide else a.factor * scale)


def _use(node: Node, place: int, constant: _Constant, joined: set[str]) -> _Use | None:
    numbers, operation = constant.numbers, node.operation
    if numbers.size == 1:  # the weight of the encoder's features, which then join the decoder's
        is_injection = operation == "Mul" and node.outputs[0] in joined
        return _Use("scalar", constant) if is_injection else None
    if (operation, place) in BIAS_PLACES:
        return _Use("bias", constant)
    if operation not in WEIGHT_OPERATIONS:
        return None
    if operation.startswith("Conv") and place == 1 and numbers.shape[-2:] == BLUR_SHAPE:
        return None
    transposed = operation == "MatMul" and place == 1
    transposed |= operation == "Gemm" and place == 1 and not node.attributes.get("transB")
    transposed |= operation == "ConvTranspose" and place == 1
    if transposed:
        constant = replace(constant, numbers=numbers.swapaxes(0, 1))
    return _Use("weight", constant)


def _infer_config(graph: Graph, uses: dict[tuple, list[_Use]]) -> NetworkConfig:
    shapes = list(graph.inputs.values())
    if len(shapes) != 1 or len(shapes[0]) != 4 or not shapes[0][3]:
        raise NotGpenError("the input is no crop of a fixed size")
    size = shapes[0][3]
    weights = [use.shape for (kind, _), found in uses.items() if kind == "weight" for use in found]
    starts = [shape[0] for shape in weights if shape[1:] == BLUR_SHAPE]
    firsts = [shape[0] for shape in weights if len(shape) == 2 and shape[1] == 3]
    if not starts or not firsts:
        raise NotGpenError("the first layers are missing")
    narrow, per_multiplier = starts[0] / 512, 16384 // size * starts[0] / 512
    multiplier = max(1, round(firsts[0] / per_multiplier)) if size > 32 else 1
    # The bounds of weight files hold here, too.
    levels = int(math.log2(size)) - 1
    stand_in = {f"ecd{levels - 1}.": None, "generator.input.input": np.empty((1, starts[0], 0, 0))}
    if size >= 64:
        at_64 = NetworkConfig(size, multiplier, narrow).channels(64)
        name = f"ecd{levels - 5}.0.{0 if levels == 5 else 1}.weight"
        stand_in[name] = np.empty((at_64, 0))
    return infer_config(stand_in)


def _execution_order(config: NetworkConfig) -> Iterator[str]:
    """The parameters in the order in which the network uses them."""
    levels = int(math.log2(config.size)) - 1
    for level in range(levels):
        yield f"ecd{level}.0.{1 if level else 0}.weight"
        yield f"ecd{level}.0.{2 if level else 1}.bias"
    for linear in ("final_linear.0", *(f"generator.style.{layer}" for layer in range(1, 9))):
        yield from (f"{linear}.weight", f"{linear}.bias")
    yield "generator.input.input"
    layers = ["conv1", "to_rgb1"]
    for level in range(levels - 1):
        layers += [f"convs.{2 * level}", f"convs.{2 * level + 1}", f"to_rgbs.{level}"]
    for layer in layers:
        prefix = f"generator.{layer}"
        yield f"{prefix}.conv.modulation.weight"
        yield f"{prefix}.conv.modulation.bias"
        yield f"{prefix}.conv.weight"
        if "rgb" in layer:
            yield f"{prefix}.bias"
        else:
            yield f"{prefix}.noise.weight"
            yield f"{prefix}.activate.bias"


def _kind_of(name: str) -> str:
    if name.endswith("noise.weight"):
        return "scalar"
    return "bias" if name.endswith("bias") else "weight"


def _scales(network: GPEN) -> dict[str, float]:
    """By what the network multiplies a parameter before it uses it."""
    scales = {}
    for name, module in network.named_modules():
        if isinstance(module, EqualConv | EqualLinear | ModulatedConv):
            scales[f"{name}.weight"] = module.weight_scale
        if isinstance(module, EqualLinear):
            scales[f"{name}.bias"] = module.bias_scale
    return scales


def _as_stored(constant: _Constant, shape: torch.Size, scale: float) -> Tensor:
    numbers = constant.numbers
    squeezed = tuple(length for length in numbers.shape if length > 1)
    if squeezed != tuple(length for length in shape if length > 1):
        raise NotGpenError(f"a tensor is {numbers.shape}, not {tuple(shape)}")
    if not math.isclose(constant.factor, scale, rel_tol=1e-6):
        numbers = numbers.astype(np.float64) * (constant.factor / scale)
    stored = torch.from_numpy(np.array(numbers, np.float32)).reshape(shape)
    if not torch.isfinite(stored).all():
        raise NotGpenError("a tensor is not finite")
    return stored
