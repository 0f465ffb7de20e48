"""The folder in which a worker keeps what it works with.

    lock        held by the worker at work
    machine     the random name by which the coordinator knows this machine again
    models/     networks that the coordinator sent, for the next time too
    further/    second names of networks that only some photos need, while the worker runs
    originals/  photos, while the worker runs
    results/    restored photos, until the coordinator has them

A worker that ends leaves no photos behind; one that was killed leaves them until the next start.
"""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

from gpen_webui.errors import UserError
from gpen_webui.files.atomic import write_atomically
from gpen_webui.files.lock import FileLock, LockHeldError

MACHINE_NAME = re.compile(r"[0-9a-f]{32}")


class WorkFolder:
    """A worker's folder, locked from the making of the object to close().

    Raises UserError where another worker has it, or where it cannot be written.
    """

    def __init__(self, root: Path):
        self.root = root
        self.models = root / "models"
        self.further = root / "further"
        self.originals = root / "originals"
        self.results = root / "results"
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(root / "lock")
        except LockHeldError as error:
            raise UserError(
                f"A worker{error.holder and f' (process {error.holder})'} already works in {root}; "
                "stop it, or give this one another --name."
            ) from error
        except OSError as error:
            raise UserError(
                f"The folder {root} cannot be written ({error.strerror or error}); check its "
                "permissions, or name another one in GPEN_WEBUI_OUTPUTS."
            ) from error
        self._remove_photos()
        for folder in (self.models, self.further, self.originals, self.results):
            folder.mkdir(exist_ok=True)

    def machine(self) -> str:
        """The random name of this machine, the same at every start."""
        path = self.root / "machine"
        try:
            name = path.read_text(encoding="ascii")
        except (OSError, ValueError):
            name = ""
        if not MACHINE_NAME.fullmatch(name):
            name = uuid.uuid4().hex
            write_atomically(path, name.encode())
        return name

    def close(self) -> None:
        """Remove the photos and let others in."""
        self._remove_photos()
        self._lock.close()

    def _remove_photos(self) -> None:
        for folder in (self.further, self.originals, self.results):
            shutil.rmtree(folder, ignore_errors=True)
