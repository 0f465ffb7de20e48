"""The child process that decodes: questions come in at stdin, answers go out at stdout.

First comes an empty line: ready. A question is one line of JSON: path, name, max_megapixels
and, for a thumbnail, side and turn. An answer is one line of JSON and then the bytes of its
`parts`, in their order. Never pickle: a child that a hostile file has taken over can lie about
pixels, and no more.

The process ends with its stdin, also in the middle of a photo. Signals that ask a program to
end are for the parent, which decides when. Where a question takes more processor time than it
may, the system kills the process, wherever it is; where it takes more memory, the allocation
fails.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gpen_webui.child_process import leave_ending_to_parent
from gpen_webui.photo.decode import decode, shrink
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.metadata import BLOCKS
from gpen_webui.photo.opening import OnSize

if sys.platform != "win32":  # where the parent's clock is the only limit
    import resource

BASE_SECONDS = 3.0
SECONDS_PER_PIXEL = 1 / 5e6  # converting HDR to sRGB takes half of it
BASE_BYTES = 250_000_000  # beyond what the process needs at rest
BYTES_PER_PIXEL = 14  # what the hungriest ordinary photo takes, a progressive JPEG
PIPE_BYTES = 1 << 20
STATUS = Path("/proc/self/status")


def main() -> None:
    """Answer until stdin ends."""
    leave_ending_to_parent()
    answers = os.fdopen(os.dup(1), "wb")
    _widen(answers)
    os.dup2(2, 1)  # what a decoder prints must not get among the answers
    answers.write(b"\n")
    answers.flush()
    for line in sys.stdin.buffer:
        allowance = Allowance()
        answer, parts = _answer(json.loads(line), allowance.cover)
        allowance.end()
        answer["parts"] = {part: len(data) for part, data in parts.items()}
        _write(answers, answer, parts)
        del parts  # else a child at rest would keep the pixels of the last photo


def _answer(question: dict, on_size: OnSize) -> tuple[dict, dict[str, memoryview]]:
    path, name = Path(question["path"]), question["name"]
    max_megapixels = question["max_megapixels"]
    try:
        if "side" in question:
            jpeg = shrink(path, name, question["side"], max_megapixels, on_size, question["turn"])
            return {}, {"jpeg": memoryview(jpeg)}
        decoded = decode(path, name, max_megapixels, on_size)
    except PhotoError as error:
        return {"error": str(error)}, {}
    except MemoryError:
        return {"error": "memory"}, {}
    metadata = decoded.metadata
    parts = {
        "pixels": _flat(decoded.pixels),
        "alpha": None if decoded.alpha is None else _flat(decoded.alpha),
        "icc": decoded.icc,
        **{block: getattr(metadata, block) for block in BLOCKS},
    }
    answer = {
        "size": decoded.pixels.shape[:2],
        "format": decoded.format,
        "file_format": decoded.file_format,
        "grey": decoded.grey,
        "coding": decoded.coding,
        "dpi": metadata.dpi,
        "warnings": decoded.warnings,
        "losses": decoded.losses,
    }
    return answer, {part: memoryview(data) for part, data in parts.items() if data is not None}


def _flat(plane: np.ndarray) -> memoryview:
    return np.ascontiguousarray(plane).data.cast("B")


def _write(answers: BinaryIO, answer: dict, parts: dict[str, memoryview]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    for data in parts.values():
        answers.write(data)
    answers.flush()


def _widen(pipe: BinaryIO) -> None:
    """Megabytes of pixels pass in fewer steps through a pipe of more than 64 kB."""
    with suppress(ImportError, AttributeError, OSError):  # Linux only
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


class Allowance:
    """What one question may take; it grows once the number of pixels is known.

    Processor time rather than the clock's, so that a busy machine refuses nothing.
    """

    def __init__(self) -> None:
        self._spent_before = time.process_time()
        self._data_before = _data_bytes()
        self.cover(0)

    def cover(self, pixels: int) -> None:
        """Allow what decoding so many pixels may take."""
        spent = time.process_time() - self._spent_before
        seconds = BASE_SECONDS + pixels * SECONDS_PER_PIXEL - spent
        _limit_seconds(max(seconds, 0.001))
        _limit_data(self._data_before + BASE_BYTES + pixels * BYTES_PER_PIXEL)

    def end(self) -> None:
        """The question is answered."""
        _limit_seconds(0)
        _limit_data(None)


def _limit_seconds(seconds: float) -> None:
    """After so much processor time of all threads the system kills this process; 0: never."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_data(most: int | None) -> None:
    """No allocation succeeds that makes the process's data larger; None: no limit."""
    if sys.platform != "win32" and STATUS.exists():
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        if most is None or most > hard != resource.RLIM_INFINITY:
            most = hard
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _data_bytes() -> int:
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()
