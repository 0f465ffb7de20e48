"""Training of the face network: what it sees, what it is asked for, stage by stage."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gpen_webui.gpen.network import NetworkConfig
from gpen_webui.training import likely_person
from gpen_webui.training.adversary import Adversary
from gpen_webui.training.faces import balanced, open_sets
from gpen_webui.training.feature_losses import IdentityLoss, PerceptualLoss
from gpen_webui.training.grow import new_network
from gpen_webui.training.identity import FaceRecogniser
from gpen_webui.training.losses import (
    colour_loss,
    halo_loss,
    outline_loss,
    pixel_loss,
    texture_share,
)
from gpen_webui.training.run import (
    REPORT_SECONDS,
    RunOptions,
    StoppedEarlyError,
    TrainingRun,
    duration,
    say,
)
from gpen_webui.training.samples import Batch, Samples
from gpen_webui.training.stages import STAGES, Stage, stage_at
from gpen_webui.training.validate import Validation

RESTORED_SHARE = 1 / 8  # of a batch: faces that the network gets after having restored them
WATCH_STEPS = 20  # the discriminator, on people held out


@dataclass(frozen=True)
class TrainingOptions(RunOptions):
    """What `train run` was asked for.

    folders: of aligned faces. size, channel_multiplier, narrow: the network's shape. stage: one of
    STAGES, or None for all in turn.
    """

    size: int = 256
    channel_multiplier: int = 1
    narrow: float = 0.25
    stage: str | None = None

    def shape(self) -> NetworkConfig:
        return NetworkConfig(self.size, self.channel_multiplier, self.narrow)


class Training(TrainingRun):
    """One training of the face network. `run` goes on from the folder's state, or begins.

    Raises UserError where faces, folder, initial weights or training extras are not as needed.
    """

    options: TrainingOptions

    def __init__(self, options: TrainingOptions):
        sets = open_sets(options.folders)
        super().__init__(options, new_network(options.shape(), options.seed, options.init))
        # What follows takes memory and time, and is made when a stage first asks for it.
        self.adversary: Adversary | None = None
        self.taught: FaceRecogniser | None = None
        self._resume()
        self._sets = sets
        # A GPU waits for its samples, on a CPU the training itself takes all cores.
        processes = 0 if self.device.type == "cpu" else max(1, (os.cpu_count() or 2) - 1)
        self.samples = Samples(balanced(sets), options.size, options.batch, options.seed, processes)
        self._validation = Validation(sets, options.size, self.device)

    def _stage(self) -> str:
        return self.options.stage or stage_at(self.step / self.options.steps)

    def _validated(self) -> tuple[float, dict, list[Tensor]]:
        return self._validation(self.ema)

    def _close(self) -> None:
        self.samples.close()
        if "_held_out" in self.__dict__:
            self._held_out.close()

    def _train_step(self, stage: str) -> dict[str, float]:
        asked = STAGES[stage]
        batch = self._on_device(self.samples.batch(self.step))
        with self._precision.autocast():
            results = self._forward(self._with_restored(batch.inputs))
            terms = self._losses(asked, batch, results)
        reported = self._optimise(terms)
        if asked.adversarial:
            with self._precision.autocast():
                self._teach_opponent(batch, results.detach())
        return reported

    @torch.no_grad()
    def _with_restored(self, inputs: Tensor) -> Tensor:
        """The first inputs as the averaged network restored them, so that a second pass, too,
        leads towards the truth and does not overdo what the first one did."""
        count = int(len(inputs) * RESTORED_SHARE)
        restored = self.ema(inputs[:count]).clamp(-1, 1).to(inputs.dtype)
        return torch.cat((restored, inputs[count:])) if count else inputs

    def _losses(self, stage: Stage, batch: Batch, results: Tensor) -> dict[str, Tensor]:
        inputs, truths, features = batch
        terms = {
            "pixels": stage.pixels * pixel_loss(results, truths, features),
            "colour": stage.colour * colour_loss(results, truths),
        }
        if stage.outlines:
            terms["outlines"] = stage.outlines * outline_loss(results, truths)
        if stage.halos:
            terms["halos"] = stage.halos * halo_loss(results, truths)
        if stage.perceptual:
            loss = self._perception(results, truths, features, self.step)
            terms["perceptual"] = stage.perceptual * loss
        if stage.identity:
            loss = self._identity(results, truths, inputs, self.step)
            terms["identity"] = stage.identity * loss
        if stage.adversarial:
            loss = texture_share(results, truths) * self._opponent().generator_loss(
                results, truths, features, self.step
            )
            terms["adversarial"] = stage.adversarial * loss.mean()
        return terms

    def _teach_opponent(self, batch: Batch, results: Tensor) -> None:
        """One step of the discriminator; now and then compare what it knows of people held out."""
        opponent, step = self._opponent(), self.step
        trained = opponent.learn(results, batch.truths, batch.features, step)
        if step % WATCH_STEPS:
            return
        other = self._on_device(self._held_out.batch(step // WATCH_STEPS))
        with torch.no_grad():
            restored = self.network(other.inputs)
        held_out = opponent.margin(restored, other.truths, other.features, step)
        opponent.augmentation.adapt(trained, held_out)

    def _on_device(self, batch: Batch) -> Batch:
        order = self._precision.order
        return Batch(*(part.to(self.device, memory_format=order) for part in batch))

    @cached_property
    def _held_out(self) -> Samples:
        """Of the people that are not trained on, damaged as those that are."""
        files = [file for faces in self._sets for file in faces.held_out]
        return Samples(files, self.options.size, self.options.batch, self.options.seed)

    def _opponent(self) -> Adversary:
        if self.adversary is None:
            self.adversary = Adversary(
                self.options.shape(), self.options.seed, self.device, self._precision
            )
        return self.adversary

    @cached_property
    def _perception(self) -> PerceptualLoss:
        loss = PerceptualLoss(self.options.seed, compiled=self.options.compile)
        return loss.to(self.device)

    @cached_property
    def _identity(self) -> IdentityLoss:
        if self.taught is None:
            self.taught = self._teach()
        return IdentityLoss(self.taught, self.options.seed).to(self.device)

    def _teach(self) -> FaceRecogniser:
        say("Teaching the face recogniser to see through damage; done once, takes some minutes.")
        began = reported = time.monotonic()

        def watch(step: int) -> None:
            nonlocal reported
            if self._stop:
                raise StoppedEarlyError
            now = time.monotonic()
            if step and now - reported > REPORT_SECONDS:
                reported = now
                left = (likely_person.STEPS - step) * (now - began) / step
                say(f"taught {step} of {likely_person.STEPS} steps, {duration(left)} left")

        size, seed = self.options.size, self.options.seed + 1
        with closing(Samples(balanced(self._sets), size, likely_person.BATCH, seed)) as samples:
            return likely_person.taught_recogniser(samples, self.device, watch)

    def _noted(self) -> dict[str, Any]:
        return {"augmented": round(self.adversary.augmentation.share, 3)} if self.adversary else {}

    def _own_state(self) -> dict[str, Any]:
        return {
            "adversary": self.adversary.state_dict() if self.adversary else None,
            "taught": self.taught.state_dict() if self.taught else None,
        }

    def _load_own_state(self, state: dict[str, Any]) -> None:
        if state.get("adversary"):
            self._opponent().load_state_dict(state["adversary"])
        if state.get("taught"):
            self.taught = FaceRecogniser().to(self.device)
            self.taught.load_state_dict(state["taught"])
