"""The training loop: resumes exactly, validates, keeps the best, ends where it was told to."""

from __future__ import annotations

import copy
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from gpen_webui.errors import UserError
from gpen_webui.gpen.network import NetworkConfig
from gpen_webui.heap import keep_freed_memory
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
from gpen_webui.training.optimizer import Optimizer
from gpen_webui.training.precision import Precision
from gpen_webui.training.run_folder import RunFolder, RunFolderError
from gpen_webui.training.samples import Batch, Samples
from gpen_webui.training.stages import STAGES, Stage, stage_at
from gpen_webui.training.validate import Validation

WARM_UP_STEPS = 100
LAST_LEARNING_RATE = 0.05  # of the full one, at the end of the cosine
EMA_DECAY = 0.995
REPORT_SECONDS, SAVE_SECONDS = 30, 180
VALIDATE_STEPS = 500
RESTORED_SHARE = 1 / 8  # of a batch: faces that the network gets after having restored them
WATCH_STEPS = 20  # the discriminator, on people held out


@dataclass(frozen=True)
class TrainingOptions:
    """What `train run` was asked for.

    faces: folders of aligned faces, each a set that is validated by itself. output: the run's
    folder. size, channel_multiplier, narrow: the network's shape. steps: where training ends.
    stage: one of STAGES, or None for all in turn. init: weights to start from. threads: of the
    CPU, None for all. seed: of everything.
    compile: fuse the network's operations, which needs a C++ compiler on a CPU.
    """

    faces: tuple[Path, ...]
    output: Path
    size: int = 256
    channel_multiplier: int = 1
    narrow: float = 0.25
    steps: int = 20_000
    batch: int = 8
    learning_rate: float = 1e-3
    stage: str | None = None
    init: Path | None = None
    device: str = "auto"
    threads: int | None = None
    seed: int = 0
    compile: bool = False

    def shape(self) -> NetworkConfig:
        return NetworkConfig(self.size, self.channel_multiplier, self.narrow)


class DivergedError(UserError):
    """The loss is no longer a number."""


class _TeachingStoppedError(Exception):
    """Asked to stop while the recogniser was taught, which begins anew the next time."""


