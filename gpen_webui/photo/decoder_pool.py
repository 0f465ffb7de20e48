"""Photos are decoded in child processes, so that no file can take the program with it.

Decoders are native code that reads bytes from anywhere. A file on which one crashes, or that
takes it minutes or gigabytes, costs a child, which is replaced, and its own item fails with
words. Children are started when they are first needed and kept: a photo costs the transport
of its pixels, not the start of a process. There are never more than the machine has cores, and
only as many as spare much waiting, as each takes 21 MB: who comes when all are busy waits.

A child may also be ended from outside: when everything is shut down, or for want of memory.
Then the photo is asked for again, and the machine is blamed where that does not help.
"""

from __future__ import annotations

import atexit
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING

from gpen_webui.folders import IMPORTED_FROM
from gpen_webui.photo.errors import PhotoError
from gpen_webui.shortage import ShortageError, memory_shortage, shortage_of

if TYPE_CHECKING:
    import numpy as np

PATIENCE = 120.0  # seconds by the clock, where a disk or a network share does not answer
REMEDY = "open it in another program and save it anew, or try another copy."
NAME = "gpen_webui.photo.decoder_process"  # for whoever lists the processes
# As in heap.without_collection, which would have to be loaded first.
START = """
import gc
gc.disable()
from gpen_webui.photo.decoder_process import main
gc.enable()
main()
"""
CRASHES = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGSYS", "SIGTRAP")
TRIES = 2  # for a photo whose child was ended from outside
# Seconds that may be spent waiting for children at work before another is started, and how many
# of them come back with each second.
MOST_WAITING, MORE_WAITING = 0.5, 0.02


class ChildDied(Exception):  # noqa: N818 - caught here, never seen outside
    """The child ended in the middle of an answer."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What the child said, and the bytes that came with it, by their names."""

    fields: dict
    parts: dict[str, np.ndarray]


