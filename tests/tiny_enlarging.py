"""Small networks of the published architectures, with weights of our own."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from gpen_webui.enlarging.compact import CompactNet
from gpen_webui.enlarging.recognise import CompactConfig, RRDBConfig
from gpen_webui.enlarging.rrdb import RRDBNet

COMPACT = CompactConfig(features=8, layers=2, scale=4)
RRDB_X4 = RRDBConfig(features=8, growth=32, blocks=2, unshuffle=1, doublings=2)
RRDB_X2 = RRDBConfig(features=8, growth=32, blocks=1, unshuffle=2, doublings=2)
RRDB_X1 = RRDBConfig(features=8, growth=32, blocks=1, unshuffle=4, doublings=2)


def drawn_network(config: CompactConfig | RRDBConfig) -> nn.Module:
    """A network whose weights are the same on every machine."""
    network = CompactNet(config) if isinstance(config, CompactConfig) else RRDBNet(config)
    network.load_state_dict(drawn_state(network.state_dict()))
    return network.eval().requires_grad_(False)


def drawn_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by a formula, as large as those that training begins with."""
    drawn = {}
    for number, (name, tensor) in enumerate(state.items()):
        counted = torch.arange(tensor.numel(), dtype=torch.float64)
        size = math.sqrt(3 / max(1, tensor[0].numel()))
        drawn[name] = (size * torch.sin(1.7 * counted + number)).reshape(tensor.shape).float()
    return drawn


def repeating_network(scale: int) -> CompactNet:
    """A network that enlarges by repeating pixels, as all its weights are zero."""
    network = CompactNet(CompactConfig(features=4, layers=1, scale=scale))
    network.load_state_dict({n: torch.zeros_like(t) for n, t in network.state_dict().items()})
    return network


def save_published(network: nn.Module, path: Path, key: str = "params_ema") -> Path:
    """The file that the authors' training writes."""
    torch.save({key: network.state_dict()}, path)
    return path
