"""Training of the network that finds scratches, on photos that are damaged as they are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gpen_webui.training.faces import FaceSet, balanced, open_sets
from gpen_webui.training.run import RunOptions, TrainingRun
from gpen_webui.training.scratches.measures import HeldOut
from gpen_webui.training.scratches.network import ScratchNetwork, save_onnx
from gpen_webui.training.scratches.samples import DamageSamples

THRESHOLD = 0.5  # probability from which a pixel is damaged
RIM_WEIGHT = 0.3  # of the pixels just beside damage, of which nobody can say where it ends
SOUND_WEIGHT = 4.0  # of pictures without damage, of which nothing may be taken for any
CHECKED, SHOWN = 16, 4  # pictures of each set
FALSE_WEIGHT = 100  # 0.1 % of false area is worse by as much as ten percent of F1 is better


@dataclass(frozen=True)
class ScratchOptions(RunOptions):
    """folders: of photos without damage. size: side of the samples in pixels, of 32."""

    size: int = 192


class ScratchTraining(TrainingRun):
    """One training of the scratch network. `run` goes on from the folder's state, or begins.

    Besides what every run leaves, the folder holds last.onnx and best.onnx, which repairing uses.
    Raises UserError where folders and photos are not as needed.
    """

    options: ScratchOptions

    def __init__(self, options: ScratchOptions):
        sets = open_sets(options.folders)
        torch.manual_seed(options.seed)
        super().__init__(options, ScratchNetwork())
        self._resume()
        self.samples = DamageSamples(balanced(sets), options.size, options.batch, options.seed)
        self._held_out = {photos.name: _held_out(photos) for photos in sets}

    def _train_step(self, stage: str) -> dict[str, float]:
        pictures, damaged = (part.to(self.device) for part in self.samples.batch(self.step))
        self.network.train()
        with self._precision.autocast():
            logits = self._forward(pictures)
        return self._optimise(damage_losses(logits.float(), damaged))

    def _average(self) -> None:
        super()._average()
        for kept, new in zip(self.ema.buffers(), self.network.buffers(), strict=True):
            kept.copy_(new)

    def _validated(self) -> tuple[float, dict, list[Tensor]]:
        found, scores, shown = {}, [], []
        self.ema.eval()
        for name, pictures in self._held_out.items():
            counts = pictures.measure(self._find)
            false_percent = 100 * counts.false_area
            found[name] = {
                "damage": {"f1": round(counts.f1, 4), "false_percent": round(false_percent, 4)}
            }
            scores.append(100 * counts.f1 - FALSE_WEIGHT * false_percent)
            shown += [*pictures.damaged[:SHOWN], *((p, None) for p in pictures.sound[:SHOWN])]
        return round(float(np.mean(scores)), 3), found, self._sheet(shown)

    def _find(self, picture: np.ndarray) -> np.ndarray:
        return self._probability(picture) > THRESHOLD

    @torch.inference_mode()
    def _probability(self, picture: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(picture.astype(np.float32) / 255)[None, None].to(self.device)
        return torch.sigmoid(self.ema(batch))[0, 0].float().cpu().numpy()

    def _sheet(self, shown: list[tuple[np.ndarray, np.ndarray | None]]) -> list[Tensor]:
        """Columns: the picture, what was found, the truth."""
        columns: tuple[list[np.ndarray], ...] = ([], [], [])
        for picture, damaged in shown:
            truth = np.zeros(picture.shape) if damaged is None else damaged
            parts = (picture / 127.5 - 1, 2 * self._probability(picture) - 1, 2.0 * truth - 1)
            for column, part in zip(columns, parts, strict=True):
                column.append(part)
        return [
            torch.from_numpy(np.stack(c)).float()[:, None].expand(-1, 3, -1, -1) for c in columns
        ]

    def _save(self) -> None:
        super()._save()
        save_onnx(self.ema, self.folder.path / "last.onnx")

    def _validate(self, stage: str) -> None:
        before = self.best
        super()._validate(stage)
        if self.best > before:
            save_onnx(self.ema, self.folder.path / "best.onnx")

    def _close(self) -> None:
        self.samples.close()


def damage_losses(logits: Tensor, damaged: Tensor) -> dict[str, Tensor]:
    """Cross entropy and the overlap that is lacking (Dice), both (B,1,H,W); by name."""
    near = functional.max_pool2d(damaged, 3, stride=1, padding=1)
    weight = 1 - (1 - RIM_WEIGHT) * (near - damaged)
    is_sound = damaged.amax(dim=(1, 2, 3), keepdim=True) == 0
    entropy = functional.binary_cross_entropy_with_logits(
        logits, damaged, weight * torch.where(is_sound, SOUND_WEIGHT, 1.0)
    )
    found = torch.sigmoid(logits) * weight
    overlap = 2 * (found * damaged).sum() / (found.sum() + damaged.sum() + 1)
    return {"entropy": 4 * entropy, "overlap": 0.5 * (1 - overlap)}


def _held_out(photos: FaceSet) -> HeldOut:
    return HeldOut.of(photos.held_out, CHECKED)