class Child:
    """One process that decodes, one question at a time."""

    def __init__(self) -> None:
        environment = os.environ | {
            "PYTHONPATH": str(IMPORTED_FROM),
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
        }
        process = subprocess.Popen(
            # -P: a folder of photos may hold a file called json.py, and we may stand in it.
            [sys.executable, "-P", "-c", START, NAME],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert isinstance(process.stdout, BufferedReader)
        self._process = process
        self._questions, self._answers = process.stdin, process.stdout
        self._too_late = False
        self._is_ready = False

    def ask(self, question: dict) -> Answer:
        """Raises ChildDied, or MemoryError where the answer does not fit this process."""
        clock = threading.Timer(PATIENCE, self._kill_late)
        clock.daemon = True
        clock.start()
        try:
            self._wait_until_ready()
            self._questions.write(json.dumps(question).encode() + b"\n")
            self._questions.flush()
            fields = json.loads(self._answers.readline() or b"null")
            if fields is None:
                raise ChildDied
            return Answer(
                fields, {part: self._read(size) for part, size in fields["parts"].items()}
            )
        except (BrokenPipeError, ValueError) as error:
            raise ChildDied from error
        finally:
            clock.cancel()

    def lives(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def was_ended_from_outside(self) -> bool:
        """Whether the photo is not, or not surely, the cause of its death."""
        return not self._too_late and self._ended_by() not in (None, "SIGPROF", *CRASHES)

    def could_not_start(self) -> bool:
        """Whether it ended by itself before it could be asked anything."""
        return not self._is_ready and self._ended_by() is None

    def why_dead(self) -> str:
        """What a user is told of the photo in progress."""
        signal = self._ended_by()
        if self._too_late or signal == "SIGPROF":
            return "takes far too long to decode"
        if signal == "SIGKILL":
            return "needs more memory than is free"
        return "is damaged, and decoding it crashed"

    def close(self) -> None:
        """End the process, gently where it is at rest."""
        self._process.kill()
        self._process.wait()
        self._questions.close()
        self._answers.close()

    def _wait_until_ready(self) -> None:
        if not self._is_ready:
            if not self._answers.readline():
                raise ChildDied
            self._is_ready = True

    def _ended_by(self) -> str | None:
        """The signal that ended it; None where it ended by itself."""
        code = self._process.wait()
        return Signals(-code).name if code < 0 else None

    def _read(self, size: int) -> np.ndarray:
        import numpy as np  # slow to load; a child is started before

        data = np.empty(size, np.uint8)
        if self._answers.readinto(data.data) != size:
            raise ChildDied
        return data

    def _kill_late(self) -> None:
        self._too_late = True
        self._process.kill()


class Waiting:
    """How long askers may wait for a child: a small part of the time since they last did."""

    def __init__(self) -> None:
        self._left = MOST_WAITING
        self._counted = time.monotonic()

    @contextmanager
    def allowed(self) -> Iterator[float]:
        """The seconds that are left; what passes until the end of this counts."""
        begun = time.monotonic()
        self._left = min(MOST_WAITING, self._left + (begun - self._counted) * MORE_WAITING)
        self._counted = begun
        yield max(0.0, self._left)
        self._left -= time.monotonic() - begun


class DecoderPool:
    """A few children; any thread may ask."""

    def __init__(self, children: int):
        self._free = threading.Semaphore(children)
        self._idle: list[Child] = []
        self._at_work = 0
        self._rests = threading.Condition()
        self._waiting = Waiting()

    def prepare(self) -> None:
        """Start a child now, to be ready for the first photo. Where it cannot be started, that
        photo will tell."""
        with suppress(OSError):
            self._idle.append(Child())

    def ask(self, path: Path, name: str, max_megapixels: int, **more: int) -> Answer:
        """Let a child decode a file: see decoder_process.py for what is asked and answered.

        Raises PhotoError for what is no photo, or no harmless one; ShortageError where the
        machine lets no child do its work.
        """
        _check_is_file(path, name)
        question = {
            "path": os.path.abspath(path),
            "name": name,
            "max_megapixels": max_megapixels,
            **more,
        }
        with self._free, self._one_more_at_work():
            answer = self._answer(question, TRIES)
        match answer.fields.get("error"):
            case None:
                return answer
            case "memory":
                if shortage := memory_shortage():
                    raise shortage
                raise PhotoError(f"{name} needs far more memory than its size explains; {REMEDY}")
            case sentence:
                raise PhotoError(sentence)

    def close(self) -> None:
        """End the children that are at rest."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _one_more_at_work(self) -> Iterator[None]:
        """Where all children are, wait for one as long as that is allowed."""
        with self._rests:
            if self._at_work and not self._idle:
                with self._waiting.allowed() as seconds:
                    self._rests.wait_for(lambda: self._idle, seconds)
            self._at_work += 1
        try:
            yield
        finally:
            with self._rests:
                self._at_work -= 1
                self._rests.notify()

    def _answer(self, question: dict, tries: int) -> Answer:
        child = self._take()
        try:
            answer = child.ask(question)
        except ChildDied:
            reason = child.why_dead()
            child.close()
            if child.could_not_start():
                raise ShortageError(
                    "The process that opens photos cannot be started; close other programs, or "
                    "raise the limits of this one."
                ) from None
            if child.was_ended_from_outside():
                if tries > 1:
                    return self._answer(question, tries - 1)
                if shortage := memory_shortage():
                    raise shortage from None
            raise PhotoError(f"{question['name']} {reason}; {REMEDY}") from None
        except BaseException as error:
            child.close()
            if shortage := shortage_of(error):
                raise shortage from error
            raise
        self._idle.append(child)
        return answer

    def _take(self) -> Child:
        while True:
            try:
                child = self._idle.pop()
            except IndexError:
                try:
                    return Child()
                except OSError as error:
                    raise shortage_of(error) or _cannot_start(error) from error
            if child.lives():
                return child
            child.close()  # it died at rest, through no fault of the next photo


def _cannot_start(error: OSError) -> ShortageError:
    """The Python that this program was started with may have been replaced meanwhile."""
    return ShortageError(
        f"The process that opens photos cannot be started ({sys.executable}: {error.strerror}); "
        "start the program again."
    )


def _check_is_file(path: Path, name: str) -> None:
    """Opening a pipe or a device could wait for ever."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "impossible name"
        raise PhotoError(f"{name} cannot be read ({reason}); check the path.") from error
    if not stat.S_ISREG(mode):
        raise PhotoError(f"{name} is no file that holds a photo; check the path.")


shared_decoders = DecoderPool(children=max(2, os.cpu_count() or 2))
atexit.register(shared_decoders.close)
