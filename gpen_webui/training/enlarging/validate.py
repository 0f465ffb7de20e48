"""How good the network is while it trains: a few held-out photos of each set, of each kind."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gpen_webui.training.enlarging.measure import Judge, bicubic, enlarged, pairs
from gpen_webui.training.faces import FaceSet

CHECKED = 5  # photos of each set
LARGEST = 256  # pixels of their middle
SHOWN = 3


class EnlargingValidation:
    """Scores a network on the same photos each time."""

    def __init__(self, sets: Sequence[FaceSet], kinds: Sequence[str], device: torch.device):
        self._device, self._judge = device, Judge()
        self._pairs = {
            (pictures.name, kind): pairs(spread(pictures.held_out, CHECKED), kind, LARGEST)
            for pictures in sets
            for kind in kinds
        }
        self._before = {
            key: self._judge.mean([bicubic(photo) for photo, _ in made], [t for _, t in made])
            for key, made in self._pairs.items()
        }

    @torch.inference_mode()
    def __call__(self, network: nn.Module) -> tuple[float, dict, list[Tensor]]:
        """A score, higher is better; the numbers per set and kind; and a sheet's columns.

        The score is in decibels over bicubic: gain in the luma's PSNR plus gain in ST-LPIPS, as
        10 log10 of the ratio. Every set and kind counts the same.
        """
        found: dict[str, dict] = {}
        gains, columns = [], []
        for (name, kind), made in self._pairs.items():
            results = [enlarged(network, photo.to(self._device)).cpu() for photo, _ in made]
            before = self._before[name, kind]
            after = self._judge.mean(results, [truth for _, truth in made])
            gain, ratio = after.psnr - before.psnr, after.perceptual / before.perceptual
            found.setdefault(name, {})[kind] = {
                "psnr_gain": round(gain, 3),
                "alex_ratio": round(ratio, 4),
            }
            gains.append(gain - 10 * math.log10(max(ratio, 1e-3)))
            columns += self._shown(made, results)
        return round(sum(gains) / len(gains), 3), found, columns

    def _shown(self, made: list, results: list[Tensor]) -> list[Tensor]:
        """Photos enlarged by bicubic interpolation, results and truths, in [-1,1]."""
        sides = min(truth.shape[-1] for _, truth in made)
        columns = (
            [bicubic(photo) for photo, _ in made],
            results,
            [truth for _, truth in made],
        )
        return [
            2 * torch.cat([part[..., :sides, :sides] for part in column[:SHOWN]]) - 1
            for column in columns
        ]


def spread(files: Sequence, count: int) -> list:
    """About `count` of the files, evenly spread."""
    step = max(1, len(files) // count)
    return list(files[::step][:count])
