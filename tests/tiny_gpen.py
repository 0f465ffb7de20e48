"""A small GPEN with random weights on disk, for tests that need a real network but no faces."""

from pathlib import Path

import numpy as np
import torch

from gpen_webui.gpen.checkpoint import save_checkpoint
from gpen_webui.gpen.network import GPEN, NetworkConfig
from gpen_webui.models.folder import InstalledModel
from gpen_webui.models.records import hash_file


def make_tiny_model(folder: Path, size: int = 64, seed: int = 0) -> InstalledModel:
    """Write a checkpoint whose layers all matter to its output (no zero weights)."""
    torch.manual_seed(seed)
    network = GPEN(NetworkConfig(size, channel_multiplier=1, narrow=0.125))
    for name, parameter in network.named_parameters():
        if name.endswith("noise.weight"):
            parameter.data.fill_(0.5)
        elif name.endswith("bias"):
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    path = folder / f"tiny-{size}-{seed}.safetensors"
    save_checkpoint(path, network.state_dict())
    return InstalledModel(path.stem, path, hash_file(path), size)


def random_crops(count: int, size: int = 64, seed: int = 1) -> np.ndarray:
    """(count,3,size,size) float32 in [-1,1]."""
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (count, 3, size, size)).astype(np.float32)
