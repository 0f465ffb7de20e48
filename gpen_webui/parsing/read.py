"""Reads ParseNet's weight files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from gpen_webui.gpen.checkpoint import check_numbers, fill
from gpen_webui.gpen.weight_files import CheckpointError, StoredTensor, read_contents
from gpen_webui.parsing.network import ParseNet
from gpen_webui.parsing.recognise import recognise

COUNTED = ".num_batches_tracked"  # by training, for itself alone


def load_parser(path: Path) -> ParseNet:
    """The network of a weight file in float32.

    Raises CheckpointError where it is damaged, could run code or holds another network.
    """
    return parser_of(path, read_contents(path))


def parser_of(path: Path, contents: Mapping[str, StoredTensor]) -> ParseNet:
    """`load_parser` of a file whose contents were read."""
    stored = {name: each for name, each in contents.items() if COUNTED not in name}
    config = recognise(stored)
    if config is None:
        raise CheckpointError(f"{path.name} does not hold ParseNet; choose another file.")
    check_numbers(path, stored)
    with torch.device("meta"):
        network = ParseNet(config)

    def incomplete(name: str) -> CheckpointError:
        return CheckpointError(
            f"{path.name} does not hold all of ParseNet, or more of it ({name}); fetch the file "
            "anew."
        )

    return fill(network, path, stored, incomplete)
