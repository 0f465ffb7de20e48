"""Training of the network that enlarges and cleans whole photos."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gpen_webui.enlarging.upconv import UpConv, load_upconv
from gpen_webui.training.enlarging.measure import luma
from gpen_webui.training.enlarging.pictures import EnlargingSamples
from gpen_webui.training.enlarging.validate import EnlargingValidation
from gpen_webui.training.faces import balanced, open_sets
from gpen_webui.training.run import RunOptions, TrainingRun
from gpen_webui.training.tasks import KINDS
from gpen_webui.training.waifu2x import read_waifu2x

VALIDATE_STEPS = 100
# Errors in [0,1] below this count by their square: what 8 bits cannot show is not worth a step.
SMALL_ERROR = 2e-3
LUMA_COUNT, COLOUR_COUNT = 1.0, 0.25  # eyes see detail in the luma, and so does the measure


@dataclass(frozen=True)
class EnlargingOptions(RunOptions):
    """What `train run --task enlarge` was asked for.

    folders: of photos. size: side of the truths that are compared, in pixels, even. kinds: of
    KINDS, which the network learns alike. init: a safetensors file of this network, or waifu2x's
    .param with its .bin beside it.
    """

    size: int = 96
    kinds: tuple[str, ...] = KINDS


class EnlargingTraining(TrainingRun):
    """One training of the enlarging network. `run` goes on from the folder's state, or begins.

    Raises UserError where photos, folder, initial weights or training extras are not as needed.
    """

    options: EnlargingOptions

    def __init__(self, options: EnlargingOptions):
        sets = open_sets(options.folders)
        super().__init__(options, _network(options))
        self._resume()
        processes = 0 if self.device.type == "cpu" else max(1, (os.cpu_count() or 2) - 1)
        self._samples = EnlargingSamples(
            balanced(sets), options.size, options.batch, options.seed, options.kinds, processes
        )
        self._validation = EnlargingValidation(sets, options.kinds, self.device)

    def _train_step(self, stage: str) -> dict[str, float]:
        inputs, truths = (
            part.to(self.device, memory_format=self._precision.order)
            for part in self._samples.batch(self.step)
        )
        with self._precision.autocast():
            results = self._forward(inputs)
        difference = results.float() - truths
        return self._optimise(
            {
                "luma": LUMA_COUNT * _error(luma(difference)),
                "colour": COLOUR_COUNT * _error(difference),
            }
        )

    def _validated(self) -> tuple[float, dict, list[Tensor]]:
        return self._validation(self.ema)

    def _validate_steps(self) -> int:
        return VALIDATE_STEPS

    def _close(self) -> None:
        self._samples.close()


def _error(difference: Tensor) -> Tensor:
    """Charbonnier's error of each sample, as a logarithm, and the mean of all.

    Without the logarithm a few ruined prints count more than all good ones, and the network
    learns to smooth whatever might be grain.
    """
    error = (difference.square() + SMALL_ERROR**2).sqrt().mean(dim=(1, 2, 3))
    return error.log().mean()


def read_network(file: Path) -> UpConv:
    """A safetensors file of this network, or waifu2x's .param with its .bin beside it.

    Raises EnlargingFileError, NcnnFileError.
    """
    return read_waifu2x(file) if file.suffix == ".param" else load_upconv(file)


def _network(options: EnlargingOptions) -> UpConv:
    """With the initial weights, or random ones."""
    if options.init is None:
        torch.manual_seed(options.seed)
        return UpConv()
    return read_network(options.init).train().requires_grad_(True)
