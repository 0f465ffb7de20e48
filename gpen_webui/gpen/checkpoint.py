"""Weight files in and out, safely: official `.pth`, and `.safetensors`.

A checkpoint is accepted only if every tensor of the network is there under its published
name, with its shape, finite, and nothing else is. `.pth` files are pickles, which could run
code; they are read without running anything (see `weight_files`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save
from torch import Tensor, nn

from gpen_webui.files.atomic import write_atomically
from gpen_webui.gpen.network import GPEN, NetworkConfig
from gpen_webui.gpen.weight_files import (
    NUMBER_BYTES,
    CheckpointError,
    Piece,
    StoredTensor,
    crop_size,
    not_gpen,
    read_contents,
    read_pieces,
)

MAX_WIDTH = 2.0  # `narrow`, in widths of gpen-bfr-512
MAX_MULTIPLIER = 4

Network = TypeVar("Network", bound=nn.Module)

__all__ = [
    "CheckpointError",
    "check_numbers",
    "fill",
    "infer_config",
    "load_checkpoint",
    "load_contents",
    "load_network",
    "read_tensors",
    "save_checkpoint",
]


def load_checkpoint(path: Path) -> tuple[NetworkConfig, dict[str, Tensor]]:
    """Read and check a weight file; return its network's shape and its float32 tensors.

    Names, shapes, kinds of numbers and sizes are checked before memory is taken: it never takes
    more than twice the file's size. Raises CheckpointError for whatever is not a whole, finite
    GPEN checkpoint.
    """
    return load_contents(path, read_contents(path))


def load_contents(
    path: Path, stored: Mapping[str, StoredTensor]
) -> tuple[NetworkConfig, dict[str, Tensor]]:
    """`load_checkpoint` of a file whose contents were read."""
    config = infer_config(stored, path.name)
    expected = _expected_state(config)
    missing, unknown = expected.keys() - stored.keys(), stored.keys() - expected.keys()
    if missing or unknown:
        raise not_gpen(path.name, f"{len(missing)} tensors missing, {len(unknown)} unknown")
    check_numbers(path, stored)
    for name, tensor in stored.items():
        if tensor.shape != tuple(expected[name].shape):
            raise not_gpen(path.name, f"{name} is {tensor.shape}")
    read = read_tensors(path, stored)
    return config, {name: read[name] for name in expected}


def check_numbers(path: Path, stored: Mapping[str, StoredTensor]) -> None:
    """Raises CheckpointError where a tensor of a file does not hold plain numbers."""
    for name, tensor in stored.items():
        if tensor.numbers not in NUMBER_BYTES:
            raise CheckpointError(
                f"{path.name} holds {name} as {tensor.numbers}; weights are plain float32 or "
                "float16 tensors: save them anew as those."
            )


def read_tensors(path: Path, stored: Mapping[str, StoredTensor]) -> dict[str, Tensor]:
    """The numbers of tensors that a file describes, in float32, in the file's order.

    Raises CheckpointError where some are not finite; for others than plain ones see
    `check_numbers`.
    """
    by_piece: dict[Piece, list[str]] = {}
    for name, tensor in stored.items():
        by_piece.setdefault(tensor.piece, []).append(name)
    read = {}
    for piece, content in read_pieces(path, set(by_piece)):
        for name in by_piece[piece]:
            tensor = stored[name]
            numbers = torch.frombuffer(content, dtype=getattr(torch, tensor.numbers))
            view = numbers.as_strided(tensor.shape, tensor.stride, tensor.offset)
            read[name] = view.to(torch.float32).contiguous()
            if not torch.isfinite(read[name]).all():
                raise CheckpointError(
                    f"{path.name} holds numbers that are not finite ({name}); fetch the file anew."
                )
    return read


def fill(
    network: Network,
    path: Path,
    stored: Mapping[str, StoredTensor],
    incomplete: Callable[[str], Exception],
) -> Network:
    """Give a network, built on the meta device, the tensors of a file in float32; it is for use,
    not for training.

    incomplete: makes the error for a tensor that is missing, has another shape, or is not the
    network's: of these the first by name. Raises that error, and what `read_tensors` raises.
    """
    expected = network.state_dict()
    different = expected.keys() ^ stored.keys()
    different |= {
        name
        for name in expected.keys() & stored.keys()
        if tuple(expected[name].shape) != stored[name].shape
    }
    if different:
        raise incomplete(min(different))
    network.load_state_dict(read_tensors(path, stored), assign=True)
    return network.eval().requires_grad_(False)


def load_network(path: Path) -> GPEN:
    """The network of a weight file, on the CPU, ready for inference.

    Raises CheckpointError as `load_checkpoint` does.
    """
    config, state = load_checkpoint(path)
    with torch.device("meta"):
        network = GPEN(config)
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def save_checkpoint(
    path: Path,
    state: Mapping[str, Tensor],
    dtype: torch.dtype = torch.float32,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors as `.safetensors` in one step; float16 halves the file."""
    tensors = {name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in state.items()}
    write_atomically(path, save(tensors, dict(metadata or {})))


def infer_config(state: Mapping[str, Any], name: str = "The checkpoint") -> NetworkConfig:
    """Size, channel multiplier and narrow, read off the shapes of tensors, stored or loaded.

    Raises CheckpointError where they are not those of a GPEN network, or of one that is far
    larger than any that was published.
    """
    size = crop_size(state)
    if size is None:
        raise not_gpen(name, "the layers have other names, or crops of more than 2048 px")
    try:
        narrow = state["generator.input.input"].shape[1] / 512
        multiplier = 1
        if size >= 64:
            levels = int(math.log2(size)) - 1
            at_64 = state[f"ecd{levels - 5}.0.{0 if levels == 5 else 1}.weight"].shape[0]
            multiplier = at_64 / (256 * narrow)
    except (KeyError, IndexError, ZeroDivisionError):
        raise not_gpen(name, "the layers have other names") from None
    fits = 0 < narrow <= MAX_WIDTH and multiplier == int(multiplier) and multiplier > 0
    if not fits or multiplier > MAX_MULTIPLIER:
        raise not_gpen(name, f"size {size}, narrow {narrow}, channel multiplier {multiplier}")
    config = NetworkConfig(size, int(multiplier), narrow)
    if config.channels(size) < 1:
        raise not_gpen(name, f"its layers have no channels at {size} px")
    return config


def _expected_state(config: NetworkConfig) -> dict[str, Tensor]:
    with torch.device("meta"):
        return GPEN(config).state_dict()
