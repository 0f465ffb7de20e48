"""Who is likely on a damaged face: a copy of the recogniser that learns to see through damage.

The distance to the true person is a noisy guide. What a damaged face has lost nobody can know,
and every face of a batch asks for its own, unknowable part of it. Asked instead for the mean of
the people who may be on it, the network is asked for the same on average, without that noise:
the mean is what a recogniser learns that sees only the damaged face, by squared distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gpen_webui.training.identity import FaceRecogniser
from gpen_webui.training.samples import Samples

STEPS, BATCH = 600, 16
LEARNING_RATE, WARM_UP_STEPS = 3e-5, 100  # higher ones ruin what the recogniser knows
# Distances between the damaged and the true face, to the recogniser. Below the first the true
# person is still to be seen; from the second on, only the likely one.
CLEAR, LOST = 0.12, 0.27


def taught_recogniser(
    samples: Samples, device: torch.device, watch: Callable[[int], None] = lambda step: None
) -> FaceRecogniser:
    """A recogniser that tells the true person's numbers from a damaged face.

    samples: batches of faces, their steps counted from 0. watch: is told each
    step before it is made, and may end the lesson by raising. Takes some minutes on a CPU.
    Raises TrainingExtrasError where the recogniser is not installed.
    """
    exact = FaceRecogniser().to(device)
    taught = FaceRecogniser().to(device).requires_grad_(True)
    optimizer = torch.optim.Adam(taught.parameters())
    for step in range(STEPS):
        watch(step)
        rise = min(1.0, (step + 1) / WARM_UP_STEPS)
        fall = 0.5 * (1 + math.cos(math.pi * step / STEPS))
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * rise * fall
        inputs, truths, _ = (part.to(device) for part in samples.batch(step))
        # Within a caller's autocast it would see its weights as they were at the first step.
        with torch.autocast(device.type, enabled=False):
            loss = (taught(inputs) - exact(truths)).square().sum(dim=1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return taught.requires_grad_(False)


def person_to_ask_for(seen: Tensor, true: Tensor, likely: Tensor) -> Tensor:
    """The numbers that a restored face should have; all (B,128).

    seen, true: of the damaged and the true face. likely: what a taught recogniser made of the
    damaged one.
    """
    distance = (seen - true).norm(dim=1, keepdim=True)
    lost = ((distance - CLEAR) / (LOST - CLEAR)).clamp(0, 1)
    return true + lost * (likely - true)
