"""Weight files in and out, safely: official `.pth`, and `.safetensors`.

A checkpoint is accepted only if every tensor of the network is there under its published
name, with its shape, finite, and nothing else is. `.pth` files are pickles, which could run
code; they are read with `weights_only=True`, which refuses anything but tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from gpen_webui.errors import UserError
from gpen_webui.files.atomic import write_atomically
from gpen_webui.gpen.network import GPEN, NetworkConfig

NESTED_UNDER = ("g_ema", "params_ema", "params", "state_dict")


class CheckpointError(UserError):
    """A weight file cannot be used; the sentence says why and what to do."""


def load_checkpoint(path: Path) -> tuple[NetworkConfig, dict[str, Tensor]]:
    """Read and check a weight file; return its network's shape and its float32 tensors.

    Raises CheckpointError for whatever is not a whole, finite GPEN checkpoint.
    """
    state = _read(path)
    config = infer_config(state, path.name)
    expected = _expected_state(config)
    missing, unknown = expected.keys() - state.keys(), state.keys() - expected.keys()
    if missing or unknown:
        raise _not_gpen(path.name, f"{len(missing)} tensors missing, {len(unknown)} unknown")
    checked = {}
    for name, wanted in expected.items():
        tensor = state[name]
        if tensor.shape != wanted.shape:
            raise _not_gpen(path.name, f"{name} is {tuple(tensor.shape)}")
        checked[name] = tensor.to(torch.float32)
        if not torch.isfinite(checked[name]).all():
            raise CheckpointError(
                f"{path.name} holds numbers that are not finite ({name}); fetch the file anew."
            )
    return config, checked


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


def infer_config(state: Mapping[str, Tensor], name: str = "The checkpoint") -> NetworkConfig:
    """Size, channel multiplier and narrow, read off the shapes.

    Raises CheckpointError where they are not those of a GPEN network.
    """
    try:
        levels = 1 + max(int(key[3 : key.index(".")]) for key in state if key.startswith("ecd"))
        size = 2 ** (levels + 1)
        narrow = state["generator.input.input"].shape[1] / 512
        multiplier = 1
        if size >= 64:
            at_64 = state[f"ecd{levels - 5}.0.{0 if levels == 5 else 1}.weight"].shape[0]
            multiplier = at_64 / (256 * narrow)
    except (ValueError, KeyError, IndexError, AttributeError, ZeroDivisionError):
        raise _not_gpen(name, "the layers have other names") from None
    if not (8 <= size <= 4096 and 0 < narrow <= 4 and multiplier == int(multiplier) > 0):
        raise _not_gpen(name, f"size {size}, narrow {narrow}, channel multiplier {multiplier}")
    return NetworkConfig(size, int(multiplier), narrow)


def _expected_state(config: NetworkConfig) -> dict[str, Tensor]:
    with torch.device("meta"):
        return GPEN(config).state_dict()


def _read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file by name."""
    _check_exists(path)
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except safetensors.SafetensorError as error:
        raise _unreadable(path) from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        if "global" in str(error).lower():  # a name that would be imported
            raise CheckpointError(
                f"{path.name} holds more than weights and could run code, so it was not opened; "
                "fetch the model from its authors."
            ) from error
        raise _unreadable(path) from error
    return _tensors_of(content, path.name)


def _tensors_of(content: Any, name: str) -> dict[str, Tensor]:
    for key in NESTED_UNDER:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise _not_gpen(name, "it does not hold tensors by name")
    return dict(content)


def _check_exists(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CheckpointError(
            f"The weights {path} cannot be opened ({error.strerror}); check the path."
        ) from error
    if size == 0:
        raise CheckpointError(f"{path.name} is empty; fetch the file anew.")


def _unreadable(path: Path) -> CheckpointError:
    if _is_web_page(path):
        return CheckpointError(
            f"{path.name} is a web page, not weights; fetch the file itself from its authors."
        )
    return CheckpointError(f"{path.name} is damaged or cut short; fetch the file anew.")


def _is_web_page(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(512).lstrip().lower()
    return head.startswith((b"<!doctype", b"<html", b"<?xml"))


def _not_gpen(name: str, why: str) -> CheckpointError:
    return CheckpointError(f"{name} is not a GPEN checkpoint ({why}); choose another file.")
