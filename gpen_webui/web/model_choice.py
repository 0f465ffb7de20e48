"""Which model restores the next photos."""

from __future__ import annotations

from pathlib import Path

from gpen_webui.models.installed import installed_file
from gpen_webui.settings import Settings
from gpen_webui.web.remembered_choice import RememberedChoice


class ChosenModel:
    """The model for the next photos: the one chosen in the page, remembered in the outputs folder.

    A model that was named when the server was started goes before an earlier choice.
    """

    def __init__(self, settings: Settings):
        self._settings = settings
        self._choice = RememberedChoice(settings.outputs, "model")
        self._name = settings.model or self._remembered()

    def __call__(self) -> str | None:
        """Its name or file; None: the default."""
        return self._name

    def choose(self, name: str) -> None:
        """From now on this one, also after a restart. Raises OSError."""
        self._choice.keep(name)
        self._name = name

    def _remembered(self) -> str | None:
        """The earlier choice, if it is still installed."""
        name = self._choice.read()
        is_there = installed_file(name, self._settings.models) or Path(name).is_file()
        return name if name and is_there else None
