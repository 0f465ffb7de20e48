"""Peak memory of `./run.sh restore` on albums of different sizes, each in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from gpen_webui.errors import UserError
from gpen_webui.folders import IMPORTED_FROM
from gpen_webui.settings import Settings

LOOK_EVERY = 0.1  # seconds


class AlbumFailedError(UserError):
    """The album whose memory was to be measured could not be restored."""


@dataclass(frozen=True)
class MemoryUse:
    """peak_mb: the most that the command and the processes it started had at once, 2**20 B."""

    photos: int
    peak_mb: float


def measure_memory(
    settings: Settings, photos: Sequence[Path], count: int, folder: Path
) -> MemoryUse:
    """Restore an album of `count` photos, made of copies of `photos`; folder: for all of it.

    Raises AlbumFailedError where the command fails.
    """
    album = folder / "album"
    album.mkdir(parents=True)
    for number in range(count):
        source = photos[number % len(photos)]
        shutil.copyfile(source, album / f"{number + 1:04}{source.suffix}")
    peak = _peak_of(_restore_command(album, folder / "results"), _environment(settings))
    shutil.rmtree(folder)
    return MemoryUse(count, peak / 2**20)


def _restore_command(album: Path, results: Path) -> list[str]:
    return [sys.executable, "-m", "gpen_webui", "restore", str(album), "-o", str(results)]


def _environment(settings: Settings) -> dict[str, str]:
    requested = {
        "PYTHONPATH": str(IMPORTED_FROM),
        "GPEN_WEBUI_OUTPUTS": str(settings.outputs),
        "GPEN_WEBUI_MODELS": str(settings.models),
        "GPEN_WEBUI_DEVICE": settings.device,
        "GPEN_WEBUI_PRECISION": settings.precision,
    }
    if settings.model:
        requested["GPEN_WEBUI_MODEL"] = settings.model
    return {**os.environ, **requested}


def _peak_of(command: list[str], environment: dict[str, str]) -> int:
    """The most memory, in bytes, that a command and its children had together."""
    peak = 0
    with tempfile.TemporaryFile("w+") as talk:  # a pipe that nobody empties would stop it
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=talk, stderr=talk
        )
        try:
            watched = psutil.Process(process.pid)
            while process.poll() is None:
                peak = max(peak, _memory_of(watched))
                time.sleep(LOOK_EVERY)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode:
            talk.seek(0)
            last = (talk.read().strip().splitlines() or ["it said nothing"])[-1]
            raise AlbumFailedError(f"The album for the memory could not be restored: {last}")
    return peak


def _memory_of(process: psutil.Process) -> int:
    """What processes share counts once where the system can tell (Linux), else not at all."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            memory = one.memory_full_info()
            total += getattr(memory, "pss", memory.uss)
    except psutil.NoSuchProcess:
        pass  # it has just ended
    return total
