"""What a training leaves behind: its state, the weights, the log, a plot and sample sheets."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from gpen_webui.errors import UserError
from gpen_webui.files.atomic import writing_atomically
from gpen_webui.gpen.checkpoint import save_checkpoint

# Of a validated number: its title, its unit, and where nothing is gained.
CURVES = {
    "psnr_gain": ("PSNR, result minus input", "dB", 0.0),
    "alex_ratio": ("ST-LPIPS (alex), result / input", "", 1.0),
    "f1": ("Damage found (F1)", "", 0.0),
    "false_percent": ("Taken for damage on sound pictures", "%", 0.0),
}


class RunFolderError(UserError):
    """The folder of a training cannot be used."""


class RunFolder:
    """RUN/state.pt, best.safetensors, last.safetensors, metrics.jsonl, metrics.png, samples/."""

    def __init__(self, path: Path):
        self.path = path
        self._state = path / "state.pt"
        try:
            (path / "samples").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"{path} cannot be made ({error.strerror}); choose another folder with -o."
            ) from error

    def load_state(self) -> dict[str, Any] | None:
        """What `save_state` kept, or None where nothing was begun.

        Raises RunFolderError where the file is damaged.
        """
        if not self._state.exists():
            return None
        try:
            return torch.load(self._state, map_location="cpu", weights_only=True)
        except Exception as error:
            raise RunFolderError(
                f"{self._state} is damaged; remove it and start from "
                f"`--init {self.path / 'last.safetensors'}`."
            ) from error

    def save_state(self, state: dict[str, Any]) -> None:
        """Keep everything a training needs to go on, in one step."""
        with writing_atomically(self._state) as file:
            torch.save(state, file)

    def save_weights(self, name: str, network: nn.Module, note: dict[str, str]) -> None:
        """`name`.safetensors in float16, as the published checkpoints name the tensors."""
        path = self.path / f"{name}.safetensors"
        save_checkpoint(path, network.state_dict(), torch.float16, note)

    def log(self, entry: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl."""
        with open(self.path / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def forget_log_after(self, step: int) -> None:
        """Take out what was logged after the state was kept: those steps come again."""
        path = self.path / "metrics.jsonl"
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            path.write_text("".join(kept), encoding="utf-8")

    def save_sheet(self, step: int, columns: list[Tensor]) -> None:
        """samples/step-N.png, as `write_sheet` does."""
        write_sheet(self.path / "samples" / f"step-{step:07d}.png", columns)

    def plot(self) -> None:
        """metrics.png: the validation's curves over the steps."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        lines = (self.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        checks = [entry for entry in map(json.loads, lines) if "sets" in entry]
        if not checks:
            return
        numbers = _numbers_of(checks[-1]["sets"])
        figure, axes = pyplot.subplots(1, len(numbers), figsize=(11, 4), layout="constrained")
        steps = [entry["step"] for entry in checks]
        for number, (name, levels) in enumerate(checks[-1]["sets"].items()):
            for level, line in zip(levels, (":", "-", "--"), strict=False):
                for axis, key in zip(axes, numbers, strict=True):
                    # A set that was added later begins where it was added.
                    values = [c["sets"].get(name, {}).get(level, {}).get(key) for c in checks]
                    values = [math.nan if value is None else value for value in values]
                    axis.plot(steps, values, line, color=f"C{number}", label=f"{name}, {level}")
        for axis, key in zip(axes, numbers, strict=True):
            title, unit, neutral = CURVES[key]
            axis.set(title=title, xlabel="step", ylabel=unit)
            axis.axhline(neutral, color="grey", linewidth=0.8)
            axis.legend()
        figure.savefig(self.path / "metrics.png", dpi=110)
        pyplot.close(figure)


def _numbers_of(sets: dict[str, Any]) -> list[str]:
    """The names of the numbers that were validated and have a curve."""
    first = next(iter(sets.values()))
    return [name for name in next(iter(first.values())) if name in CURVES]


def write_sheet(path: Path, columns: list[Tensor]) -> None:
    """A PNG with one face per row, (N,3,S,S) in [-1,1] per column, at 100 %."""
    picture = np.concatenate([_stacked(column) for column in columns], axis=1)
    path.write_bytes(cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes())


def _stacked(column: Tensor) -> np.ndarray:
    levels = ((column.clamp(-1, 1) + 1) * 127.5).round().byte()
    return np.concatenate(list(levels.permute(0, 2, 3, 1).numpy()), axis=0)
