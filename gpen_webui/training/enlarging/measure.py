"""How near an enlarged photo comes to the true one, beside bicubic enlarging."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpen_webui.enlarging.upconv import MARGIN, SCALE
from gpen_webui.training.degrade import LUMA
from gpen_webui.training.enlarging.kinds import MAKERS
from gpen_webui.training.enlarging.pictures import middle, unit_tensor
from gpen_webui.training.faces import read_picture
from gpen_webui.training.perceptual import StLpips
from gpen_webui.training.tasks import KINDS

SEED = 20210522
BORDER = 8  # pixels of the truth that are not compared: nothing is known beyond the edge
LEAST = 64  # pixels a side

Enlarge = Callable[[Tensor], Tensor]


class Pair(NamedTuple):
    """photo (1,3,S,S), truth (1,3,2S,2S), both in [0,1]."""

    photo: Tensor
    truth: Tensor


class Distance(NamedTuple):
    """psnr: of the luma, dB. perceptual: ST-LPIPS with the alex trunk."""

    psnr: float
    perceptual: float


def pairs(files: list[Path], kind: str, largest: int) -> list[Pair]:
    """The middle of each picture, of at most `largest` pixels a side, and the photo of this kind
    made of it. The damage depends on the place in the list and the kind alone."""
    made = []
    for place, file in enumerate(files):
        truth = middle(read_picture(file, LEAST), largest).astype(np.float32)
        rng = np.random.default_rng((SEED, place, KINDS.index(kind)))
        truth, photo = MAKERS[kind](truth, rng)
        made.append(Pair(unit_tensor(photo[None]), unit_tensor(truth[None])))
    return made


def enlarged(network: nn.Module, photo: Tensor) -> Tensor:
    """(N,3,H,W) -> (N,3,2H,2W), both in [0,1]; the edges are mirrored."""
    return network(F.pad(photo, (MARGIN,) * 4, mode="reflect")).clamp(0, 1)


def bicubic(photo: Tensor) -> Tensor:
    """(N,3,H,W) -> (N,3,2H,2W), both in [0,1]."""
    return F.interpolate(photo, scale_factor=SCALE, mode="bicubic", align_corners=False).clamp(0, 1)


def luma(pictures: Tensor) -> Tensor:
    """(N,3,H,W) RGB -> (N,1,H,W), BT.601."""
    weights = torch.from_numpy(LUMA).to(pictures).view(1, 3, 1, 1)
    return (pictures * weights).sum(dim=1, keepdim=True)


class Judge:
    """Compares results with truths."""

    def __init__(self) -> None:
        self._perceptual = StLpips("alex")

    @torch.inference_mode()
    def __call__(self, result: Tensor, truth: Tensor) -> Distance:
        """(1,3,H,W) twice, in [0,1]; as levels of 8 bits."""
        inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
        result, truth = ((255 * part[inside]).round() / 255 for part in (result, truth))
        error = (luma(result) - luma(truth)).square().mean().clamp(min=10**-9.9)
        distance = self._perceptual(2 * result - 1, 2 * truth - 1)
        return Distance(-10 * error.log10().item(), distance.item())

    def mean(self, results: list[Tensor], truths: list[Tensor]) -> Distance:
        """Over several pictures."""
        found = [self(result, truth) for result, truth in zip(results, truths, strict=True)]
        return Distance(*(sum(values) / len(found) for values in zip(*found, strict=True)))
