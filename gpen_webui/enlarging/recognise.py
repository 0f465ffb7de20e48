"""Which network that enlarges photos a weight file holds, told by the names and shapes of its
tensors alone.

Three architectures: our own (`upconv`); the residual-in-residual dense blocks of ESRGAN (Wang et
al., 2018), as Real-ESRGAN and its followers use them (`rrdb`); and Real-ESRGAN's compact network
(`compact`). Of the second there are three ways to name the tensors; all are brought to that of
BasicSR.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gpen_webui.enlarging.tiles import TileShape
from gpen_webui.gpen.weight_files import read_contents

Tensor = TypeVar("Tensor")

COLOURS = 3
SCALES = (1, 2, 4)
MOST_LAYERS = 100

UPCONV_SIDE, UPCONV_SCALE, UPCONV_LAYERS = 268, 2, 6
UPCONV_MARGIN = 7  # input pixels that it needs on each side and gives nothing for
COMPACT_SIDE = 320
# Pixels, after the unshuffling, that the dense network is given around a tile. It sees further, but
# faintly: with RealESRGAN_x4plus on photos, clean and noisy, the largest difference from the photo
# as a whole was 17 levels with 32 pixels, 3.3 with 48, and below 1 with 64.
RRDB_MARGIN = 64
RRDB_SIDE = 288  # its feature maps take half a gigabyte then

OLD_BLOCK = re.compile(r"(?:model\.1\.sub|RRDB_trunk)\.(\d+)\.RDB(\d)\.conv(\d)(?:\.0)?\.(\w+)")
OLD_BODY = re.compile(r"model\.1\.sub\.\d+\.(\w+)")
OLD_LAYER = re.compile(r"model\.(\d+)\.(\w+)")
OLD_NAMES = {"trunk_conv": "conv_body", "HRconv": "conv_hr", "upconv": "conv_up"}


@dataclass(frozen=True)
class UpConvConfig:
    """`upconv.UpConv`, which reads its own widths."""

    scale: int = UPCONV_SCALE

    @property
    def tile(self) -> TileShape:
        return TileShape(UPCONV_SIDE, UPCONV_MARGIN, self.scale)


@dataclass(frozen=True)
class RRDBConfig:
    """features, growth: channels of the blocks and of the layers in them. unshuffle: side of the
    squares of pixels that become channels first. doublings: at the end."""

    features: int
    growth: int
    blocks: int
    unshuffle: int
    doublings: int

    @property
    def scale(self) -> int:
        return 2**self.doublings // self.unshuffle

    @property
    def tile(self) -> TileShape:
        side, margin = RRDB_SIDE * self.unshuffle, RRDB_MARGIN * self.unshuffle
        return TileShape(side, margin, self.scale, self.unshuffle, any_size=True)


@dataclass(frozen=True)
class CompactConfig:
    """layers: convolutions between the first and the last one, all of `features` channels."""

    features: int
    layers: int
    scale: int

    @property
    def tile(self) -> TileShape:
        """With a margin as wide as the network sees."""
        return TileShape(COMPACT_SIDE, self.layers + 2, self.scale, any_size=True)


Config = UpConvConfig | RRDBConfig | CompactConfig


def config_of(path: Path) -> Config | None:
    """Which network that enlarges photos a weight file holds; None where it holds another.

    Raises CheckpointError where it is no weight file.
    """
    return recognise(published_names(read_contents(path)))


def recognise(tensors: Mapping[str, Any]) -> Config | None:
    """The network of these tensors, or of what describes them, by their published names (see
    `published_names`); None where it is none that enlarges photos 1, 2 or 4 times.

    Whether every tensor is there and has its shape, `read.load_tile_network` says.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        config = _upconv(shapes) or _rrdb(shapes) or _compact(shapes)
    except (KeyError, IndexError, ZeroDivisionError):
        return None
    return config if config and config.scale in SCALES else None


def published_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, those of ESRGAN's dense network under BasicSR's names."""
    numbers = [int(found[1]) for name in tensors if (found := OLD_LAYER.fullmatch(name))]
    last = max(numbers, default=0)
    return {_published_name(name, last): tensor for name, tensor in tensors.items()}


def _published_name(name: str, last: int) -> str:
    """last: the number of the last layer, by which the others are told where they have numbers."""
    if block := OLD_BLOCK.fullmatch(name):
        return f"body.{block[1]}.rdb{block[2]}.conv{block[3]}.{block[4]}"
    if body := OLD_BODY.fullmatch(name):
        return f"conv_body.{body[1]}"
    if layer := OLD_LAYER.fullmatch(name):
        number = int(layer[1])
        ends = {0: "conv_first", last - 2: "conv_hr", last: "conv_last"}
        return f"{ends.get(number, f'conv_up{number // 3}')}.{layer[2]}"
    for old, new in OLD_NAMES.items():
        name = re.sub(rf"^{old}(?=\d*\.)", new, name)
    return name


Shapes = Mapping[str, tuple[int, ...]]


def _upconv(shapes: Shapes) -> UpConvConfig | None:
    first = shapes.get("convolutions.0.weight", ())
    layers = sum(re.fullmatch(r"convolutions\.\d+\.weight", name) is not None for name in shapes)
    is_ours = first[1:] == (COLOURS, 3, 3) and layers == UPCONV_LAYERS
    return UpConvConfig() if is_ours and "enlarge.weight" in shapes else None


def _rrdb(shapes: Shapes) -> RRDBConfig | None:
    if "conv_first.weight" not in shapes:
        return None
    features, inputs = shapes["conv_first.weight"][:2]
    blocks = [int(found[1]) for name in shapes if (found := re.match(r"body\.(\d+)\.rdb1\.", name))]
    doublings = sum(f"conv_up{number}.weight" in shapes for number in range(1, 4))
    unshuffle = math.isqrt(inputs // COLOURS)
    if not blocks or max(blocks) >= MOST_LAYERS or inputs != COLOURS * unshuffle**2:
        return None
    if shapes["conv_last.weight"][0] != COLOURS or 2**doublings % unshuffle:
        return None
    growth = shapes["body.0.rdb1.conv1.weight"][0]
    return RRDBConfig(features, growth, max(blocks) + 1, unshuffle, doublings)


def _compact(shapes: Shapes) -> CompactConfig | None:
    first = shapes.get("body.0.weight", ())
    layers = [
        int(found[1])
        for name, shape in shapes.items()
        if (found := re.fullmatch(r"body\.(\d+)\.weight", name)) and len(shape) == 4
    ]
    if first[1:] != (COLOURS, 3, 3) or max(layers) % 2 or not 2 <= max(layers) < 2 * MOST_LAYERS:
        return None
    outputs = shapes[f"body.{max(layers)}.weight"][0]
    scale = math.isqrt(outputs // COLOURS)
    if outputs != COLOURS * scale**2:
        return None
    return CompactConfig(first[0], max(layers) // 2 - 1, scale)
