"""Where the store keeps its files, all of them under outputs/.gpen-webui.

    jobs.sqlite          the store itself
    lock                 held by the server at work
    incoming/            uploads that are not complete
    uploads/<job>/<n>    our copies of the photos
    staging/             results that are not complete

The results themselves lie in outputs/, in a folder for each job.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from gpen_webui.files.atomic import replace_durably

HIDDEN = ".gpen-webui"
BLOCK = 1 << 20


class StoreFiles:
    """The folders of one outputs folder; making the object makes them. Raises OSError."""

    def __init__(self, outputs: Path):
        self.outputs = outputs.absolute()
        self.root = self.outputs / HIDDEN
        self.database = self.root / "jobs.sqlite"
        self.lock = self.root / "lock"
        self.incoming = self.root / "incoming"
        self.uploads = self.root / "uploads"
        self.staging = self.root / "staging"
        for folder in (self.incoming, self.uploads, self.staging):
            folder.mkdir(parents=True, exist_ok=True)

    def new_incoming(self) -> Path:
        """A path that does not exist, for an upload to be written to."""
        return self.incoming / uuid.uuid4().hex

    def upload(self, job_id: str, n: int) -> Path:
        """Where our copy of an item's original lies."""
        return self.uploads / job_id / str(n)

    def source(self, source: str, owned: bool) -> Path:
        """The original of an item, as its row names it."""
        return self.root / source if owned else Path(source)

    def result(self, folder: str, result: str) -> Path:
        """A result file of the job with this results folder."""
        return self.outputs / folder / PurePosixPath(result)

    def adopt_upload(self, upload: Path, job_id: str, n: int) -> str:
        """Move a complete upload, which was flushed, to its place; the row's `source`."""
        target = self.upload(job_id, n)
        target.parent.mkdir(exist_ok=True)
        replace_durably(upload, target)
        return target.relative_to(self.root).as_posix()

    def share(self, source: Path, job_id: str, n: int) -> str:
        """Let another job use our copy of an original too, without copying where possible."""
        target = self.upload(job_id, n)
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without hard links
            shutil.copyfile(source, target)
        return target.relative_to(self.root).as_posix()

    def remove_orphans(self, is_known: Callable[[str, str], bool]) -> None:
        """Remove what a process that died left half done.

        is_known(job id, n): whether an upload belongs to an item.
        """
        for folder in (self.incoming, self.staging):
            for path in folder.iterdir():
                path.unlink(missing_ok=True)
        for folder in self.uploads.iterdir():
            for path in folder.iterdir():
                if not is_known(folder.name, path.name):
                    path.unlink(missing_ok=True)
            remove_if_empty(folder)

    def remove_job(self, job_id: str, folder: str | None, results: list[str]) -> None:
        """Remove our copies of a job's originals, its results and its report; nothing else."""
        shutil.rmtree(self.uploads / job_id, ignore_errors=True)
        if folder is not None:
            self.remove_results(folder, [*results, "report.json"])

    def remove_results(self, folder: str, results: list[str]) -> None:
        """Remove these files of a results folder, and the folders that they leave empty."""
        parents = {self.outputs / folder}
        for result in results:
            path = self.result(folder, result)
            path.unlink(missing_ok=True)
            parents |= {path.parents[i] for i in range(len(PurePosixPath(result).parts))}
        for parent in sorted(parents, key=lambda path: len(path.parts), reverse=True):
            remove_if_empty(parent)


def fingerprint(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file, flushed to the disk where it can be. Raises OSError."""
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe waits for ever, a device never ends
        raise OSError(errno.EINVAL, "it is no file")
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
        with suppress(OSError):
            os.fsync(file.fileno())
    return size, digest.hexdigest()


def remove_if_empty(folder: Path) -> None:
    """Remove a folder, unless something is in it."""
    with suppress(OSError):
        folder.rmdir()