class Training:
    """One training run. `run` goes on from the folder's state, or begins.

    Raises UserError where faces, folder, initial weights or training extras are not as needed.
    """

    def __init__(self, options: TrainingOptions):
        self.options = options
        self.folder = RunFolder(options.output)
        sets = open_sets(options.faces)
        self.device = choose_device(options.device)
        if self.device.type == "cpu":
            keep_freed_memory()
            torch.set_num_threads(options.threads or torch.get_num_threads())
        self._precision = Precision.best_for(self.device)
        network = new_network(options.shape(), options.seed, options.init)
        self.network = self._precision.placed(network, self.device)
        self._forward: Callable[[Tensor], Tensor] = self.network
        if options.compile:
            self._forward = self._precision.compiled(self.network)
        self.ema = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizer = Optimizer(self.network, self._precision.dtype)
        # What follows takes memory and time, and is made when a stage first asks for it.
        self.adversary: Adversary | None = None
        self.taught: FaceRecogniser | None = None
        self.step, self.best = 0, -math.inf
        self._resume()
        self._sets = sets
        # A GPU waits for its samples, on a CPU the training itself takes all cores.
        processes = 0 if self.device.type == "cpu" else max(1, (os.cpu_count() or 2) - 1)
        self.samples = Samples(balanced(sets), options.size, options.batch, options.seed, processes)
        self._validation = Validation(sets, options.size, self.device)
        self._stop = False

    def run(self) -> None:
        """Train until `steps`, or until SIGINT or SIGTERM; the state is kept either way.

        Raises DivergedError where the loss becomes infinite.
        """
        handlers = {s: signal.signal(s, self._ask_to_stop) for s in (signal.SIGINT, signal.SIGTERM)}
        _say(f"Training in {self.folder.path}: step {self.step} of {self.options.steps}.")
        try:
            with suppress(_TeachingStoppedError):
                self._train()
            self._save()
        finally:
            self.samples.close()
            if "_held_out" in self.__dict__:
                self._held_out.close()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _train(self) -> None:
        saved = reported = time.monotonic()
        first: int | None = None
        while self.step < self.options.steps and not self._stop:
            stage = self.options.stage or stage_at(self.step / self.options.steps)
            loss = self._train_step(STAGES[stage])
            self.step += 1
            now = time.monotonic()
            if first is None:  # it compiles and teaches, and says nothing about the others
                started, first = now, self.step
            elif now - reported > REPORT_SECONDS:
                reported = now
                self._report(stage, loss, (now - started) / (self.step - first))
            if self.step % VALIDATE_STEPS == 0:
                self._validate(stage)
            if now - saved > SAVE_SECONDS:
                self._save()
                saved = time.monotonic()

    def _train_step(self, stage: Stage) -> dict[str, float]:
        """One step of the optimizer and of the average; the loss terms by name."""
        batch = self._on_device(self.samples.batch(self.step))
        with self._precision.autocast():
            results = self._forward(self._with_restored(batch.inputs))
            terms = self._losses(stage, batch, results)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise DivergedError(
                f"Training diverged at step {self.step}; start the same command again with a lower "
                "--learning-rate, it goes on from the last saved step."
            )
        self.optimizer.step(total, self._learning_rate())
        self._average()
        if stage.adversarial:
            with self._precision.autocast():
                self._teach_opponent(batch, results.detach())
        return {name: round(term.item(), 4) for name, term in terms.items()}

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
        _say("Teaching the face recogniser to see through damage; done once, takes some minutes.")
        began = reported = time.monotonic()

        def watch(step: int) -> None:
            nonlocal reported
            if self._stop:
                raise _TeachingStoppedError
            now = time.monotonic()
            if step and now - reported > REPORT_SECONDS:
                reported = now
                left = (likely_person.STEPS - step) * (now - began) / step
                _say(f"taught {step} of {likely_person.STEPS} steps, {_duration(left)} left")

        size, seed = self.options.size, self.options.seed + 1
        with closing(Samples(balanced(self._sets), size, likely_person.BATCH, seed)) as samples:
            return likely_person.taught_recogniser(samples, self.device, watch)

    def _average(self) -> None:
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.ema.parameters()), list(self.network.parameters()), 1 - decay
            )

    def _learning_rate(self) -> float:
        """Up linearly, then down by half a cosine."""
        rise = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, self.step / self.options.steps)))
        rest = LAST_LEARNING_RATE + (1 - LAST_LEARNING_RATE) * fall
        return self.options.learning_rate * rise * rest

    def _validate(self, stage: str) -> None:
        score, sets, sheet = self._validation(self.ema)
        entry = {"step": self.step, "stage": stage, "score": score, "sets": sets}
        self.folder.log(entry)
        self.folder.save_sheet(self.step, sheet)
        self.folder.plot()
        if score > self.best:
            self.best = score
            self.folder.save_weights("best", self.ema, self._note())
        _say(f"step {self.step}: score {score:.2f} dB (best {self.best:.2f}), {sets}")

    def _report(self, stage: str, loss: dict[str, float], seconds_per_step: float) -> None:
        left = (self.options.steps - self.step) * seconds_per_step
        entry = {"step": self.step, "stage": stage, "loss": loss, "lr": self._learning_rate()}
        if self.adversary:
            entry["augmented"] = round(self.adversary.augmentation.share, 3)
        self.folder.log({**entry, "seconds_per_step": round(seconds_per_step, 3)})
        _say(
            f"step {self.step} of {self.options.steps}, {stage}: {loss}, "
            f"{seconds_per_step:.2f} s per step, {_duration(left)} left"
        )

    def _save(self) -> None:
        self.folder.save_state(
            {
                "step": self.step,
                "best": self.best,
                "network": self.network.state_dict(),
                "ema": self.ema.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "adversary": self.adversary.state_dict() if self.adversary else None,
                "taught": self.taught.state_dict() if self.taught else None,
            }
        )
        self.folder.save_weights("last", self.ema, self._note())

    def _resume(self) -> None:
        state = self.folder.load_state()
        if state is None:
            return
        try:
            self.network.load_state_dict(state["network"])
            self.ema.load_state_dict(state["ema"])
        except RuntimeError as error:
            raise RunFolderError(
                f"{self.folder.path} holds a training of another network shape; choose another "
                "folder with -o."
            ) from error
        try:
            self.optimizer.load_state_dict(state["optimizer"])
            if state.get("adversary"):
                self._opponent().load_state_dict(state["adversary"])
        except (KeyError, RuntimeError) as error:
            raise RunFolderError(
                f"{self.folder.path} holds a training of an older version; begin a new one with "
                f"--init {self.folder.path / 'last.safetensors'} and another folder with -o."
            ) from error
        if state.get("taught"):
            self.taught = FaceRecogniser().to(self.device)
            self.taught.load_state_dict(state["taught"])
        self.step, self.best = state["step"], state["best"]
        self.folder.forget_log_after(self.step)

    def _note(self) -> dict[str, str]:
        return {"format": "pt", "step": str(self.step)}

    def _ask_to_stop(self, *_: object) -> None:
        self._stop = True


def choose_device(requested: str) -> torch.device:
    """`auto` takes an NVIDIA or Apple GPU where there is one."""
    if requested != "auto":
        return torch.device(requested)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
