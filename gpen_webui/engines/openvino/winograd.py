"""3x3 convolutions with a quarter of the multiplications: Winograd's F(4x4, 3x3).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015): every 4x4 tile of
the output is made from a 6x6 tile of the input in three linear steps,

    V = B' tile B        36 values per tile and input channel
    Y = V * U            36 matrix products over the channels, U = G kernel G', made once
    out = A' Y A         16 values per tile and output channel

OpenVINO has no such convolution for float32, but it has fast matrix products. With the
channels last, all three steps are matrix products; a gather collects the tiles before and a
transpose puts them side by side after. Pictures are worked through in bands of rows whose V
stays in the processor's cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import openvino as ov
import openvino.opset13 as ops

from gpen_webui.engines.openvino.nodes import ints, reshape

TILE, KERNEL = 4, 3
POINTS = TILE + KERNEL - 1
MIN_OUTPUTS, MIN_SIDE = 64, 32
BAND_BYTES = 5 << 20
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


def winograd_pays(shape: tuple[int, ...], weight: tuple[int, ...]) -> bool:
    """Whether convolving x of `shape` (1,C,H,W) by a `weight` (O,C,3,3) is faster this way.

    Measured on AVX-512 cores: 3.3 times at 64 px and 1024 -> 512 channels, 1.3 times at 512 px
    and 128 -> 64. The transforms cost the same for every input value, the products saved grow
    with the outputs; and below 32 px the weights, four times as many, cost more than they save.
    """
    outputs, _, *kernel = weight
    height, width = shape[2:]
    tiled = height % TILE == 0 and width % TILE == 0
    return kernel == [KERNEL] * 2 and outputs >= MIN_OUTPUTS and tiled and height >= MIN_SIDE


def winograd_conv(x: ov.Output, size: tuple[int, int], weight: np.ndarray) -> ov.Output:
    """Convolve x (1,H*W,C), H and W multiples of 4, with weight (O,C,3,3), stride 1, padding 1."""
    height, width = size
    numbers = np.arange(height * width).reshape(size)
    bands = winograd_bands(x, numbers, weight, begin=-(KERNEL // 2), result=size)
    parts = []
    for band in bands:
        rows = band.rows // TILE
        part = reshape(band.values, TILE, TILE, rows, width // TILE, weight.shape[0])
        part = ops.transpose(part, ints(2, 0, 3, 1, 4))
        parts.append(reshape(part, 1, band.rows * width, weight.shape[0]))
    return (parts[0] if len(parts) == 1 else ops.concat(parts, 1)).output(0)


@dataclass(frozen=True)
class Band:
    """Rows of a result, tile by tile: first the first pixel of every tile, then the second.

    values: (16,tiles,O). rows: of pixels.
    """

    values: ov.Node
    rows: int


def winograd_bands(
    x: ov.Output,
    numbers: np.ndarray,
    weight: np.ndarray,
    *,
    begin: int,
    result: tuple[int, int],
    band_bytes: int | None = None,
) -> list[Band]:
    """Convolve x (1,N,C) with weight (O,C,3,3), stride 1: a part of what comes of it, band by band.

    numbers: (H,W), where in x each pixel is. begin: the first row and column that the part's first
    pixel is made of. result: its height and width, multiples of 4; beyond the picture are zeros.
    band_bytes: what V of a band may take; BAND_BYTES where not given.
    """
    count, channels = x.get_shape()[1:]
    outputs = weight.shape[0]
    rows, columns = result[0] // TILE, result[1] // TILE
    kernels = ops.constant(_transformed_kernels(weight))
    places = _patch_indices(numbers, count, begin, (rows, columns))
    pixels = reshape(x, count, channels)
    input_transform, output_transform = (
        _two_dimensional(matrix, pixels) for matrix in (INPUT_TRANSFORM, OUTPUT_TRANSFORM)
    )
    bands, end = [], 0
    for band in _bands(rows, POINTS**2 * columns * channels * 4, band_bytes or BAND_BYTES):
        begin, end = end, end + band
        tiles = band * columns
        indices = np.ascontiguousarray(places[:, begin:end]).reshape(-1)
        patches = ops.gather(pixels, ops.constant(indices), ints(0))
        patches = reshape(patches, POINTS**2, tiles * channels)
        values = ops.matmul(input_transform, patches, False, False)
        products = ops.matmul(reshape(values, POINTS**2, tiles, channels), kernels, False, False)
        products = reshape(products, POINTS**2, tiles * outputs)
        part = ops.matmul(output_transform, products, False, False)
        bands.append(Band(reshape(part, TILE**2, tiles, outputs), band * TILE))
    return bands


def places_in_bands(bands: list[Band], columns: int) -> np.ndarray:
    """Where in the bands, one after the other, each pixel is: (H,W), W as many `columns`."""
    places, first = [], 0
    for band in bands:
        shape = (TILE, TILE, band.rows // TILE, columns // TILE)
        numbers = first + np.arange(band.rows * columns).reshape(shape)
        places.append(numbers.transpose(2, 0, 3, 1).reshape(band.rows, columns))
        first += band.rows * columns
    return np.concatenate(places)


def _bands(rows: int, bytes_per_row: int, most: int) -> list[int]:
    """How many rows of tiles each band takes: halves of halves, where they can be halved."""
    bands = 1
    while rows % (2 * bands) == 0 and rows * bytes_per_row / bands > most:
        bands *= 2
    if rows * bytes_per_row / bands > most:
        bands = min(rows, math.ceil(rows * bytes_per_row / most))
    return [len(part) for part in np.array_split(np.arange(rows), bands)]


def _patch_indices(
    numbers: np.ndarray, count: int, begin: int, tiles: tuple[int, int]
) -> np.ndarray:
    """For each place in a 6x6 patch and each tile, the number of its pixel, int32 (36,down,across).

    numbers: (H,W), those of the picture's pixels. begin: the first row and column of the first
    patch. Pixels outside the picture get the number `count`, which is out of range: for those
    Gather gives zeros.
    """
    height, width = numbers.shape
    places = np.arange(POINTS) + begin
    y = places[:, None, None, None] + TILE * np.arange(tiles[0])[None, None, :, None]
    x = places[None, :, None, None] + TILE * np.arange(tiles[1])[None, None, None, :]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    found = numbers[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return np.where(inside, found, count).astype(np.int32).reshape(POINTS**2, *tiles)


def _transformed_kernels(weight: np.ndarray) -> np.ndarray:
    """weight (O,C,3,3) -> U (36,C,O) float32."""
    outputs, channels = weight.shape[:2]
    both = np.kron(KERNEL_TRANSFORM, KERNEL_TRANSFORM)
    kernels = both @ weight.reshape(outputs * channels, KERNEL**2).T.astype(np.float64)
    kernels = kernels.reshape(POINTS**2, outputs, channels).transpose(0, 2, 1)
    return np.ascontiguousarray(kernels, np.float32)


def _two_dimensional(matrix: np.ndarray, pixels: ov.Node) -> ov.Node:
    """The transform of rows and columns by `matrix`, as one matrix.

    Where the network is computed in bfloat16, OpenVINO leaves constants in float32, and then
    the whole product with them. So it is made to look like a result: zero times a value of
    `pixels` (H*W,C) is added. That value is taken in two steps: while it compiles, OpenVINO
    makes room for all that a reshape to one dimension would hold, which takes seconds.
    """
    both = np.kron(matrix, matrix).astype(np.float32)
    any_value = ops.gather(ops.gather(pixels, ints(0), ints(0)), ints(0), ints(1))
    zero = ops.multiply(any_value, ops.constant(np.float32(0)))
    return ops.add(ops.constant(both), zero)
