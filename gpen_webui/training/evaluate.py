"""Measure a model on people it was not trained on: the table by which models are compared.

Each held-out face is damaged at three fixed levels; what the model makes of it is compared
with the truth. The same faces get the same damage each time, whatever the model.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gpen_webui.engines.open import open_engine
from gpen_webui.models.installed import InstalledModel
from gpen_webui.stages.fidelity_gate import read_fidelity_gate
from gpen_webui.training.classical import CLASSICAL, tuned
from gpen_webui.training.degrade import LEVELS
from gpen_webui.training.faces import FaceSet, to_pixels
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
class Untouched:
    """What a model does where nothing is to be done.

    psnr: of restored truths beside the truths, dB. identity: the recogniser's distance between
    them. second_pass: the gain in PSNR by restoring a result of medium damage once more, dB.
    """

    psnr: float
    identity: float
    second_pass: float


@dataclass(frozen=True)
class Evaluation:
    """What a model or filter does at each level to the faces of a set.

    seconds: per face, 0 where not measured. untouched: what it makes of the truths themselves,
    None where not asked.
    """

    name: str
    set: str
    faces: int
    rows: list[Row]
    seconds: float = 0.0
    untouched: Untouched | None = None

    def table(self) -> str:
        """As a Markdown table."""
        head = [
            f"{self.name}, {self.set}: {self.faces} faces of people not trained on"
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
        if self.untouched:
            body += [
                "",
                f"Untouched faces: {self.untouched.psnr:.2f} dB beside themselves, identity "
                f"distance {self.untouched.identity:.3f}; a second pass at medium adds "
                f"{self.untouched.second_pass:+.2f} dB.",
            ]
        return "\n".join(head + body)

    def as_dict(self) -> dict:
        return asdict(self)


class Evaluator:
    """Faces, their damage and the judges, made once and used for any number of models."""

    def __init__(self, faces: FaceSet, size: int, count: int):
        """count: of held-out faces, spread over all of them."""
        self._training, self._set, self.size = faces.training, faces.name, size
        self._files = _spread(faces.held_out, count)
        self._judges = {"alex": StLpips("alex"), "vgg": StLpips("vgg")}
        self._recogniser = FaceRecogniser()
        sets = {level: degraded(self._files, level, size) for level in LEVELS}
        self._inputs = {level: inputs for level, (inputs, _) in sets.items()}
        self._truths = sets["mild"][1]
        self._before = self._measure(self._inputs)

    def evaluate(self, name: str, restore: Restore, sheet: Path | None = None) -> Evaluation:
        """Measure `restore`, which takes and gives (N,3,S,S) in [-1,1].

        sheet: where to draw inputs, results and truths of some faces, at 100 %.
        """
        begin = time.perf_counter()
        results = {level: restore(inputs) for level, inputs in self._inputs.items()}
        seconds = (time.perf_counter() - begin) / len(self._files) / len(LEVELS)
        untouched = self._untouched(restore, results["medium"])
        if sheet is not None:
            pairs = [(self._inputs[level], results[level]) for level in LEVELS]
            columns = [*itertools.chain.from_iterable(pairs), self._truths]
            write_sheet(sheet, [column[:SHEET_FACES] for column in columns])
        return replace(self._compared(name, results, round(seconds, 4)), untouched=untouched)

    def classical(self) -> list[Evaluation]:
        """The filters of CLASSICAL, each tuned per level on faces of other people."""
        files = _spread(self._training, TUNING_FACES)
        evaluations = []
        for name in CLASSICAL:
            results = {
                level: tuned(name, *degraded(files, level, self.size))(inputs)
                for level, inputs in self._inputs.items()
            }
            evaluations.append(self._compared(name, results, 0.0))
        return evaluations

    def _compared(self, name: str, results: dict[str, Tensor], seconds: float) -> Evaluation:
        results = {level: result.clamp(-1, 1) for level, result in results.items()}
        after, rows = self._measure(results), []
        for level, before in self._before.items():
            ratios = {key: after[level][key] / before[key] for key in ("alex", "vgg", "identity")}
            change = (results[level] - self._inputs[level]).mean(dim=(2, 3))
            shift = 127.5 * change.abs().amax(dim=1).mean().item()
            psnrs = before["psnr"], after[level]["psnr"]
            rows.append(Row(level, *psnrs, **ratios, colour_shift=shift))
        return Evaluation(name, self._set, len(self._files), rows, seconds)

    @torch.inference_mode()
    def _untouched(self, restore: Restore, once: Tensor) -> Untouched:
        """once: the results at medium."""
        truths = self._truths
        kept = restore(truths).clamp(-1, 1)
        distances = [
            (self._recogniser(a) - self._recogniser(b)).norm(dim=1)
            for a, b in zip(kept.split(AT_ONCE), truths.split(AT_ONCE), strict=True)
        ]
        gain = psnr(restore(once.clamp(-1, 1)), truths) - psnr(once, truths)
        return Untouched(
            psnr(kept, truths).mean().item(),
            torch.cat(distances).mean().item(),
            gain.mean().item(),
        )

    @torch.inference_mode()
    def _measure(self, pictures: dict[str, Tensor]) -> dict[str, dict[str, float]]:
        """Means over the faces, per level. The truths, the same at all levels, are seen once."""
        sums: dict[str, dict[str, float]] = {level: defaultdict(float) for level in pictures}
        for place in range(0, len(self._files), AT_ONCE):
            part = slice(place, place + AT_ONCE)
            truths = self._truths[part]
            features = {name: judge.features(truths) for name, judge in self._judges.items()}
            person = self._recogniser(truths)
            for level, every in pictures.items():
                faces = every[part]
                sums[level]["psnr"] += psnr(faces, truths).sum().item()
                for name, judge in self._judges.items():
                    distance = judge.between(judge.features(faces), features[name])
                    sums[level][name] += distance.sum().item()
                distance = (self._recogniser(faces) - person).norm(dim=1)
                sums[level]["identity"] += distance.sum().item()
        return {
            level: {name: value / len(self._files) for name, value in found.items()}
            for level, found in sums.items()
        }


def restore_with(model: InstalledModel, device: str = "cpu") -> Restore:
    """The model as the product uses it: its network, and its fidelity gate where it has one."""
    network, gate = network_of(model, device), read_fidelity_gate(model.path)
    if gate is None:
        return network

    def restore(inputs: Tensor) -> Tensor:
        results = network(inputs).clamp(-1, 1)
        before, after = (to_pixels(faces) for faces in (inputs, results))
        shares = [
            gate.share(*pair) for pair in zip(np.rint(before).astype(np.uint8), after, strict=True)
        ]
        return inputs + torch.tensor(shares)[:, None, None, None] * (results - inputs)

    return restore


def network_of(model: InstalledModel, device: str = "cpu") -> Restore:
    """A model's network on the engine that the product itself uses."""
    engine = open_engine(model, device=device)
    engine.run(np.zeros((1, 3, model.size, model.size), np.float32))  # the first run is slow
    return lambda inputs: torch.from_numpy(engine.run(np.ascontiguousarray(inputs.numpy())))


def _spread(files: list[Path], count: int) -> list[Path]:
    """About `count` of the files, evenly spread."""
    return [files[round(i)] for i in np.linspace(0, len(files) - 1, min(count, len(files)))]
