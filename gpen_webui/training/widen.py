"""A trained network in another width: channels are added, or the least used ones left out.

Added channels begin with random weights, and nothing listens to them: a wider network draws the
same faces until it is trained on (Chen et al., "Net2Net", ICLR 2016).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gpen_webui.gpen.network import GPEN, NetworkConfig

Groups = tuple[str, ...]  # of channels, one behind the other; the resolution is the last word
FIXED: Groups = ()  # a dimension that has the same length in every width
START: Groups = ("start 4",)
CODE, CODE_PLACES = "final_linear.0.weight", 16  # each channel of 4 px has 16 columns there


@dataclass(frozen=True)
class Layout:
    """Which channels run along each dimension of a tensor. reads: the dimension of the channels
    that it weighs, where it does; that of its outputs is the one before."""

    along: tuple[Groups, ...]
    reads: int | None = None


@dataclass(frozen=True)
class Kept:
    """The old channels of a group that stay, in their order, and both widths."""

    channels: Tensor
    before: int
    after: int


def widened(state: dict[str, Tensor], old: NetworkConfig, network: GPEN) -> dict[str, Tensor]:
    """The tensors for `network` from those of an `old` one of the same size.

    Channels that both have keep their weights. Where the new network has fewer, those are left
    out that are weighed least where they are read.
    """
    layouts = dict(_layouts(old))
    state = {name: _by_channel(name, tensor) for name, tensor in state.items()}
    kept = _kept_channels(state, layouts, old, network.config)
    tensors = {}
    for name, random in network.state_dict().items():
        tensors[name] = state[name]
        if name in layouts:
            resized = _resized(state[name], _by_channel(name, random), layouts[name], kept)
            tensors[name] = resized.reshape(random.shape)
    return tensors


def _by_channel(name: str, tensor: Tensor) -> Tensor:
    return tensor.unflatten(1, (-1, CODE_PLACES)) if name == CODE else tensor


def _layouts(config: NetworkConfig) -> Iterator[tuple[str, Layout]]:
    """All tensors that depend on the width, with their published names."""
    resolution, inputs, level = config.size, FIXED, 0
    while resolution >= 4:
        outputs, place = (f"encoder {resolution}",), min(level, 1)  # a blur comes first
        weight = Layout((outputs, inputs, FIXED, FIXED), reads=1)
        yield f"ecd{level}.0.{place}.weight", weight
        yield f"ecd{level}.0.{place + 1}.bias", Layout((outputs,))
        resolution, inputs, level = resolution // 2, outputs, level + 1
    yield CODE, Layout((FIXED, inputs, FIXED), reads=1)

    yield "generator.input.input", Layout((FIXED, START, FIXED, FIXED))
    yield from _styled("conv1", START, "second 4")
    yield from _modulated("to_rgb1", ("second 4", "encoder 4"), FIXED)
    below, resolution, level = 4, 8, 0
    while resolution <= config.size:
        first, second, encoder = (f"{kind} {resolution}" for kind in ("first", "second", "encoder"))
        yield from _styled(f"convs.{2 * level}", (f"second {below}", f"encoder {below}"), first)
        yield from _styled(f"convs.{2 * level + 1}", (first, encoder), second)
        yield from _modulated(f"to_rgbs.{level}", (second, encoder), FIXED)
        below, resolution, level = resolution, resolution * 2, level + 1


def _styled(layer: str, inputs: Groups, output: str) -> Iterator[tuple[str, Layout]]:
    yield from _modulated(layer, inputs, (output,))
    injected = f"encoder {_resolution(output)}"
    yield f"generator.{layer}.activate.bias", Layout(((output, injected),))


def _modulated(layer: str, inputs: Groups, outputs: Groups) -> Iterator[tuple[str, Layout]]:
    convolution = f"generator.{layer}.conv"
    yield f"{convolution}.weight", Layout((FIXED, outputs, inputs, FIXED, FIXED), reads=2)
    yield f"{convolution}.modulation.weight", Layout((inputs, FIXED))
    yield f"{convolution}.modulation.bias", Layout((inputs,))


def _resolution(group: str) -> int:
    return int(group.split()[1])


def _kept_channels(
    state: dict[str, Tensor], layouts: dict[str, Layout], old: NetworkConfig, new: NetworkConfig
) -> dict[str, Kept]:
    """Of every group, the channels that are weighed most."""
    use: dict[str, Tensor] = {}
    for name, layout in layouts.items():
        if layout.reads is not None and (groups := layout.along[layout.reads]):
            weight = state[name].square().transpose(0, layout.reads).flatten(1)
            widths = [old.channels(_resolution(group)) for group in groups]
            parts = (weight.sum(dim=1) / len(weight)).split(widths)
            for group, part in zip(groups, parts, strict=True):
                use[group] = use[group] + part if group in use else part
    kept = {}
    for group, used in use.items():
        before, after = (config.channels(_resolution(group)) for config in (old, new))
        channels = used.topk(min(before, after)).indices.sort().values
        kept[group] = Kept(channels, before, after)
    return kept


def _resized(old: Tensor, random: Tensor, layout: Layout, kept: dict[str, Kept]) -> Tensor:
    """`random`, with the old values wherever both have the channels."""
    values, places = old, []
    for dimension, groups in enumerate(layout.along):
        source, place = _matched(groups, old.shape[dimension], kept)
        values = values.index_select(dimension, source)
        places.append(place)
    if layout.reads is None:
        resized = random.clone()
    else:
        # Weights are stored with unit variance, to be scaled by the number of inputs.
        values = values * math.sqrt(random.shape[layout.reads] / old.shape[layout.reads])
        outputs = layout.reads - 1
        resized = random.index_fill(outputs, places[outputs], 0.0)
    resized[torch.meshgrid(*places, indexing="ij")] = values
    return resized


def _matched(groups: Groups, length: int, kept: dict[str, Kept]) -> tuple[Tensor, Tensor]:
    """Where what stays is along a dimension, in the old tensor and in the new one."""
    if not groups:
        return torch.arange(length), torch.arange(length)
    sources, places, source, place = [], [], 0, 0
    for group in map(kept.__getitem__, groups):
        sources.append(source + group.channels)
        places.append(place + torch.arange(len(group.channels)))
        source, place = source + group.before, place + group.after
    return torch.cat(sources), torch.cat(places)
