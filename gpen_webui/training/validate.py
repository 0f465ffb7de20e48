"""How good the network is while it trains: a few held-out faces, degraded in a fixed way."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gpen_webui.training.degrade import LEVELS, degrade_at
from gpen_webui.training.faces import read_face, to_tensor
from gpen_webui.training.perceptual import StLpips

CHECKED_FACES = 16
SHEET_FACES = 6
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

    def __init__(self, files: list[Path], size: int, device: torch.device):
        self._device = device
        self._judge = StLpips("alex").to(device)
        chosen = files[:: max(1, len(files) // CHECKED_FACES)][:CHECKED_FACES]
        self._sets = {level: degraded(chosen, level, size) for level in LEVELS}
        self._before = {level: self._measure(*pair) for level, pair in self._sets.items()}

    @torch.inference_mode()
    def __call__(self, network: nn.Module) -> tuple[float, dict, list[Tensor]]:
        """A score, higher is better; the numbers per level; and a sheet's columns.

        The score is in decibels: gain in PSNR plus gain in ST-LPIPS, as 10 log10 of the ratio.
        """
        levels, sheet = {}, []
        for level, (inputs, truths) in self._sets.items():
            results = torch.cat([network(part.to(self._device)).cpu() for part in inputs.split(4)])
            before, after = self._before[level], self._measure(results, truths)
            levels[level] = {
                "psnr_gain": round(after[0] - before[0], 3),
                "alex_ratio": round(after[1] / max(before[1], 1e-6), 4),
            }
            sheet += [inputs[:SHEET_FACES], results[:SHEET_FACES]]
        sheet.append(truths[:SHEET_FACES])
        gains = [
            v["psnr_gain"] - 10 * math.log10(max(v["alex_ratio"], 1e-3)) for v in levels.values()
        ]
        return round(sum(gains) / len(gains), 3), levels, sheet

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
