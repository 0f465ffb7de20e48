"""What the network is asked for, stage by stage: fidelity, perception, texture, identity.

The gradients of the perceptual term, identity and discriminator differ from batch to batch far more
than those of pixels. Their weights are such that pixels prevail: where they do not, the network
learns little of what faces look like, and draws lines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Stage:
    """Weights of the terms. share: part of the training's steps.

    pixels: squared and plain differences. colour: means of large cells. outlines: lines where the
    truth has none. halos: lighter or darker than all of the truth nearby. perceptual: ST-LPIPS
    with the VGG trunk. identity: a face recogniser's distance to the person who can still be told.
    adversarial: a discriminator.
    """

    share: float
    pixels: float = 1.0
    colour: float = 0.25
    outlines: float = 0.0
    halos: float = 0.0
    perceptual: float = 0.0
    identity: float = 0.0
    adversarial: float = 0.0


_PERCEPTION = Stage(share=0.05, outlines=1500.0, halos=750.0, perceptual=3.0)
_TEXTURE = replace(_PERCEPTION, share=0.15, perceptual=7.0, adversarial=2.5)
STAGES = {
    "fidelity": Stage(share=0.7),
    "perception": _PERCEPTION,
    "texture": _TEXTURE,
    # Short and last: a recogniser soon asks for softer faces, which may be more people.
    "identity": replace(_TEXTURE, share=0.1, identity=4.0),
}


def stage_at(progress: float) -> str:
    """The name of the stage when this part (0-1) of the steps is done."""
    until = 0.0
    for name, stage in STAGES.items():
        until += stage.share
        if progress < until:
            return name
    return name
