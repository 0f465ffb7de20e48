"""Trains the fidelity gate of a model, which stages/fidelity_gate.py uses.

The network stays as it is. Faces are damaged from not at all to heavily, it restores them, and each
result is mixed with its input in several shares. What a share is worth is told by the truth: PSNR,
ST-LPIPS (alex) and the recogniser's distance, each in decibels. From the numbers that describe the
change the gate learns the share that is worth most.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gpen_webui.gpen.metadata import copy_with_metadata
from gpen_webui.stages.fidelity_gate import (
    KEY,
    NUMBERS,
    FidelityGate,
    FidelityGateError,
    describe_change,
)
from gpen_webui.training.degrade import LEVELS, Level, degrade, degrade_at
from gpen_webui.training.evaluate import Restore
from gpen_webui.training.faces import FaceSet, to_pixels, to_tensor
from gpen_webui.training.identity import FaceRecogniser
from gpen_webui.training.perceptual import StLpips
from gpen_webui.training.samples import SampleMaker

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
UNDAMAGED_SHARE, RANDOM_SHARE = 0.12, 0.38  # of the samples; the others lie between two levels
# Added before the logarithm: below these nobody sees a difference, and no face is worth more.
UNSEEN_ERROR, UNSEEN_ALEX, UNSEEN_DISTANCE = (0.7 / 255) ** 2, 0.01, 0.05
WEIGHTS = (2.0, 1.0, 1.0)  # of PSNR, ST-LPIPS and the recogniser's distance
MOST_LOST = 15.0  # decibels that one face can count for
HIDDEN, STEPS, LEARNING_RATE, WEIGHT_DECAY = 12, 1500, 5e-3, 0.1


class GateExample(NamedTuple):
    """numbers: (NUMBERS,) of a change. gains: (len(SHARES),) what each share of it is worth, in
    decibels over the first, which is the damaged face."""

    numbers: np.ndarray
    gains: np.ndarray


class GateExamples:
    """Damaged faces, what a network makes of them, and what that is worth."""

    def __init__(self, sets: Sequence[FaceSet], size: int, restore: Restore, seed: int = 0):
        """restore: takes and gives (N,3,S,S) in [-1,1], without a gate."""
        self._makers = [SampleMaker(faces.training, size, 1, seed) for faces in sets]
        self._restore = restore
        self._seed = seed
        self._alex, self._recogniser = StLpips("alex"), FaceRecogniser()

    @torch.inference_mode()
    def example(self, number: int) -> GateExample:
        """The same for the same number; every set gives as many."""
        rng = np.random.default_rng((self._seed, number))
        maker = self._makers[number % len(self._makers)]
        truth, worn, _ = maker.truth(maker.number_at(number // len(self._makers), 0), rng)
        damaged = np.rint(_damaged(worn, rng)).astype(np.uint8)
        inputs, truths = to_tensor(damaged[None]), to_tensor(truth[None])
        results = self._restore(inputs).clamp(-1, 1)
        mixed = torch.cat([inputs + share * (results - inputs) for share in SHARES])
        worth = self._worth(mixed, truths).numpy()
        return GateExample(describe_change(damaged, to_pixels(results)[0]), worth - worth[0])

    def _worth(self, faces: Tensor, truths: Tensor) -> Tensor:
        """In decibels, (N,)."""
        error = ((faces - truths) / 2).square().mean(dim=(1, 2, 3))
        alex = self._alex.between(self._alex.features(faces), self._alex.features(truths))
        distance = (self._recogniser(faces) - self._recogniser(truths)).norm(dim=1)
        judged = ((error, UNSEEN_ERROR), (alex, UNSEEN_ALEX), (distance, UNSEEN_DISTANCE))
        decibels = [-10 * (part + unseen).log10() for part, unseen in judged]
        return (torch.stack(decibels) * torch.tensor(WEIGHTS)[:, None]).sum(0)


def fit_gate(examples: Sequence[GateExample], seed: int = 0) -> FidelityGate:
    """The gate whose shares are worth most on the examples."""
    numbers = np.stack([example.numbers for example in examples])
    mean, spread = numbers.mean(axis=0), numbers.std(axis=0) + 1e-3
    inputs = torch.from_numpy((numbers - mean) / spread).float()
    gains = torch.from_numpy(np.stack([example.gains for example in examples])).float()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        hidden, out = nn.Linear(NUMBERS, HIDDEN), nn.Linear(HIDDEN, 1)
    parameters = [*hidden.parameters(), *out.parameters()]
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        shares = torch.sigmoid(out(torch.tanh(hidden(inputs)))[:, 0])
        loss = -_interpolated(gains, shares).clamp(min=-MOST_LOST).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = [each.detach().double().numpy() for each in parameters]
    return FidelityGate(mean, spread, weights[0], weights[1], weights[2][0], float(weights[3][0]))


def mean_gain(gate: FidelityGate, examples: Sequence[GateExample]) -> float:
    """What the gate's shares are worth on average, in decibels over the damaged faces."""
    shares = torch.tensor([gate.share_for(example.numbers) for example in examples])
    gains = torch.from_numpy(np.stack([example.gains for example in examples]))
    return _interpolated(gains.float(), shares.float()).mean().item()


def write_with_gate(weights: Path, gate: FidelityGate, output: Path) -> None:
    """A copy of a .safetensors file whose metadata hold the gate.

    Raises FidelityGateError where it is another file.
    """
    try:
        copy_with_metadata(weights, output, {KEY: gate.as_text()})
    except (ValueError, struct.error) as error:
        raise FidelityGateError(
            f"{weights.name} is no .safetensors file, which alone can keep a fidelity gate; give "
            "the weights that `train run` has left."
        ) from error


def _damaged(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S,S,3) float32, 0-255: as it is, damaged at random, or between two fixed levels."""
    kind = rng.random()
    if kind < UNDAMAGED_SHARE:
        return face
    if kind < UNDAMAGED_SHARE + RANDOM_SHARE:
        return degrade(face, rng)
    mild, medium, heavy = LEVELS.values()
    lower, upper = ((mild, mild), (mild, medium), (medium, heavy))[
        rng.choice(3, p=(0.45, 0.35, 0.2))
    ]
    place = rng.random()
    between = [
        a + place * (b - a) for a, b in zip(vars(lower).values(), vars(upper).values(), strict=True)
    ]
    return degrade_at(face, Level(*between), rng)


def _interpolated(gains: Tensor, shares: Tensor) -> Tensor:
    """gains: (N,len(SHARES)), shares: (N,) in [0,1] -> (N,), linear between the shares."""
    place = shares * (len(SHARES) - 1)
    lower = place.floor().clamp(max=len(SHARES) - 2)
    index = lower.long()[:, None]
    low, high = gains.gather(1, index)[:, 0], gains.gather(1, index + 1)[:, 0]
    return low + (place - lower) * (high - low)
