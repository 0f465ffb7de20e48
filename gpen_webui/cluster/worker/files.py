"""Files that the coordinator sends: each is fetched once, checked by its SHA-256, and kept.

What broke off in the middle is gone on with, not begun anew.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition, Lock

from gpen_webui.cluster.protocol import ModelFile, OriginalFile
from gpen_webui.cluster.worker.client import CoordinatorClient
from gpen_webui.errors import UserError
from gpen_webui.files.atomic import flush_file, replace_durably
from gpen_webui.files.linking import link_or_copy
from gpen_webui.files.names import safe_name
from gpen_webui.models.folder import SUFFIXES, ModelError
from gpen_webui.models.installed import installed_file
from gpen_webui.models.records import hash_file, known_hash

ORIGINALS_BYTES = 4 << 30
PART = ".part"


class DamagedFileError(UserError):
    """A file did not arrive as the coordinator has it on record."""


class Originals:
    """Photos as the coordinator has them, those used last. Thread-safe.

    most_bytes: what all of them may take, besides those in use.
    """

    def __init__(self, folder: Path, client: CoordinatorClient, most_bytes: int = ORIGINALS_BYTES):
        self._folder = folder
        self._client = client
        self._most_bytes = most_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()  # by key; the last is the latest used
        self._used: dict[str, int] = {}  # how many use it
        self._changed = Condition()

    @contextmanager
    def use(self, claim: str, original: OriginalFile) -> Iterator[Path]:
        """The photo of a claim, which stays until the block ends.

        Raises AwayError where it could not be fetched yet, RefusedError where it cannot be had,
        DamagedFileError.
        """
        key = original.sha256 or claim  # nobody has read it yet: then it is only this claim's
        self._take(key)
        path = self._folder / key
        try:
            if not path.exists():
                fetch(self._client, f"claims/{claim}/original", path, original.sha256, os.replace)
            with self._changed:
                self._sizes[key] = path.stat().st_size
                self._changed.notify_all()  # others may use it beside us
            yield path
        finally:
            self._give_back(key)

    def _take(self, key: str) -> None:
        """Alone: who else wants the same photo waits until it is there."""
        with self._changed:
            self._changed.wait_for(lambda: key in self._sizes or not self._used.get(key))
            self._used[key] = self._used.get(key, 0) + 1
            if key in self._sizes:
                self._sizes.move_to_end(key)

    def _give_back(self, key: str) -> None:
        with self._changed:
            self._used[key] -= 1
            if not self._used[key]:
                del self._used[key]
            self._make_room()
            self._changed.notify_all()

    def _make_room(self) -> None:
        free = [key for key in self._sizes if key not in self._used]
        while free and sum(self._sizes.values()) > self._most_bytes:
            key = free.pop(0)
            del self._sizes[key]
            with suppress(OSError):
                (self._folder / key).unlink(missing_ok=True)


class Models:
    """Networks that the coordinator names: of this machine where it has the very same, else sent.

    folder: for those that were sent. further: an empty folder. installed: the user's own models
    folder. say: shows the user a line. Thread-safe.
    """

    def __init__(
        self,
        folder: Path,
        further: Path,
        installed: Path,
        client: CoordinatorClient,
        say: Callable[[str], None],
    ):
        self._folder = folder
        self._further = further
        self._chosen: dict[str, ModelFile] = {}  # in the further folder of now, by what they are
        self._replaced = 0
        self._choosing = Lock()
        self._installed = installed
        self._client = client
        self._say = say
        self._fetching = Lock()

    def get(self, model: ModelFile) -> Path:
        """The weight file. It was not opened: `find_model` checks it before it is used.

        Raises AwayError, RefusedError, ModelError, DamagedFileError, OSError.
        """
        if own := self._own(model):
            return own
        place = self._place(model)
        with self._fetching:
            if not place.exists() or known_hash(place) != model.sha256:
                self._say(f"Fetching the model {model.name} ({model.size / 1e6:.0f} MB) ...")
                place.unlink(missing_ok=True)
                place.parent.mkdir(parents=True, exist_ok=True)
                fetch(self._client, f"models/{model.sha256}", place, model.sha256)
        return place

    def folder_with(self, models: Sequence[ModelFile]) -> Path:
        """A models folder that has all of these, perhaps with others that photos needed before.

        It is the same one until the coordinator has another file of the same name. Raises as `get`.
        """
        files = {_place_of(model): (model, self.get(model)) for model in models}
        with self._choosing:
            if any(self._chosen.get(at, model) != model for at, (model, _) in files.items()):
                self._chosen.clear()
                self._replaced += 1
            folder = self._further / str(self._replaced)
            folder.mkdir(exist_ok=True)
            for at, (model, path) in files.items():
                if at not in self._chosen:
                    link_or_copy(path, folder / safe_name(model.file))
                    self._chosen[at] = model
            return folder

    def _own(self, model: ModelFile) -> Path | None:
        path = installed_file(model.name, self._installed)
        try:
            same = path and path.stat().st_size == model.size and known_hash(path) == model.sha256
        except OSError:
            return None
        return path if same else None

    def _place(self, model: ModelFile) -> Path:
        name = safe_name(model.file)
        if Path(name).suffix.lower() not in SUFFIXES or not model.sha256.isalnum():
            raise ModelError(f"The coordinator names a model {name}, which is no file of weights.")
        return self._folder / model.sha256 / name


def _place_of(model: ModelFile) -> str:
    """Where a models folder has room for one only."""
    return model.task if model.task == "parse" else model.name.lower()


def fetch(
    client: CoordinatorClient,
    path: str,
    target: Path,
    sha256: str,
    place: Callable[[Path, Path], None] = replace_durably,
) -> None:
    """Bring a file of the coordinator to its place, whole; sha256: empty where it is not known.

    place: moves it there; what is not kept for the next start need not be flushed to the disk.

    Raises AwayError where it broke off, so that the next call goes on; DamagedFileError; OSError.
    """
    part = target.with_name(f".{target.name}{PART}")
    have = part.stat().st_size if part.exists() and sha256 else 0
    with (
        client.open_file(path, have, sha256) as (start, chunks),
        open(part, "ab" if start else "wb") as file,
    ):
        for chunk in chunks:
            file.write(chunk)
        if place is replace_durably:
            flush_file(file)
    if sha256 and hash_file(part) != sha256:
        part.unlink(missing_ok=True)
        raise DamagedFileError(
            "The file that the coordinator sent is not the one that it has on record; it may have "
            "been changed there."
        )
    place(part, target)
