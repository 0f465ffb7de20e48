"""The network that a training starts from: new, a checkpoint, or one of another size or width."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from gpen_webui.errors import UserError
from gpen_webui.gpen.checkpoint import load_checkpoint
from gpen_webui.gpen.network import GPEN, NetworkConfig
from gpen_webui.training.widen import widened


class InitError(UserError):
    """The initial checkpoint does not fit the network."""


def new_network(config: NetworkConfig, seed: int, init: Path | None) -> GPEN:
    """A GPEN to train. From `init` it takes every layer that fits, after bringing it to its width.

    A new network starts with features injected at half weight: at 0, as StyleGAN2's noise
    begins, the encoder would get no gradient. Raises InitError where the checkpoint is for
    larger faces, CheckpointError where it is none.
    """
    torch.manual_seed(seed)
    network = GPEN(config)
    for name, parameter in network.named_parameters():
        if name.endswith("noise.weight"):
            torch.nn.init.constant_(parameter, 0.5)
    if init is not None:
        old, state = load_checkpoint(init)
        if old.size > config.size:
            raise InitError(
                f"{init.name} is for {old.size} px; train with --size {old.size} or more."
            )
        as_wide = replace(config, size=old.size)
        if old != as_wide:
            old, state = as_wide, widened(state, old, GPEN(as_wide))
        network.load_state_dict(grown(state, old, network))
    return network


def grown(state: dict[str, Tensor], old: NetworkConfig, network: GPEN) -> dict[str, Tensor]:
    """The network's tensors, each from the checkpoint where its place and shape are there.

    The decoder's layers are counted from 4 px upwards and keep their names; the encoder's
    from the full size downwards, so they move up by one for every doubling.
    """
    shift = int(math.log2(network.config.size // old.size))
    moved = {_moved(name, shift): tensor for name, tensor in state.items()}
    return {
        name: moved[name] if name in moved and moved[name].shape == tensor.shape else tensor
        for name, tensor in network.state_dict().items()
    }


def _moved(name: str, shift: int) -> str:
    return re.sub(r"^ecd(\d+)", lambda match: f"ecd{int(match[1]) + shift}", name)
