"""The folder that a command writes to: the one that the user chose, or a new one."""

from __future__ import annotations

from pathlib import Path

from gpen_webui.errors import UserError
from gpen_webui.files.atomic import new_run_folder


class ResultsFolderError(UserError):
    """Results cannot be written where they should go."""


def make_results_folder(chosen: Path | None, outputs: Path, label: str = "") -> Path:
    """Make `chosen`, or a new folder in `outputs`, with `label` in its name.

    Raises ResultsFolderError where it cannot be made.
    """
    try:
        if chosen is None:
            return new_run_folder(outputs, label)
        chosen.mkdir(parents=True, exist_ok=True)
        return chosen
    except OSError as error:
        raise ResultsFolderError(
            f"The results folder {chosen or outputs} cannot be made ({error.strerror}); "
            "choose another with -o."
        ) from error
