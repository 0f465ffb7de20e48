"""Measure a model on people it was not trained on: the table by which models are compared.

Each held-out face is damaged at three fixed levels; what the model makes of it is compared
with the truth. The same faces get the same damage each time, whatever the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gpen_webui.gpen.catalog import InstalledModel
from gpen_webui.gpen.engine import open_engine
from gpen_webui.training.classical import CLASSICAL, tuned
from gpen_webui.training.degrade import LEVELS
from gpen_webui.training.faces import FacesError, list_faces
from gpen_webui.training.identity import FaceRecogniser
from gpen_webui.training.perceptual import StLpips
from gpen_webui.training.run_folder import write_sheet
from gpen_webui.training.validate import degraded, psnr

TUNING_FACES = 12
SHEET_FACES = 12
AT_ONCE = 4

Restore = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Row:
    """One level's means. Distances are to the truth; the ratio is result / input.

    psnr_in, psnr_out: dB. alex, vgg: ratio of ST-LPIPS; identity: of the recogniser's
    distance. colour_shift: mean over faces of the largest channel's change of mean, in levels.
    """

    level: str
    psnr_in: float
    psnr_out: float
    alex: float
    vgg: float
    identity: float
    colour_shift: float


@dataclass(frozen=True)
class Evaluation:
    """What a model or filter does at each level. seconds: per face, 0 where not measured."""

    name: str
    faces: int
    rows: list[Row]
    seconds: float = 0.0

    def table(self) -> str:
        """As a Markdown table."""
        head = [
            f"{self.name}: {self.faces} people not trained on"
            + (f", {self.seconds:.3f} s per face" if self.seconds else ""),
            "",
            "| level | PSNR in -> out, dB | ST-LPIPS alex | vgg | identity | colour shift |",
            "|---|---|---|---|---|---|",
        ]
        body = [
            f"| {r.level} | {r.psnr_in:.2f} -> {r.psnr_out:.2f} | {r.alex:.3f} | {r.vgg:.3f} "
            f"| {r.identity:.3f} | {r.colour_shift:.2f} |"
            for r in self.rows
        ]
        return "\n".join(head + body)

    def as_dict(self) -> dict:
        return asdict(self)


class Evaluator:
    """Faces, their damage and the judges, made once and used for any number of models."""

    def __init__(self, faces: Path, size: int, count: int):
        """faces: a prepared folder. count: of held-out faces, spread over all of them."""
        self._training, held_out = list_faces(faces)
        if not held_out:
            raise FacesError(f"{faces} holds out nobody; add faces of more people.")
        self.size = size
        self._files = _spread(held_out, count)
        self._judges = {"alex": StLpips("alex"), "vgg": StLpips("vgg")}
        self._recogniser = FaceRecogniser()
        self._sets = {level: degraded(self._files, level, size) for level in LEVELS}
        self._before: dict[str, dict[str, float]] = {}

    def evaluate(self, name: str, restore: Restore, sheet: Path | None = None) -> Evaluation:
        """Measure `restore`, which takes and gives (N,3,S,S) in [-1,1].

        sheet: where to draw inputs, results and truths of some faces, at 100 %.
        """
        rows, columns, seconds = [], [], 0.0
        for level, (inputs, truths) in self._sets.items():
            begin = time.perf_counter()
            results = restore(inputs).clamp(-1, 1)
            seconds += (time.perf_counter() - begin) / len(inputs) / len(LEVELS)
            rows.append(self._row(level, inputs, results, truths))
            columns += [inputs[:SHEET_FACES], results[:SHEET_FACES]]
        if sheet is not None:
            write_sheet(sheet, [*columns, truths[:SHEET_FACES]])
        return Evaluation(name, len(self._files), rows, round(seconds, 4))

    def classical(self) -> list[Evaluation]:
        """The filters of CLASSICAL, each tuned per level on faces of other people."""
        files = _spread(self._training, TUNING_FACES)
        evaluations = []
        for name in CLASSICAL:
            rows = []
            for level, (inputs, truths) in self._sets.items():
                restore = tuned(name, *degraded(files, level, self.size))
                rows.append(self._row(level, inputs, restore(inputs), truths))
            evaluations.append(Evaluation(name, len(self._files), rows))
        return evaluations

    def _row(self, level: str, inputs: Tensor, results: Tensor, truths: Tensor) -> Row:
        if level not in self._before:
            self._before[level] = self._measure(inputs, truths)
        before, after = self._before[level], self._measure(results, truths)
        ratios = {key: after[key] / before[key] for key in ("alex", "vgg", "identity")}
        shift = (results - inputs).mean(dim=(2, 3)).abs().amax(dim=1).mean().item() * 127.5
        return Row(level, before["psnr"], after["psnr"], **ratios, colour_shift=shift)

    @torch.inference_mode()
    def _measure(self, results: Tensor, truths: Tensor) -> dict[str, float]:
        sums = {
            "psnr": psnr(results, truths).sum().item(),
            "identity": 0.0,
            "alex": 0.0,
            "vgg": 0.0,
        }
        for a, b in zip(results.split(AT_ONCE), truths.split(AT_ONCE), strict=True):
            for name, judge in self._judges.items():
                sums[name] += judge(a, b).sum().item()
            distance = (self._recogniser(a) - self._recogniser(b)).norm(dim=1)
            sums["identity"] += distance.sum().item()
        return {name: value / len(truths) for name, value in sums.items()}


def restore_with(model: InstalledModel, device: str = "cpu") -> Restore:
    """The model on the engine that the product itself uses."""
    engine = open_engine(model, device=device)
    engine.run(np.zeros((1, 3, model.size, model.size), np.float32))  # the first run is slow

    def restore(inputs: Tensor) -> Tensor:
        return torch.from_numpy(engine.run(np.ascontiguousarray(inputs.numpy())))

    return restore


def _spread(files: list[Path], count: int) -> list[Path]:
    """About `count` of the files, evenly spread."""
    return [files[round(i)] for i in np.linspace(0, len(files) - 1, min(count, len(files)))]
