"""Reads ParseNet's weight files."""

from __future__ import annotations

from pathlib import Path

import torch

from gpen_webui.gpen.checkpoint import check_numbers, read_tensors
from gpen_webui.gpen.weight_files import CheckpointError, read_contents
from gpen_webui.parsing.network import ParseNet
from gpen_webui.parsing.recognise import recognise

COUNTED = ".num_batches_tracked"  # by training, for itself alone


def load_parser(path: Path) -> ParseNet:
    """The network of a weight file in float32.

    Raises CheckpointError where it is damaged, could run code or holds another network.
    """
    stored = {name: each for name, each in read_contents(path).items() if COUNTED not in name}
    config = recognise(stored)
    if config is None:
        raise CheckpointError(f"{path.name} does not hold ParseNet; choose another file.")
    check_numbers(path, stored)
    with torch.device("meta"):
        network = ParseNet(config)
    expected = {name: tuple(each.shape) for name, each in network.state_dict().items()}
    found = {name: each.shape for name, each in stored.items()}
    different = {
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    }
    if different:
        raise CheckpointError(
            f"{path.name} does not hold all of ParseNet, or more of it ({min(different)}); fetch "
            "the file anew."
        )
    network.load_state_dict(read_tensors(path, stored), assign=True)
    return network.eval().requires_grad_(False)
