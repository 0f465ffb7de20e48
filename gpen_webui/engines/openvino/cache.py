"""Compiled models on disk, so that only the first start pays for PyTorch and compilation.

An entry is a folder named by everything its content depends on: OpenVINO's version, the
processor, the variant of our graph and the checkpoint's hash. It appears by one rename, complete
or not at all. An entry that does not match its own checksum is thrown away and built anew.
"""

from __future__ import annotations

import logging
import mmap
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov

from gpen_webui.engines.openvino.core import CORE
from gpen_webui.files.lock import (
    FileLock,
    LockHeldError,
    LocksNotSupportedError,
    lock_where_possible,
)

log = logging.getLogger(__name__)

COMPILED, CHECKSUM = "network.blob", "checksum"
NEW, LOCK = "new-", ".saving.lock"
PATIENCE = 60.0  # seconds to wait for another process that saves
PIECE = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Compiled:
    """A model ready to compute. file: what it was read from, which it may not outlive."""

    model: ov.CompiledModel
    file: mmap.mmap | None = None

    def release_file(self) -> None:
        """Let go of the memory that holds what was read.

        A compiled model computes with weights of its own, in its own order, but keeps the file
        mapped: twice the memory. Should a page be needed after all, it is read again.
        """
        if self.file is not None and hasattr(self.file, "madvise"):
            self.file.madvise(mmap.MADV_DONTNEED)


class ModelCache:
    """The folder of one checkpoint's compiled models.

    variant: of the graph. variants: all that are in use; entries of others are outdated.
    """

    def __init__(
        self,
        folder: Path,
        checkpoint_sha256: str,
        variant: str,
        variants: tuple[str, ...],
    ):
        self._folder = folder
        self._checkpoint = checkpoint_sha256[:16]
        version = ov.__version__.split("-")[0]
        prefix = f"{self._checkpoint}-openvino-{version}-{_processor()}"
        self.entry = folder / f"{prefix}-{variant}"
        self._current = {f"{prefix}-{other}" for other in (variant, *variants)}

    def open(self, settings: dict, compiled: Callable[[], ov.CompiledModel]) -> Compiled:
        """The model that the entry holds, or else `compiled()`, which is then kept there.

        settings: for OpenVINO.
        """
        self.remove_leftovers()
        # Loaded also right after it was made: what was just compiled keeps the graph's weights
        # in memory besides its own.
        return (
            self.load(settings)
            or self._compile_and_keep(compiled)
            or self.load(settings)
            or Compiled(compiled())
        )

    def _compile_and_keep(self, compiled: Callable[[], ov.CompiledModel]) -> Compiled | None:
        """None where it is in the cache now."""
        model = compiled()
        return None if self.try_to_save(model) else Compiled(model)

    def load(self, settings: dict) -> Compiled | None:
        """The compiled model, if the entry is there and whole; settings: for OpenVINO."""
        if not self.entry.is_dir():
            return None
        try:
            return self._load(settings)
        except (OSError, ValueError, RuntimeError) as error:
            log.info("The compiled model in %s will be made anew: %s", self.entry, error)
            return None

    def _load(self, settings: dict) -> Compiled:
        with (self.entry / COMPILED).open("rb") as stored:
            # OpenVINO takes nothing that is write-protected; it writes nothing all the same.
            file = mmap.mmap(stored.fileno(), 0, access=mmap.ACCESS_COPY)
        if (self.entry / CHECKSUM).read_text() != _checksum(file):
            raise ValueError("it is damaged")
        content = ov.Tensor(np.frombuffer(file, np.uint8), shared_memory=True)
        compiled = Compiled(CORE.import_model(content, "CPU", settings), file)
        compiled.release_file()
        return compiled

    def save(self, model: ov.CompiledModel) -> None:
        """Write an entry, replacing a damaged one and those of other versions.

        Raises OSError where the folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._saving(), tempfile.TemporaryDirectory(prefix=NEW, dir=self._folder) as parent:
            fresh = Path(parent) / "entry"
            fresh.mkdir()
            content = model.export_model().getbuffer()
            (fresh / COMPILED).write_bytes(content)
            (fresh / CHECKSUM).write_text(_checksum(content))
            if self.entry.exists():
                self.entry.rename(Path(parent) / "damaged")
            fresh.rename(self.entry)
        self._remove_outdated()

    def try_to_save(self, model: ov.CompiledModel) -> bool:
        """`save`; False, and a line in the log, where the folder cannot be written."""
        try:
            self.save(model)
        except OSError as error:
            log.warning("The compiled model could not be kept in %s: %s", self._folder, error)
            return False
        return True

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """One process at a time writes here, so that what others have left is known as such."""
        with lock_where_possible(self._folder / LOCK, PATIENCE) as is_locked:
            if is_locked:
                self._remove_unfinished()
            yield

    def _remove_unfinished(self) -> None:
        """What processes that were killed while they saved have left: up to half a gigabyte."""
        for left in self._folder.glob(f"{NEW}*"):
            shutil.rmtree(left, ignore_errors=True)

    def remove_leftovers(self) -> None:
        """The same at the start, unless another process is saving now."""
        if any(self._folder.glob(f"{NEW}*")):
            with (
                suppress(OSError, LockHeldError, LocksNotSupportedError),
                FileLock(self._folder / LOCK),
            ):
                self._remove_unfinished()

    def _remove_outdated(self) -> None:
        """Entries of this checkpoint in other variants, for other processors or OpenVINOs."""
        for entry in self._folder.glob(f"{self._checkpoint}-openvino-*"):
            if entry.name not in self._current:
                shutil.rmtree(entry, ignore_errors=True)


def _processor() -> str:
    """Compilation depends on what the processor can do."""
    known = [CORE.get_property("CPU", p) for p in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    return f"{zlib.crc32(repr(known).encode()):08x}"


def _checksum(content: mmap.mmap | memoryview) -> str:
    """CRC-32 finds what a disk or a crash damages at thrice the speed of a hash, and every
    start reads up to half a gigabyte; nobody but the user writes here."""
    checksum = 0
    for start in range(0, len(content), PIECE):
        checksum = zlib.crc32(content[start : start + PIECE], checksum)
    return f"{checksum:08x}\n"
