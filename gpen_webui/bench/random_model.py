"""Models with random weights: the work of the published ones, with nothing to download."""

from __future__ import annotations

from pathlib import Path

import torch

from gpen_webui.gpen.checkpoint import save_checkpoint
from gpen_webui.gpen.network import GPEN, NetworkConfig
from gpen_webui.models.installed import InstalledModel, find_model

# The shapes of GPEN-BFR-512 and GPEN-BFR-256.
SHAPES = {
    "512": NetworkConfig(512, channel_multiplier=2, narrow=1.0),
    "256": NetworkConfig(256, channel_multiplier=1, narrow=0.5),
}


def write_random_model(shape: str, folder: Path) -> InstalledModel:
    """Write a network of one of `SHAPES` with random weights into `folder`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = GPEN(SHAPES[shape])
    for name, parameter in network.named_parameters():
        if name.endswith("noise.weight"):  # a new network starts with 0: features left out
            parameter.data.fill_(0.5)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"drawn-{shape}.safetensors"
    save_checkpoint(path, network.state_dict())
    return find_model(str(path), folder)
