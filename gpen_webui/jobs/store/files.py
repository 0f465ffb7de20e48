"""Where the store keeps its files, all of them under outputs/.gpen-webui.

    jobs.sqlite            the store itself
    lock                   held by the server at work
    server.lock            held by its first process, from before it says where it is
    incoming/              uploads that are not complete
    incoming/<job>/<n>     uploads that are complete, until the store knows them
    uploads/<job>/<n>      our copies of the photos
    names/<job>            what they are called, in case the store is lost
    sidecars/<job>/<n>/    XMP files that were uploaded with a photo
    staging/<job>-<n>      results that are not on record
    received/<claim>.*     results that other machines deliver
    earlier/<job>-<n>-<k>  results in whose places attempt k has put others, not on record yet
    thumbnails/...         for the reports that people read, until those are written

The results themselves lie in outputs/, in a folder for each job. Whatever lies in uploads/
was promised to somebody: it is removed with its job and never else.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from gpen_webui.files.atomic import flush_folder
from gpen_webui.files.linking import link_or_copy
from gpen_webui.files.originals import Original
from gpen_webui.files.sidecars import Sidecar
from gpen_webui.jobs.store.thumbnails import Thumbnails

log = logging.getLogger(__name__)

HIDDEN = ".gpen-webui"
BLOCK = 1 << 20
STEM, FULL_NAME = "IMG.xmp", "IMG.jpg.xmp"  # what XMP files are called that were uploaded


class StoreFiles:
    """The folders of one outputs folder; making the object makes them. Raises OSError.

    hidden: the folder in it that has all of the store's files. max_original_bytes: photos that
    stay where they are may be so large, and are opened without following links, as others may
    name them; None: they are the user's own and are opened as they are.
    """

    def __init__(self, outputs: Path, hidden: str = HIDDEN, max_original_bytes: int | None = None):
        self.outputs = outputs.absolute()
        self.root = self.outputs / hidden
        self._max_original_bytes = max_original_bytes
        self.database = self.root / "jobs.sqlite"
        self.lock = self.root / "lock"
        self.server_lock = self.root / "server.lock"
        self.incoming = self.root / "incoming"
        self.uploads = self.root / "uploads"
        self.staging = self.root / "staging"
        self.received = self.root / "received"
        self.names = self.root / "names"
        self.sidecars = self.root / "sidecars"
        self.earlier = self.root / "earlier"
        self.thumbnails = Thumbnails(self.root / "thumbnails")
        for folder in (
            *(self.incoming, self.uploads, self.staging, self.names, self.sidecars),
            *(self.earlier, self.thumbnails.root),
        ):
            folder.mkdir(parents=True, exist_ok=True)

    def new_incoming(self) -> Path:
        """A path that does not exist, for an upload to be written to."""
        return self.incoming / uuid.uuid4().hex

    def original(self, source: str, owned: bool) -> Path | Original:
        """What an item restores, as its row names it: our copy, or what stays elsewhere."""
        if owned:
            return self.copy(source)
        path = Path(os.fsdecode(source))
        limit = self._max_original_bytes
        return path if limit is None else Original(path, limit)

    def copy(self, source: str) -> Path:
        """Our copy of an original, as its row names it."""
        path = self.root / source
        pending = self._pending(source)
        return pending if not path.exists() and pending.exists() else path

    def keep_sidecar(self, original: Path, upload: Path, has_full_name: bool) -> None:
        """Copy an uploaded XMP file to where it is found with our copy of its photo."""
        folder = self._sidecars_of(original)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(upload, folder / (FULL_NAME if has_full_name else STEM))

    def kept_sidecars(self, source: Path | Original) -> list[Sidecar]:
        """The XMP files that were uploaded with a photo."""
        if not isinstance(source, Path) or not source.is_relative_to(self.root):
            return []
        folder = self._sidecars_of(source)
        return [
            Sidecar(name == FULL_NAME, (folder / name).read_bytes())
            for name in (STEM, FULL_NAME)
            if (folder / name).is_file()
        ]

    def result(self, folder: str, result: str | PurePosixPath) -> Path:
        """A result file of the job with this results folder."""
        return self.outputs / folder / PurePosixPath(result)

    def staged(self, job_id: str, n: int) -> Path:
        """Where an item's result lies until it is in its place and on record."""
        return self.staging / f"{job_id}-{n}"

    def staged_results(self) -> Iterator[tuple[Path, str, int]]:
        """What a process that died left in staging, with its job and item; other files go."""
        for path in sorted(self.staging.iterdir()):
            job_id, _, n = path.name.rpartition("-")
            if job_id and n.isdecimal():
                yield path, job_id, int(n)
            else:
                path.unlink(missing_ok=True)

    def set_aside(self, job_id: str, n: int, attempt: int) -> Path:
        """Where an item's earlier result lies while this attempt's has its place."""
        return self.earlier / f"{job_id}-{n}-{attempt}"

    def results_set_aside(self) -> Iterator[tuple[Path, str, int, int]]:
        """What a process that died left in earlier/, with its job, item and attempt."""
        for path in sorted(self.earlier.iterdir()):
            job_id, n, attempt = path.name.split("-")
            yield path, job_id, int(n), int(attempt)

    def new_source(self, job_id: str, n: int) -> str:
        """The `source` of a new item that has our copy; nothing lies there."""
        source = self._source_in(job_id, str(n))
        is_taken = (self.root / source).exists() or self._pending(source).exists()
        return f"{source}-{uuid.uuid4().hex[:8]}" if is_taken else source

    def prepare(self, upload: Path, source: str) -> None:
        """Set a complete upload, which was flushed, aside until the store knows it."""
        pending = self._pending(source)
        pending.parent.mkdir(exist_ok=True)
        os.replace(upload, pending)

    def prepare_shared(self, original: Path, source: str) -> None:
        """The same with another job's copy, which stays; nothing is copied where possible."""
        pending = self._pending(source)
        pending.parent.mkdir(exist_ok=True)
        link_or_copy(original, pending)
        if self._sidecars_of(original).is_dir():
            shutil.copytree(
                self._sidecars_of(original), self._sidecars_of(pending), dirs_exist_ok=True
            )

    def adopt(self, job_id: str, about: dict, items: Sequence[dict]) -> None:
        """Move what was prepared for a job to its place, now that the store knows it.

        about: the job's kind, name and options; items: at least `source` and `name` of each;
        they are noted apart from the store (see `noted_names`). What cannot be moved is found
        where it is (see `source`), and moved at the next start.
        """
        if not items:
            return
        try:
            self._move_prepared(job_id, [item["source"] for item in items])
            path = self.names / job_id
            lines = [] if path.exists() else [about]
            lines += [{"source": item["source"], "name": item["name"]} for item in items]
            with open(path, "a", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(line)}\n" for line in lines)
        except OSError:
            log.exception("uploads could not be moved to their places")

    def noted_names(self, job_id: str) -> tuple[dict, dict[str, str]]:
        """What was noted about a job, and the names of its items by their source."""
        try:
            text = (self.names / job_id).read_text("utf-8", "replace")
        except OSError:
            return {}, {}
        about, names = {}, {}
        for line in text.splitlines():
            with suppress(ValueError, TypeError, KeyError):  # half a line: it was cut off
                noted = json.loads(line)
                if "source" in noted:
                    names[noted["source"]] = str(noted["name"])
                elif "kind" in noted:
                    about = noted
        return about, names

    def drop_prepared(self, sources: Iterable[str]) -> None:
        """Remove what was prepared, but came to nothing."""
        for source in sources:
            with suppress(OSError):  # the next start tries again
                self._pending(source).unlink(missing_ok=True)
                remove_if_empty(self._pending(source).parent)
                self._remove_sidecars(source)

    def flush_uploads(self, job_id: str) -> None:
        """Make the uploads that were adopted for a job survive a power cut."""
        with suppress(OSError):
            flush_folder(self.uploads / job_id)

    def uploads_on_disk(self) -> Iterator[str]:
        """Every file in uploads/, as rows name it, those of one job together."""
        for folder in sorted(self.uploads.iterdir()):
            if folder.is_dir():
                names = sorted((path.name for path in folder.iterdir()), key=_by_number)
                yield from (self._source_in(folder.name, name) for name in names)

    def clear_incoming(self, is_known: Callable[[str], bool]) -> None:
        """Remove what a process that died left half done; it was promised to nobody.

        is_known(source): whether an item has it; then it is moved to its place.
        """
        for path in self.incoming.iterdir():
            if not path.is_dir():
                path.unlink(missing_ok=True)
                continue
            sources = [self._source_in(path.name, pending.name) for pending in path.iterdir()]
            self.drop_prepared([source for source in sources if not is_known(source)])
            self._move_prepared(path.name, [source for source in sources if is_known(source)])

    def remove_originals(self, sources: Iterable[str]) -> None:
        """Remove our copies of originals, and the folders that they leave empty."""
        parents = set()
        for source in sources:
            for path in (self.root / source, self._pending(source)):
                path.unlink(missing_ok=True)
                parents.add(path.parent)
            self._remove_sidecars(source)
        for parent in parents:
            remove_if_empty(parent)

    def forget_names(self, job_id: str) -> None:
        """Remove what was noted about a job's items, and its empty folder."""
        (self.names / job_id).unlink(missing_ok=True)
        remove_if_empty(self.uploads / job_id)

    def remove_results(self, folder: str, results: list[str]) -> None:
        """Remove these files of a results folder, and the folders that they leave empty."""
        parents = {self.outputs / folder}
        for result in results:
            path = self.result(folder, result)
            path.unlink(missing_ok=True)
            parents |= {path.parents[i] for i in range(len(PurePosixPath(result).parts))}
        for parent in sorted(parents, key=lambda path: len(path.parts), reverse=True):
            remove_if_empty(parent)

    def _move_prepared(self, job_id: str, sources: Sequence[str]) -> None:
        pending, folder = self.incoming / job_id, self.uploads / job_id
        if pending.is_dir() and not folder.exists():
            pending.rename(folder)
            return
        for source in sources:
            if self._pending(source).exists():
                os.replace(self._pending(source), self.root / source)
        remove_if_empty(pending)

    def _sidecars_of(self, original: Path) -> Path:
        return self.sidecars / original.parent.name / original.name

    def _remove_sidecars(self, source: str) -> None:
        folder = self._sidecars_of(self.root / source)
        shutil.rmtree(folder, ignore_errors=True)
        remove_if_empty(folder.parent)

    def _source_in(self, job_id: str, name: str) -> str:
        return f"{self.uploads.name}/{job_id}/{name}"

    def _pending(self, source: str) -> Path:
        return self.incoming / PurePosixPath(source).relative_to(self.uploads.name)


def _by_number(name: str) -> tuple[bool, int, str]:
    return (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)


def fingerprint(path: Path, flush: bool = True) -> tuple[int, str]:
    """Size and SHA-256 of a file, flushed to the disk where it can be. Raises OSError."""
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe waits for ever, a device never ends
        raise OSError(errno.EINVAL, "it is no file")
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
        if flush:
            with suppress(OSError):
                os.fsync(file.fileno())
    return size, digest.hexdigest()


def remove_if_empty(folder: Path) -> None:
    """Remove a folder, unless something is in it."""
    with suppress(OSError):
        folder.rmdir()
