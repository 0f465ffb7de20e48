"""Small networks of ParseNet's architecture, with weights of our own."""

import math
from pathlib import Path

import torch
from torch import Tensor

from gpen_webui.parsing.network import ParseNet
from gpen_webui.parsing.recognise import ParseConfig

TINY = ParseConfig((8, 16, 16, 16, 16), 2)


def drawn_parser(config: ParseConfig = TINY) -> ParseNet:
    """A network whose weights are the same on every machine."""
    network = ParseNet(config)
    network.load_state_dict(drawn_state(network.state_dict()))
    return network.eval().requires_grad_(False)


def drawn_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by a formula and the order of their names, as large as those that training begins
    with."""
    drawn = {}
    for number, name in enumerate(sorted(state)):
        tensor = state[name]
        counted = torch.arange(tensor.numel(), dtype=torch.float64)
        size = math.sqrt(3 / tensor[0].numel()) if tensor.ndim > 1 else 0.5
        values = (size * torch.sin(1.7 * counted + number)).reshape(tensor.shape).float()
        drawn[name] = values + 1 if name.endswith(("norm.weight", "running_var")) else values
    return drawn


def bright_is_skin() -> ParseNet:
    """A network that takes for skin what is brighter than the middle, and for background the
    rest."""
    network = ParseNet(TINY)
    state = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor += 1
        if "shortcut_func.conv2d.weight" in name or name == "encoder.0.conv2d.weight":
            tensor[0, 0, 1, 1] = 1  # passes the first channel on
    state["out_mask_conv.conv2d.weight"][1, 0, 1, 1] = 1
    state["out_mask_conv.conv2d.bias"][2:] = -100
    network.load_state_dict(state)
    return network


def save_parser(network: ParseNet, path: Path) -> Path:
    """The file that the authors' training writes, which also counts batches."""
    state = dict(network.state_dict())
    for name in list(state):
        if name.endswith("running_var"):
            counter = name.replace("running_var", "num_batches_tracked")
            state[counter] = torch.tensor(7)
    torch.save(state, path)
    return path
