"""Short names for the nodes that every graph is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openvino as ov
import openvino.opset13 as ops

if TYPE_CHECKING:
    from torch import Tensor


def constant(values: Tensor) -> ov.Node:
    """Weights, in the numbers and the shape that they have."""
    return ops.constant(np.ascontiguousarray(values.numpy()))


def ints(*values: int) -> ov.Node:
    """What operations take as axes, places or a shape: (N,) int64."""
    return ops.constant(np.array(values, np.int64))


def reshape(x: ov.Output | ov.Node, *shape: int) -> ov.Node:
    """x in another shape; at most one side may be -1, whatever is left."""
    return ops.reshape(x, ints(*shape), False)
