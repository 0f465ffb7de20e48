"""How good the network is while it trains: a few held-out faces of each set, degraded in a fixed
way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gpen_webui.training.degrade import LEVELS, degrade_at
from gpen_webui.training.faces import FaceSet, read_face, to_tensor
from gpen_webui.training.perceptual import StLpips

CHECKED_FACES = 12  # of each set
SHEET_FACES = 3
SEED = 20210522


def degraded(files: list[Path], level: str, size: int) -> tuple[Tensor, Tensor]:
    """Faces and their fixed degradation: inputs and truths, (N,3,S,S) in [-1,1].

    A face's damage depends on its place in the list and the level alone.
    """
    truths = np.stack([read_face(file, size) for file in files])
    inputs = [
        degrade_at(truth.astype(np.float32), LEVELS[level], np.random.default_rng((SEED, place)))
        for place, truth in enumerate(truths)
    ]
    return to_tensor(np.stack(inputs)), to_tensor(truths)


def psnr(result: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels, per picture (B,); equal pictures give 99."""
    error = ((result.clamp(-1, 1) - truth) / 2).square().mean(dim=(1, 2, 3))
    return -10 * error.clamp(min=10**-9.9).log10()


class Validation:
    """Scores a network on the same faces each time."""

    def __init__(self, sets: Sequence[FaceSet], size: int, device: torch.device):
        judge = StLpips("alex").to(device)
        self._sets = {faces.name: _SetValidation(faces, size, judge, device) for faces in sets}

    @torch.inference_mode()
    def __call__(self, network: nn.Module) -> tuple[float, dict, list[Tensor]]:
        """A score, higher is better; the numbers per set and level; and a sheet's columns.

        The score is in decibels: gain in PSNR plus gain in ST-LPIPS, as 10 log10 of the ratio.
        Every set and level counts the same. `untouched` is the PSNR, in decibels, of what the
        network makes of the truths themselves.
        """
        found, columns = {}, []
        for name, faces in self._sets.items():
            found[name], shown = faces(network)
            columns.append(shown)
        gains = [
            level["psnr_gain"] - 10 * math.log10(max(level["alex_ratio"], 1e-3))
            for levels in found.values()
            for key, level in levels.items()
            if key in LEVELS
        ]
        sheet = [torch.cat(parts) for parts in zip(*columns, strict=True)]
        return round(sum(gains) / len(gains), 3), found, sheet


class _SetValidation:
    """The checked faces of one set."""

    def __init__(self, faces: FaceSet, size: int, judge: StLpips, device: torch.device):
        self._device, self._judge = device, judge
        held_out = faces.held_out
        chosen = held_out[:: max(1, len(held_out) // CHECKED_FACES)][:CHECKED_FACES]
        self._pairs = {level: degraded(chosen, level, size) for level in LEVELS}
        self._before = {level: self._measure(*pair) for level, pair in self._pairs.items()}

    def __call__(self, network: nn.Module) -> tuple[dict, list[Tensor]]:
        levels, shown = {}, []
        for level, (inputs, truths) in self._pairs.items():
            results = self._restored(network, inputs)
            before, after = self._before[level], self._measure(results, truths)
            levels[level] = {
                "psnr_gain": round(after[0] - before[0], 3),
                "alex_ratio": round(after[1] / max(before[1], 1e-6), 4),
            }
            shown += [inputs[:SHEET_FACES], results[:SHEET_FACES]]
        shown.append(truths[:SHEET_FACES])
        kept = psnr(self._restored(network, truths), truths).mean().item()
        return {**levels, "untouched": round(kept, 2)}, shown

    def _restored(self, network: nn.Module, inputs: Tensor) -> Tensor:
        return torch.cat([network(part.to(self._device)).cpu() for part in inputs.split(4)])

    @torch.inference_mode()
    def _measure(self, results: Tensor, truths: Tensor) -> tuple[float, float]:
        """Mean PSNR, mean ST-LPIPS."""
        distance = torch.cat(
            [
                self._judge(a.to(self._device).clamp(-1, 1), b.to(self._device)).cpu()
                for a, b in zip(results.split(4), truths.split(4), strict=True)
            ]
        )
        return psnr(results, truths).mean().item(), distance.mean().item()
