"""The fast mode as the page offers it: tried where that is possible, chosen with one click.

It is tried once for each model, after the server has restored a photo and then had nothing to do
for a while, by a process that waits behind everything else.
"""

from __future__ import annotations

import logging
import subprocess
from contextlib import suppress
from threading import Event, Thread

from gpen_webui.engines.fast_mode import FastMode, KeptFastMode, is_possible, start_trial
from gpen_webui.errors import UserError
from gpen_webui.jobs.service import JobService
from gpen_webui.models.installed import InstalledModel, find_model
from gpen_webui.settings import Settings
from gpen_webui.web.model_choice import ChosenModel
from gpen_webui.web.remembered_choice import RememberedChoice

log = logging.getLogger(__name__)

EXACT, FAST = "exact", "fast"
LOOK_SECONDS = 20.0  # between two looks whether there is nothing to do
QUIET_LOOKS = 3  # one after the other


class ChosenPrecision:
    """The precision for the next photos: the one chosen in the page, remembered in the outputs
    folder.

    is_free: the page has a choice; not where the server was started with another than exact, or
    works with other machines, which all compute alike. is_made: somebody has chosen.
    """

    def __init__(self, settings: Settings):
        self.is_free = settings.precision == EXACT and not settings.cluster
        self._choice = RememberedChoice(settings.outputs, "precision")
        remembered = self._choice.read() if self.is_free else ""
        self.is_made = remembered in (EXACT, FAST)
        self._precision = remembered if self.is_made else settings.precision

    def __call__(self) -> str:
        return self._precision

    def choose(self, precision: str) -> None:
        """From now on this one, also after a restart. Raises OSError."""
        self._choice.keep(precision)
        self._precision, self.is_made = precision, True


class FastModeOffer:
    """What the page is told of it. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        jobs: JobService,
        model: ChosenModel,
        precision: ChosenPrecision,
    ):
        self._settings, self._jobs = settings, jobs
        self._model, self._precision = model, precision
        self._closing = Event()
        self._tried: set[str] = set()  # models, by their hashes
        self._kept_of: dict[str, KeptFastMode] = {}
        if precision.is_free and is_possible(settings.device):
            with suppress(RuntimeError):  # no thread: it is not offered
                Thread(target=self._watch, name="fast-mode", daemon=True).start()

    def state(self) -> dict | None:
        """{is_on, is_chosen, decibels, gain}, for JSON; None where there is nothing to choose."""
        if not self._precision.is_free:
            return None
        is_on = self._precision() == FAST
        known = self._known()
        measured: dict[str, float | None]
        if known is not None and known.is_worth_it:
            measured = {"decibels": round(known.decibels), "gain": round(known.gain, 1)}
        elif is_on:  # with another model, or on another machine
            measured = {"decibels": None, "gain": None}
        else:
            return None
        return {"is_on": is_on, "is_chosen": self._precision.is_made, **measured}

    def close(self) -> None:
        """No trial from now on."""
        self._closing.set()

    def _known(self) -> FastMode | None:
        model = self._loaded_model()
        return self._kept(model).read() if model else None

    def _loaded_model(self) -> InstalledModel | None:
        with suppress(UserError, OSError):
            return find_model(self._model(), self._settings.models)
        return None

    def _kept(self, model: InstalledModel) -> KeptFastMode:
        if model.sha256 not in self._kept_of:
            cache = self._settings.models / ".cache"
            self._kept_of[model.sha256] = KeptFastMode(cache, model.sha256)
        return self._kept_of[model.sha256]

    def _watch(self) -> None:
        quiet = 0
        while not self._closing.wait(LOOK_SECONDS):
            quiet = quiet + 1 if self._has_nothing_to_do() else 0
            if quiet >= QUIET_LOOKS:
                self._try_if_new()

    def _has_nothing_to_do(self) -> bool:
        pool = self._jobs.pool
        status = pool.status()
        has_restored = pool.statistics.figures().ends.total() > 0
        return has_restored and status["state"] == "ready" and not status["busy"]

    def _try_if_new(self) -> None:
        model = self._loaded_model()
        is_known = model is None or model.sha256 in self._tried or self._kept(model).read()
        if model is None or is_known or model.path.suffix.lower() == ".onnx":
            return
        self._tried.add(model.sha256)
        try:
            self._follow(start_trial(model.path, self._settings.models))
        except OSError as error:
            log.info("the fast mode could not be tried: %s", error)
            return
        log.info("the fast mode with %s: %s", model.name, self._kept(model).read())

    def _follow(self, trial: subprocess.Popen) -> None:
        with trial:
            while trial.poll() is None:
                if self._closing.wait(0.5):
                    trial.kill()
