"""3x3 convolutions with a quarter of the multiplications: Winograd's F(4x4, 3x3).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015): every 4x4 tile of
the output is made from a 6x6 tile of the input in three linear steps,

    V = B' tile B        36 values per tile and input channel
    Y = V * U            36 matrix products over the channels, U = G kernel G', made once
    out = A' Y A         16 values per tile and output channel

OpenVINO has no such convolution for float32, but it has fast matrix products. With the
channels last, all three steps are matrix products; a gather collects the tiles before and a
transpose puts them side by side after.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
import openvino.opset13 as ops

TILE, KERNEL = 4, 3
POINTS = TILE + KERNEL - 1
INPUT_TRANSFORM = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
KERNEL_TRANSFORM = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
OUTPUT_TRANSFORM = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)


def winograd_conv(x: ov.Output, weight: np.ndarray) -> ov.Node:
    """Convolve x (1,C,H,W), H and W multiples of 4, with weight (O,C,3,3), stride 1, padding 1."""
    _, channels, height, width = x.get_shape()
    outputs = weight.shape[0]
    rows, columns = height // TILE, width // TILE
    tiles = rows * columns

    pixels = _reshape(ops.transpose(x, _ints(0, 2, 3, 1)), height * width, channels)
    patches = ops.gather(pixels, ops.constant(_patch_indices(height, width)), _ints(0))
    values = _transform(INPUT_TRANSFORM, _reshape(patches, POINTS**2, tiles * channels))
    products = ops.matmul(
        _reshape(values, POINTS**2, tiles, channels),
        ops.constant(_transformed_kernels(weight)),
        False,
        False,
    )
    parts = _transform(OUTPUT_TRANSFORM, _reshape(products, POINTS**2, tiles * outputs))
    parts = _reshape(parts, TILE, TILE, rows, columns, outputs)
    picture = ops.transpose(parts, _ints(2, 0, 3, 1, 4))
    return ops.transpose(_reshape(picture, 1, height, width, outputs), _ints(0, 3, 1, 2))


def _patch_indices(height: int, width: int) -> np.ndarray:
    """For each place in a 6x6 patch and each tile, the number of its pixel, int32 (36*tiles,).

    Pixels outside the picture get a number out of range, for which Gather gives zeros.
    """
    places = np.arange(POINTS) - KERNEL // 2
    y = places[:, None, None, None] + TILE * np.arange(height // TILE)[None, None, :, None]
    x = places[None, :, None, None] + TILE * np.arange(width // TILE)[None, None, None, :]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return np.where(inside, y * width + x, height * width).astype(np.int32).reshape(-1)


def _transformed_kernels(weight: np.ndarray) -> np.ndarray:
    """weight (O,C,3,3) -> U (36,C,O) float32."""
    outputs, channels = weight.shape[:2]
    both = np.kron(KERNEL_TRANSFORM, KERNEL_TRANSFORM)
    kernels = both @ weight.reshape(outputs * channels, KERNEL**2).T.astype(np.float64)
    kernels = kernels.reshape(POINTS**2, outputs, channels).transpose(0, 2, 1)
    return np.ascontiguousarray(kernels, np.float32)


def _transform(matrix: np.ndarray, x: ov.Node) -> ov.Node:
    """Apply a 1-D transform to the rows and to the columns of x's first dimension."""
    both = np.kron(matrix, matrix).astype(np.float32)
    return ops.matmul(ops.constant(both), x, False, False)


def _reshape(x: ov.Node, *shape: int) -> ov.Node:
    return ops.reshape(x, _ints(*shape), False)


def _ints(*values: int) -> ov.Node:
    return ops.constant(np.array(values, np.int64))
