"""What a server's processes take: memory, threads and open files, from /proc."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.server import Server

PROC = Path("/proc")


@dataclass(frozen=True)
class Sample:
    """photos: restored so far. seconds: since the start. memory: resident, shared pages
    counted once, MB. database: its files, MB."""

    photos: int
    seconds: float
    memory: float
    threads: int
    files: int
    database: float

    def as_dict(self) -> dict:
        return asdict(self)


def measure(server: Server, photos: int, seconds: float) -> Sample:
    """All processes of the server together."""
    memory = threads = files = 0
    for process in processes_of(server.process.pid):
        try:
            memory += _number(process / "smaps_rollup", "Pss:")
            threads += _number(process / "status", "Threads:")
            files += len(os.listdir(process / "fd"))
        except OSError:  # it has just ended
            continue
    database = sum(path.stat().st_size for path in server.outputs.glob(".gpen-webui/jobs.sqlite*"))
    return Sample(photos, round(seconds, 1), memory / 1000, threads, files, database / 1e6)


def processes_of(group: int) -> list[Path]:
    """The folders in /proc of a process group."""
    found = []
    for process in PROC.glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            found.append(process)
    return found


def _number(file: Path, word: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(word):
            return int(line.split()[1])
    return 0
