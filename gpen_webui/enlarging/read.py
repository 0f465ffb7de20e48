"""Reads weight files of networks that enlarge photos: our own and those of others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from gpen_webui.enlarging.compact import CompactNet, CompactTile
from gpen_webui.enlarging.recognise import (
    CompactConfig,
    Config,
    RRDBConfig,
    UpConvConfig,
    published_names,
    recognise,
)
from gpen_webui.enlarging.rrdb import RRDBNet, RRDBTile
from gpen_webui.enlarging.upconv import EnlargingFileError, network_of
from gpen_webui.gpen.checkpoint import check_numbers, fill, read_tensors
from gpen_webui.gpen.weight_files import StoredTensor, read_contents


def read_config(path: Path) -> Config:
    """Which network a weight file holds. Raises EnlargingFileError, CheckpointError."""
    return _config_in(path, read_contents(path))


def _config_in(path: Path, contents: Mapping[str, StoredTensor]) -> Config:
    config = recognise(published_names(contents))
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
    return tile_network_of(path, read_contents(path))


def tile_network_of(path: Path, contents: Mapping[str, StoredTensor]) -> nn.Module:
    """`load_tile_network` of a file whose contents were read."""
    config = _config_in(path, contents)
    if isinstance(config, UpConvConfig):
        check_numbers(path, contents)
        return network_of(read_tensors(path, contents), path.name)
    network = _whole_network_of(path, contents, config)
    return RRDBTile(network) if isinstance(network, RRDBNet) else CompactTile(network)


def load_whole_network(path: Path, config: RRDBConfig | CompactConfig) -> RRDBNet | CompactNet:
    """The network as it was published, which pads. Raises as `load_tile_network` does."""
    return _whole_network_of(path, read_contents(path), config)


def _whole_network_of(
    path: Path, contents: Mapping[str, StoredTensor], config: RRDBConfig | CompactConfig
) -> RRDBNet | CompactNet:
    stored = published_names(contents)
    check_numbers(path, stored)
    with torch.device("meta"):
        network = RRDBNet(config) if isinstance(config, RRDBConfig) else CompactNet(config)

    def incomplete(name: str) -> EnlargingFileError:
        return EnlargingFileError(
            f"{path.name} does not hold all of this network, or more of it ({name}); fetch the "
            "file anew."
        )

    return fill(network, path, stored, incomplete)
