"""The models that all machines restore with: those that this one would load."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from gpen_webui.cluster.protocol import ModelFile
from gpen_webui.models.enlarging import CLEAN, RESTORE, enlarging_model
from gpen_webui.models.installed import InstalledModel, find_model, small_face_model
from gpen_webui.models.parsing import parsing_model
from gpen_webui.options import RestoreOptions

KNOWN_SECONDS = 2.0  # a model that was chosen in the page is told so soon


@dataclass(frozen=True)
class Models:
    """small: for small faces, or None."""

    model: InstalledModel
    small: InstalledModel | None


class CurrentModels:
    """Looks them up, not for each photo anew. Thread-safe.

    chosen: the name or file of the model; None: the default one, which may have a small one.
    """

    def __init__(self, chosen: Callable[[], str | None], folder: Path):
        self._chosen = chosen
        self._folder = folder
        self._lock = Lock()
        self._found: tuple[float, Models] | None = None
        self._further: dict[tuple[str, str], tuple[float, list[ModelFile]]] = {}  # by options
        self._told: dict[str, Path] = {}  # files of further models, by hash

    def __call__(self) -> Models:
        """Raises ModelError where there are none."""
        with self._lock:
            now = time.monotonic()
            if self._found is None or self._found[0] < now - KNOWN_SECONDS:
                self._found = now, self._look()
            return self._found[1]

    def further(self, options: RestoreOptions) -> list[ModelFile]:
        """What a photo with these options needs besides. Raises ModelError and what `accepted`
        raises where one of them cannot be used."""
        key = options.enlarge_model, options.face_mask
        with self._lock:
            now = time.monotonic()
            if key not in self._further or self._further[key][0] < now - KNOWN_SECONDS:
                self._further[key] = now, list(self._look_further(options))
            return self._further[key][1]

    def _look_further(self, options: RestoreOptions) -> Iterator[ModelFile]:
        if options.enlarge_model not in ("", CLEAN, RESTORE):  # those two come with the program
            yield self._tell(enlarging_model(options.enlarge_model, self._folder), "enlarge")
        if options.face_mask == "parse":
            yield self._tell(parsing_model(self._folder), "parse")

    def _tell(self, model: InstalledModel, task: str) -> ModelFile:
        self._told[model.sha256] = model.path
        return model_file(model, task)

    def file(self, sha256: str) -> Path | None:
        """The file of the one with this hash; None where it is none of them."""
        found = self()
        for model in (found.model, found.small):
            if model and model.sha256 == sha256:
                return model.path
        with self._lock:
            return self._told.get(sha256)

    def _look(self) -> Models:
        chosen = self._chosen()
        model = find_model(chosen, self._folder)
        return Models(model, small_face_model(model, self._folder) if chosen is None else None)


def model_file(model: InstalledModel, task: str = "restore") -> ModelFile:
    """A model as a claim tells it."""
    size = model.path.stat().st_size
    return ModelFile(model.name, model.sha256, size, model.path.name, task)
