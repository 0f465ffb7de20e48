"""Whether a weight file holds ParseNet, told by the names and shapes of its tensors alone; and what
ParseNet tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SIDE = 512  # pixels of the faces that it is shown
COLOURS = 3
MOST_WIDTHS, MOST_BLOCKS = 6, 100

# The classes of CelebAMask-HQ (Lee et al., "MaskGAN: Towards Diverse and Interactive Facial Image
# Manipulation", 2020), in the order of the network's channels.
CLASSES = (
    "background",
    "skin",
    "nose",
    "glasses",
    "left eye",
    "right eye",
    "left brow",
    "right brow",
    "left ear",
    "right ear",
    "mouth",
    "upper lip",
    "lower lip",
    "hair",
    "hat",
    "earring",
    "necklace",
    "neck",
    "cloth",
)
# What is not restored: what may stand before a face, too, is one of these.
NOT_FACE = ("background", "hat", "cloth")


@dataclass(frozen=True)
class ParseConfig:
    """widths: channels at the full size, at half of it, and so on. blocks: in the body."""

    widths: tuple[int, ...]
    blocks: int


def recognise(tensors: Mapping[str, Any]) -> ParseConfig | None:
    """The ParseNet of these tensors, or of what describes them; None where they are another's.

    Whether every tensor is there and has its shape, `read.load_parser` says.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    first = shapes.get("encoder.0.conv2d.weight", ())
    mask = shapes.get("out_mask_conv.conv2d.weight", ())
    if first[1:] != (COLOURS, 3, 3) or mask[:1] != (len(CLASSES),):
        return None
    halves = _count(shapes, r"encoder\.(\d+)\.conv1\.conv2d\.weight") - 1
    blocks = _count(shapes, r"body\.(\d+)\.conv1\.conv2d\.weight")
    try:
        deeper = [shapes[f"encoder.{n}.conv1.conv2d.weight"][0] for n in range(1, halves + 1)]
    except (KeyError, IndexError):
        return None
    is_known = 1 <= halves < MOST_WIDTHS and 1 <= blocks <= MOST_BLOCKS
    return ParseConfig((first[0], *deeper), blocks) if is_known else None


def _count(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    """How many layers there are, by the highest number in their names."""
    numbers = [int(found[1]) for name in shapes if (found := re.fullmatch(pattern, name))]
    return min(max(numbers, default=-1) + 1, MOST_BLOCKS + 1)
