"""The models that all machines restore with: those that this one would load."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from gpen_webui.cluster.protocol import ModelFile
from gpen_webui.models.installed import InstalledModel, find_model, small_face_model

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

    def __call__(self) -> Models:
        """Raises ModelError where there are none."""
        with self._lock:
            now = time.monotonic()
            if self._found is None or self._found[0] < now - KNOWN_SECONDS:
                self._found = now, self._look()
            return self._found[1]

    def file(self, sha256: str) -> Path | None:
        """The file of the one with this hash; None where it is none of them."""
        found = self()
        both = (found.model, found.small)
        return next((model.path for model in both if model and model.sha256 == sha256), None)

    def _look(self) -> Models:
        chosen = self._chosen()
        model = find_model(chosen, self._folder)
        return Models(model, small_face_model(model, self._folder) if chosen is None else None)


def model_file(model: InstalledModel) -> ModelFile:
    """A model as a claim tells it."""
    return ModelFile(model.name, model.sha256, model.path.stat().st_size, model.path.name)
