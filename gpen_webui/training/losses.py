"""What the network is asked for, stage by stage: fidelity, then perception, identity, texture.

With squared differences ruined photos decide everything, and good ones come out softened. With
relative ones, divided by each face's own error, it is the reverse: good photos are kept and
ruined ones hardly change. Here each face pulls with the same force, however damaged it is: the
gradient of the root of its own mean square error has a length that does not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

# In [-1,1]. The root's gradient would be infinite at no error; a square error of 1e-4 is 46 dB.
SQUARE_FLOOR, COLOUR_FLOOR = 1e-4, 4e-3
PIXEL_SCALE = 12.0  # brings the term to the size of the others
COLOUR_CELL = 8  # share of the side over which colours are averaged


@dataclass(frozen=True)
class Stage:
    """Weights of the terms. share: part of the training's steps.

    pixels: squared and plain differences. colour: means of large cells. edges: differences of
    neighbouring pixels. perceptual: ST-LPIPS with the VGG trunk. identity: a face recogniser's
    features. adversarial: a discriminator.
    """

    share: float
    pixels: float = 1.0
    colour: float = 0.25
    edges: float = 0.0
    perceptual: float = 0.0
    identity: float = 0.0
    adversarial: float = 0.0


STAGES = {
    "fidelity": Stage(share=0.5),
    "perception": Stage(share=0.25, edges=1.0, perceptual=6.0),
    "identity": Stage(share=0.15, edges=1.0, perceptual=6.0, identity=3.0),
    "texture": Stage(share=0.1, edges=1.0, perceptual=6.0, identity=3.0, adversarial=0.02),
}


def stage_at(progress: float) -> str:
    """The name of the stage when this part (0-1) of the steps is done."""
    until = 0.0
    for name, stage in STAGES.items():
        until += stage.share
        if progress < until:
            return name
    return name


def pixel_loss(result: Tensor, truth: Tensor) -> Tensor:
    """Root of each face's mean square error, and plain differences; (B,3,S,S) -> ()."""
    difference = result - truth
    square = difference.square().mean(dim=(1, 2, 3)) + SQUARE_FLOOR
    return PIXEL_SCALE * (square.sqrt().mean() + difference.abs().mean())


def colour_loss(result: Tensor, truth: Tensor) -> Tensor:
    """Relative error of the colours of large cells, which hold tonality and shading."""
    cell = max(1, result.shape[-1] // (4 * COLOUR_CELL))
    difference = F.avg_pool2d(result - truth, cell).abs().mean(dim=(1, 2, 3))
    return (difference + COLOUR_FLOOR).log().mean()


def edge_loss(result: Tensor, truth: Tensor) -> Tensor:
    """Differences of slopes, across and down; (B,3,S,S) -> ().

    The perceptual term forgives an edge that lies a few pixels beside the true one, and so asks
    for outlines around everything; this one does not.
    """
    difference = result - truth
    across, down = (difference.diff(dim=dimension).abs().mean() for dimension in (2, 3))
    return PIXEL_SCALE * (across + down)
