"""Random weights made as `shared/reference/README.md` says, for networks whose output is known."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from gpen_webui.gpen.network import GPEN, NetworkConfig


class ReferenceCase:
    """A network with random weights, an input, and what the reference makes of it."""

    def __init__(self, file: Path):
        data = np.load(file)
        self.meta = json.loads(str(data["meta"]))
        self.output, self.patch = data["output"], data["patch"]
        self.size = self.meta["size"]
        self.config = NetworkConfig(
            self.size, self.meta["channel_multiplier"], float(self.meta["narrow"])
        )

    def state(self) -> dict[str, torch.Tensor]:
        random = random_weights(self.meta["seed"], self.meta["parameters"])
        return {**GPEN(self.config).state_dict(), **random}

    def crops(self) -> np.ndarray:
        rng = np.random.Generator(np.random.PCG64(self.meta["input_seed"]))
        shape = (self.meta["batch"], 3, self.size, self.size)
        return rng.uniform(-1, 1, shape).astype(np.float32)

    def error_of(self, result: np.ndarray) -> float:
        """The largest difference, in standard deviations of the reference's output."""
        step, middle, half = self.meta["step"], self.size // 2, 16
        centre = result[:, :, middle - half : middle + half, middle - half : middle + half]
        worst = max(
            np.abs(result[:, :, ::step, ::step] - self.output).max(),
            np.abs(centre - self.patch).max(),
        )
        return float(worst / self.meta["std"])


def random_weights(
    seed: int, parameters: Iterable[tuple[str, list[int]]]
) -> dict[str, torch.Tensor]:
    rng = np.random.Generator(np.random.PCG64(seed))
    state = {}
    for name, shape in parameters:
        values = rng.standard_normal(shape, dtype=np.float32)
        if name.endswith("modulation.bias"):
            values = 1 + np.float32(0.1) * values
        elif name.endswith("noise.weight"):
            values = np.float32(0.5) + np.float32(0.1) * values
        elif name.endswith("bias"):
            values = np.float32(0.1) * values
        elif name.startswith("generator.style."):
            values = values / np.float32(0.01)
        state[name] = torch.from_numpy(values)
    return state
