"""The models as the page handles them: which one is active, which are being fetched."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Lock, Thread

from gpen_webui.errors import UserError
from gpen_webui.jobs.service import JobService
from gpen_webui.models.download import DownloadCancelled, download_model
from gpen_webui.models.importing import remove_leftovers
from gpen_webui.models.installed import (
    InstalledModel,
    ModelError,
    ModelState,
    default_name,
    find_model,
    installed_file,
    list_models,
)
from gpen_webui.models.published import ASK_MAKER, published_model
from gpen_webui.settings import Settings
from gpen_webui.states import ItemState
from gpen_webui.web.errors import UnknownModelError
from gpen_webui.web.fast_mode import EXACT, FAST, ChosenPrecision, FastModeOffer
from gpen_webui.web.model_choice import ChosenModel

log = logging.getLogger(__name__)

RECENT_JOBS, RECENT_ITEMS = 5, 100
RECENT_SECONDS = 0.4


@dataclass
class Download:
    """state: running, done, failed or cancelled. done, total: bytes; total 0: not known."""

    done: int = 0
    total: int = 0
    state: str = "running"
    error: str | None = None


class ModelManager:
    """What the models page shows and changes. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        jobs: JobService,
        chosen: ChosenModel,
        precision: ChosenPrecision,
        download=download_model,
    ):
        self._settings = settings
        self._jobs = jobs
        self._chosen = chosen
        self._precision = precision
        self._fast_mode = FastModeOffer(settings, jobs, chosen, precision)
        self._download = download
        self._lock = Lock()
        self._downloads: dict[str, Download] = {}
        self._stops: dict[str, Event] = {}
        remove_leftovers(settings.models)
        self._recent_lock = Lock()
        self._recent: tuple[float, str] | None = None

    @property
    def active(self) -> str:
        """The name of the model for the next photos."""
        chosen = self._chosen() or default_name(self._settings.models)
        file = installed_file(chosen, self._settings.models) or Path(chosen)
        entry = published_model(file.stem.lower())
        return entry.name if entry else file.stem

    def state(self) -> dict:
        """{models: [...], engine: {...}, fast_mode: {...}}, for JSON."""
        active = self.active
        models = [self._model(state, active) for state in self._states()]
        engine = self._jobs.pool.status()
        return {"models": models, "engine": engine, "fast_mode": self._fast_mode.state()}

    def recent_state(self) -> str:
        """As state(), as JSON text and up to RECENT_SECONDS old: all who watch share it."""
        with self._recent_lock:
            now = time.monotonic()
            if self._recent is None or now - self._recent[0] > RECENT_SECONDS:
                self._recent = (now, json.dumps(self.state()))
            return self._recent[1]

    def last_speed(self) -> float | None:
        """Seconds per face, all stages together, over the first photos of the latest jobs."""
        store = self._jobs.store
        timed = [
            (item.seconds, item.faces)
            for job in store.jobs(RECENT_JOBS)
            for item in store.items(job.id, limit=RECENT_ITEMS)
            if item.state == ItemState.DONE and item.faces and item.seconds is not None
        ]
        faces = sum(faces for _, faces in timed)
        return round(sum(seconds for seconds, _ in timed) / faces, 3) if faces else None

    def activate(self, name: str) -> None:
        """Restore the next photos with this model. Raises ModelError, CheckpointError."""
        state = self._known(name)
        if state.problem:
            raise ModelError(state.problem)
        if state.installed is None:
            raise ModelError(f"{name} is not installed; download it first.")
        in_folder = installed_file(name, self._settings.models)
        chosen = name if in_folder else str(state.installed)
        find_model(chosen, self._settings.models)  # reads a file that is new
        self._keep(self._chosen.choose, chosen)
        self._load_anew()

    @property
    def precision(self) -> str:
        """That of the next photos, as in the settings."""
        return self._precision()

    def switch_fast_mode(self, is_on: bool) -> None:
        """Compute the next photos so. Raises ModelError where there is no choice."""
        if not self._precision.is_free:
            raise ModelError(
                "The fast mode cannot be chosen here, as this server was started with another "
                "--precision or works with other machines; start it anew without."
            )
        was = self.precision
        self._keep(self._precision.choose, FAST if is_on else EXACT)
        if self.precision != was:
            self._load_anew()

    def _keep(self, choose: Callable[[str], None], choice: str) -> None:
        """Make a choice that holds after a restart too."""
        try:
            choose(choice)
        except OSError as error:
            raise ModelError(
                f"The choice cannot be kept in {self._settings.outputs} ({error.strerror}); "
                "check the folder's permissions."
            ) from error

    def _load_anew(self) -> None:
        self._jobs.pool.replace_restorer()
        self._jobs.pool.warm_up()

    def imported(self, model: InstalledModel) -> dict:
        """A model that was just added, as the list shows it."""
        return self._model(self._known(model.name), self.active)

    def start_download(self, name: str) -> None:
        """Fetch a model in the background. A second call while that lasts changes nothing."""
        if not self._known(name).downloadable:
            raise ModelError(f"{name} cannot be downloaded.")
        with self._lock:
            if self._is_running(name):
                return
            stop = self._stops[name] = Event()
            download = self._downloads[name] = Download()
        Thread(
            target=self._fetch, args=(name, download, stop), name=f"fetch-{name}", daemon=True
        ).start()

    def cancel_download(self, name: str) -> None:
        """Stop fetching; what has arrived is kept for the next try."""
        self._known(name)
        with self._lock:
            if not self._is_running(name):
                raise ModelError(f"{name} is not being downloaded.")
            self._stops[name].set()

    def close(self) -> None:
        """Stop all downloads, and trials of the fast mode."""
        self._fast_mode.close()
        with self._lock:
            for stop in self._stops.values():
                stop.set()

    def _fetch(self, name: str, download: Download, stop: Event) -> None:
        def show(done: int, total: int) -> None:
            download.done, download.total = done, total

        try:
            self._download(name, self._settings.models, on_progress=show, cancelled=stop.is_set)
            download.state = "done"
        except DownloadCancelled:
            download.state = "cancelled"
        except UserError as error:
            download.state, download.error = "failed", str(error)
        except Exception:
            log.exception("%s could not be downloaded", name)
            download.state = "failed"
            download.error = f"{name} could not be downloaded; look into the log for the cause."

    def _is_running(self, name: str) -> bool:
        return name in self._downloads and self._downloads[name].state == "running"

    def _known(self, name: str) -> ModelState:
        for state in self._states():
            if state.name == name:
                return state
        raise UnknownModelError(f"There is no model “{name}”.")

    def _states(self) -> list[ModelState]:
        """The list, and a file that lies elsewhere and was named when the server was started."""
        states = list_models(self._settings.models)
        named = Path(self._settings.model or "")
        if named.is_file() and named.stem not in (state.name for state in states):
            states.append(
                ModelState(
                    name=named.stem,
                    size=None,
                    purpose="Named when the server was started",
                    licence=ASK_MAKER,
                    megabytes=round(named.stat().st_size / 1e6),
                    downloadable=False,
                    installed=named,
                    is_default=False,
                )
            )
        return states

    def _model(self, state: ModelState, active: str) -> dict:
        download = self._downloads.get(state.name)
        return {
            "name": state.name,
            "task": state.task,
            "size": state.size,
            "scale": state.scale,
            "purpose": state.purpose,
            "licence": state.licence,
            "megabytes": state.megabytes,
            "downloadable": state.downloadable,
            "installed": state.installed is not None,
            "active": state.name == active,
            "is_default": state.is_default,
            "problem": state.problem,
            "path": str(state.installed) if state.installed else None,
            "download": asdict(download) if download else None,
        }
