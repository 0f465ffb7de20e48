"""One training run, whatever it teaches: resumes exactly, validates, keeps the best."""

from __future__ import annotations

import copy
import math
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gpen_webui.errors import UserError
from gpen_webui.heap import keep_freed_memory
from gpen_webui.training.optimizer import Optimizer
from gpen_webui.training.precision import Precision
from gpen_webui.training.run_folder import RunFolder, RunFolderError

WARM_UP_STEPS, WARM_UP_SHARE = 100, 0.05  # the fewer of the two
LAST_LEARNING_RATE = 0.05  # of the full one, at the end of the cosine
EMA_DECAY = 0.995
REPORT_SECONDS, SAVE_SECONDS = 30, 180
VALIDATE_STEPS = 500


@dataclass(frozen=True)
class RunOptions:
    """What every kind of training is asked for.

    folders: of pictures, each a set that is validated by itself. output: the run's folder.
    steps: where training ends. init: weights to start from. threads: of the CPU, None for all.
    seed: of everything. compile: fuse the network's operations, which needs a C++ compiler on a
    CPU.
    """

    folders: tuple[Path, ...]
    output: Path
    steps: int = 20_000
    batch: int = 8
    learning_rate: float = 1e-3
    init: Path | None = None
    device: str = "auto"
    threads: int | None = None
    seed: int = 0
    compile: bool = False


class DivergedError(UserError):
    """The loss is no longer a number."""


class StoppedEarlyError(Exception):
    """Asked to stop within a step, which begins anew the next time."""


class TrainingRun(ABC):
    """Steps, averages, reports, validates and saves. Subclasses say what is learned.

    A subclass makes its parts after `super().__init__` and calls `_resume` once they exist.
    Raises UserError where the folder or the device is not as needed.
    """

    def __init__(self, options: RunOptions, network: nn.Module):
        self.options = options
        self.folder = RunFolder(options.output)
        self.device = choose_device(options.device)
        if self.device.type == "cpu":
            keep_freed_memory()
            torch.set_num_threads(options.threads or torch.get_num_threads())
        self._precision = Precision.best_for(self.device)
        self.network = self._precision.placed(network, self.device)
        self._forward: Callable[[Tensor], Tensor] = self.network
        if options.compile:
            self._forward = self._precision.compiled(self.network)
        self.ema = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizer = Optimizer(self.network, self._precision.dtype)
        self.step, self.best = 0, -math.inf
        self._stop = False

    @abstractmethod
    def _train_step(self, stage: str) -> dict[str, float]:
        """One step of the optimizer and of the average; the loss terms by name."""

    @abstractmethod
    def _validated(self) -> tuple[float, dict, list[Tensor]]:
        """Of the averaged network: a score, higher is better; the numbers per set and level;
        and a sheet's columns."""

    def _stage(self) -> str:
        """The name of what is trained at this step, for those that train in stages."""
        return "training"

    def _validate_steps(self) -> int:
        """Steps from one validation to the next."""
        return VALIDATE_STEPS

    def _own_state(self) -> dict[str, Any]:
        """What a subclass needs to go on, beside the networks and the optimizer."""
        return {}

    def _load_own_state(self, state: dict[str, Any]) -> None:  # noqa: B027  # most have none
        """Take back what `_own_state` gave. Raises KeyError, RuntimeError for an older version."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of threads and processes."""

    def run(self) -> None:
        """Train until `steps`, or until SIGINT or SIGTERM; the state is kept either way.

        Raises DivergedError where the loss becomes infinite.
        """
        handlers = {s: signal.signal(s, self._ask_to_stop) for s in (signal.SIGINT, signal.SIGTERM)}
        say(f"Training in {self.folder.path}: step {self.step} of {self.options.steps}.")
        try:
            with suppress(StoppedEarlyError):
                self._train()
            self._save()
        finally:
            self._close()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _train(self) -> None:
        saved = reported = time.monotonic()
        first: int | None = None
        while self.step < self.options.steps and not self._stop:
            stage = self._stage()
            loss = self._train_step(stage)
            self.step += 1
            now = time.monotonic()
            if first is None:  # it compiles and teaches, and says nothing about the others
                started, first = now, self.step
            elif now - reported > REPORT_SECONDS:
                reported = now
                self._report(stage, loss, (now - started) / (self.step - first))
            if self.step % self._validate_steps() == 0:
                self._validate(stage)
            if now - saved > SAVE_SECONDS:
                self._save()
                saved = time.monotonic()

    def _optimise(self, terms: dict[str, Tensor]) -> dict[str, float]:
        """One step down the sum of the terms, and of the average; the terms as numbers.

        Raises DivergedError where the sum is infinite.
        """
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise DivergedError(
                f"Training diverged at step {self.step}; start the same command again with a lower "
                "--learning-rate, it goes on from the last saved step."
            )
        self.optimizer.step(total, self._learning_rate())
        self._average()
        return {name: round(term.item(), 4) for name, term in terms.items()}

    def _average(self) -> None:
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.ema.parameters()), list(self.network.parameters()), 1 - decay
            )

    def _learning_rate(self) -> float:
        """Up linearly, then down by half a cosine."""
        warm_up = max(1.0, min(WARM_UP_STEPS, WARM_UP_SHARE * self.options.steps))
        rise = min(1.0, (self.step + 1) / warm_up)
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, self.step / self.options.steps)))
        rest = LAST_LEARNING_RATE + (1 - LAST_LEARNING_RATE) * fall
        return self.options.learning_rate * rise * rest

    def _validate(self, stage: str) -> None:
        score, sets, sheet = self._validated()
        entry = {"step": self.step, "stage": stage, "score": score, "sets": sets}
        self.folder.log(entry)
        self.folder.save_sheet(self.step, sheet)
        self.folder.plot()
        if score > self.best:
            self.best = score
            self.folder.save_weights("best", self.ema, self._note())
        say(f"step {self.step}: score {score:.2f} dB (best {self.best:.2f}), {sets}")

    def _report(self, stage: str, loss: dict[str, float], seconds_per_step: float) -> None:
        left = (self.options.steps - self.step) * seconds_per_step
        entry = {"step": self.step, "stage": stage, "loss": loss, "lr": self._learning_rate()}
        self.folder.log({**entry, **self._noted(), "seconds_per_step": round(seconds_per_step, 3)})
        say(
            f"step {self.step} of {self.options.steps}, {stage}: {loss}, "
            f"{seconds_per_step:.2f} s per step, {duration(left)} left"
        )

    def _noted(self) -> dict[str, Any]:
        """What else a line of the log says."""
        return {}

    def _save(self) -> None:
        self.folder.save_state(
            {
                "step": self.step,
                "best": self.best,
                "network": self.network.state_dict(),
                "ema": self.ema.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                **self._own_state(),
            }
        )
        self.folder.save_weights("last", self.ema, self._note())

    def _resume(self) -> None:
        """Go on from the folder's state, where it has one. Raises RunFolderError."""
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
            self._load_own_state(state)
        except (KeyError, RuntimeError) as error:
            raise RunFolderError(
                f"{self.folder.path} holds a training of an older version; begin a new one with "
                f"--init {self.folder.path / 'last.safetensors'} and another folder with -o."
            ) from error
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


def duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
