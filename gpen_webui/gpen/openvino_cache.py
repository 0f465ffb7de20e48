"""Converted models on disk, so that only the first start pays for PyTorch and conversion.

An entry is a folder named by everything its content depends on: OpenVINO's version, the
form of our graph and the checkpoint's hash. It appears by one rename, complete or not at
all. An entry that does not match its own checksums is thrown away and built anew.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import shutil
import tempfile
import zlib
from pathlib import Path

import openvino as ov

log = logging.getLogger(__name__)

GRAPH, WEIGHTS, CHECKSUMS = "network.xml", "network.bin", "checksums"
PIECE = 1 << 20  # bytes read at a time


class ModelCache:
    """The folder of one checkpoint's converted models.

    form: of the graph. forms: all that are in use; entries of others are outdated.
    """

    def __init__(self, folder: Path, checkpoint_sha256: str, form: str, forms: tuple[str, ...]):
        self._folder = folder
        self._checkpoint = checkpoint_sha256[:16]
        version = ov.__version__.split("-")[0]
        prefix = f"{self._checkpoint}-openvino-{version}"
        self.entry = folder / f"{prefix}-{form}"
        self._current = {f"{prefix}-{other}" for other in (form, *forms)}

    def graph(self) -> Path | None:
        """The graph's file, if the entry is there and whole."""
        try:
            expected = (self.entry / CHECKSUMS).read_text()
            if expected == _checksums(self.entry):
                return self.entry / GRAPH
        except (OSError, ValueError):
            return None
        log.info("The converted model in %s is damaged and will be made anew.", self.entry)
        return None

    def save(self, model: ov.Model) -> Path:
        """Write an entry, replacing a damaged one and those of other versions.

        Returns the graph's file. Raises OSError where the folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="new-", dir=self._folder) as parent:
            fresh = Path(parent) / "entry"
            fresh.mkdir()
            # 16-bit weights would halve the file, but the results would no longer be exact.
            ov.save_model(model, fresh / GRAPH, compress_to_fp16=False)
            (fresh / CHECKSUMS).write_text(_checksums(fresh))
            if self.entry.exists():
                self.entry.rename(Path(parent) / "damaged")
            fresh.rename(self.entry)
        self._remove_outdated()
        return self.entry / GRAPH

    def _remove_outdated(self) -> None:
        """Entries of this checkpoint in other forms or for other versions of OpenVINO."""
        for entry in self._folder.glob(f"{self._checkpoint}-openvino-*"):
            if entry.name not in self._current:
                shutil.rmtree(entry, ignore_errors=True)


def release_mapped_weights() -> None:
    """Let go of the memory in which Linux keeps the weight files that OpenVINO has mapped.

    A compiled model computes with weights of its own, in its own order, but keeps the file
    mapped: twice the memory. The file is mapped read-only; should a page be needed after all,
    it is read again.
    """
    try:
        maps = Path("/proc/self/maps").read_text().splitlines()
    except OSError:  # not Linux
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for line in maps:
        if line.endswith(f"/{WEIGHTS}") and " r--s " in line:
            start, end = (int(address, 16) for address in line.split()[0].split("-"))
            madvise(start, end - start, mmap.MADV_DONTNEED)


def _checksums(entry: Path) -> str:
    """A line per file. CRC-32 finds what a disk or a crash damages at thrice the speed of a
    hash, and every start reads up to half a gigabyte; nobody but the user writes here."""
    lines = []
    for name in (GRAPH, WEIGHTS):
        checksum = 0
        with (entry / name).open("rb", buffering=0) as file:
            while piece := file.read(PIECE):
                checksum = zlib.crc32(piece, checksum)
        lines.append(f"{checksum:08x}  {name}\n")
    return "".join(lines)
