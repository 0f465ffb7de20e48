"""Reads weight files of networks that enlarge photos: our own and those of others."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from gpen_webui.enlarging.compact import CompactNet, CompactTile
from gpen_webui.enlarging.recognise import (
    CompactConfig,
    Config,
    RRDBConfig,
    UpConvConfig,
    config_of,
    published_names,
)
from gpen_webui.enlarging.rrdb import RRDBNet, RRDBTile
from gpen_webui.enlarging.upconv import EnlargingFileError, network_of
from gpen_webui.gpen.checkpoint import check_numbers, read_tensors
from gpen_webui.gpen.weight_files import read_contents


def read_config(path: Path) -> Config:
    """Which network a weight file holds. Raises EnlargingFileError, CheckpointError."""
    config = config_of(path)
    if config is None:
        raise EnlargingFileError(
            f"{path.name} does not hold a network that enlarges photos 1, 2 or 4 times."
        )
    return config


def load_tile_network(path: Path) -> nn.Module:
    """The network of a weight file in float32, for tiles of `Config.tile`.

    Raises EnlargingFileError where it is damaged or of another network, CheckpointError where it
    could run code or is no weight file.
    """
    config = read_config(path)
    if isinstance(config, UpConvConfig):
        stored = read_contents(path)
        check_numbers(path, stored)
        return network_of(read_tensors(path, stored), path.name)
    network = load_whole_network(path, config)
    return RRDBTile(network) if isinstance(network, RRDBNet) else CompactTile(network)


def load_whole_network(path: Path, config: RRDBConfig | CompactConfig) -> RRDBNet | CompactNet:
    """The network as it was published, which pads. Raises as `load_tile_network` does."""
    stored = published_names(read_contents(path))
    check_numbers(path, stored)
    with torch.device("meta"):
        network = RRDBNet(config) if isinstance(config, RRDBConfig) else CompactNet(config)
    expected = network.state_dict()
    different = expected.keys() ^ stored.keys()
    different |= {
        name
        for name in expected.keys() & stored.keys()
        if tuple(expected[name].shape) != stored[name].shape
    }
    if different:
        raise EnlargingFileError(
            f"{path.name} does not hold all of this network, or more of it ({min(different)}); "
            "fetch the file anew."
        )
    network.load_state_dict(read_tensors(path, stored), assign=True)
    network.eval().requires_grad_(False)
    return network
