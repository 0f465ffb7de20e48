"""The worker's side of its restoring process: starts it, gives it photos, sees it die or hang.

Where the process dies, every photo in it may be the cause. Where it is ended because one of its
photos hangs or grows, the others are not: they are begun again in the next process.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from signal import Signals
from threading import Condition, Thread
from typing import IO

from gpen_webui.cluster.messages import from_json, to_json
from gpen_webui.cluster.protocol import Failure, Finish, Reason
from gpen_webui.cluster.worker.memory import let_go_first, memory_of
from gpen_webui.cluster.worker.orders import Load, Order
from gpen_webui.errors import UserError
from gpen_webui.folders import IMPORTED_FROM
from gpen_webui.jobs.runner.failures import too_slow
from gpen_webui.states import Stage

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-P", "-m", "gpen_webui.cluster.worker.restoring_process")
LOOK_SECONDS = 0.2  # between looks at limits
STOP_SECONDS = 2.0  # for a photo to come to its next stage after the time limit
DROP_SECONDS = 60.0  # and after it was dropped, which is no reason to hurry
LOAD_SECONDS = 900.0  # a large model on a slow disk, compiled for the first time


class NotLoadedError(UserError):
    """The networks cannot be used on this machine."""


class _Closed(Exception):  # noqa: N818 - caught here, never seen outside
    """There will be no process any more."""


class Task:
    """A photo in the process. is_dropped: whether it is wanted no more. stage, percent: where it
    is. outcome: Finish, Failure, or None while it is in progress."""

    def __init__(
        self, order: Order, seconds: float, alone: bool, is_dropped: Callable[[], bool]
    ) -> None:
        self.order = order
        self.seconds = seconds
        self.alone = alone
        self.is_dropped = is_dropped
        self.stage: str = Stage.OPEN
        self.percent: int | None = None
        self.outcome: Finish | Failure | None = None
        self.begin_again = False
        self.started = 0.0
        self.told_to_stop: float | None = None


class RestoringChild:
    """One restoring process, and its successors. Thread-safe.

    environment: what it gets besides ours. memory: bytes that it may take; None: no limit.
    engine, kind: what the loaded networks run on, in one sentence, and the kind of machine.
    """

    def __init__(
        self,
        environment: dict[str, str],
        memory: int | None,
        command: Sequence[str] = COMMAND,
    ):
        self.engine, self.kind = "", ""
        self._environment = environment
        self._memory = memory
        self._command = command
        self._changed = Condition()
        self._process: subprocess.Popen | None = None
        self._orders: IO[bytes] | None = None
        self._loaded: Load | None = None
        self._load_answer: dict | None = None
        self._is_loading = False
        self._tasks: dict[str, Task] = {}
        self._waiting_alone = 0
        self._ended_by = ""
        self._is_closed = False

    def load(self, load: Load) -> None:
        """Have these networks ready. Raises NotLoadedError."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_loading and self._fits(load))
            try:
                self._ensure_loaded(load)
            except _Closed:
                raise NotLoadedError("The worker leaves.") from None

    def restore(self, load: Load, task: Task) -> Finish | Failure | None:
        """Restore a photo with these networks; what came of it, None where it was dropped.

        Raises NotLoadedError.
        """
        while True:
            try:
                with self._turn(load, task):
                    self._wait_for_outcome(task)
            except _Closed:
                return None
            if not task.begin_again:
                return task.outcome
            task.begin_again = False

    def close(self) -> None:
        """End the process for good; what is in progress is as if it was dropped."""
        with self._changed:
            self._is_closed = True
            self._tasks.clear()
            self._end()

    # One after the other

    @contextmanager
    def _turn(self, load: Load, task: Task) -> Iterator[None]:
        """The task is in the process until the block ends."""
        claim = task.order.claim
        with self._changed:
            self._waiting_alone += task.alone
            try:
                self._changed.wait_for(lambda: self._may_begin(load, task))
                self._ensure_loaded(load)
            finally:
                self._waiting_alone -= task.alone
            self._tasks[claim] = task
            task.started, task.told_to_stop = time.monotonic(), None
            self._send({"restore": to_json(task.order)})
        try:
            yield
        finally:
            with self._changed:
                self._tasks.pop(claim, None)
                self._changed.notify_all()

    def _may_begin(self, load: Load, task: Task) -> bool:
        if self._is_closed:
            return True
        if self._is_loading or not self._fits(load):
            return False
        if task.alone:
            return not self._tasks
        return not self._waiting_alone and not any(other.alone for other in self._tasks.values())

    def _fits(self, load: Load) -> bool:
        """Whether nobody is disturbed by loading it."""
        return load == self._loaded or not self._tasks

    def _ensure_loaded(self, load: Load) -> None:
        """With `_changed` held, which is let go meanwhile. Raises NotLoadedError, _Closed."""
        if self._is_closed:
            raise _Closed
        if load == self._loaded and self._lives():
            return
        self._is_loading, self._loaded, self._load_answer = True, None, None
        try:
            if not self._lives():
                self._start()
            self._send({"load": to_json(load)})
            answered = self._changed.wait_for(
                lambda: self._load_answer is not None or not self._lives(), LOAD_SECONDS
            )
            self._take_load_answer(load, bool(answered))
        finally:
            self._is_loading = False
            self._changed.notify_all()

    def _take_load_answer(self, load: Load, answered: bool) -> None:
        answer = self._load_answer
        if answer is None:
            how = self._ended_by if answered else "it took too long"
            self._end()
            raise NotLoadedError(
                f"The process that restores photos ended while it loaded the model ({how}); close "
                "other programs, or use fewer --workers."
            )
        if "not_loaded" in answer:
            raise NotLoadedError(str(answer["not_loaded"]))
        self._loaded = load
        self.engine, self.kind = str(answer["loaded"]["engine"]), str(answer["loaded"]["kind"])

    # One photo

    def _wait_for_outcome(self, task: Task) -> None:
        """Until the task has an outcome, is dropped, or is to be begun again."""
        with self._changed:
            while not self._is_over(task):
                self._changed.wait_for(lambda: self._is_over(task), LOOK_SECONDS)
                if not self._is_over(task):
                    self._enforce_limits(task)

    def _is_over(self, task: Task) -> bool:
        return task.outcome is not None or task.begin_again or self._is_stopped(task)

    def _is_stopped(self, task: Task) -> bool:
        return task.order.claim not in self._tasks

    def _enforce_limits(self, task: Task) -> None:
        now = time.monotonic()
        if self._memory and self._process and memory_of(self._process.pid) > self._memory:
            took = f"more than {self._memory / 2**30:.1f} GB of memory"
            self._end_because_of(list(self._tasks.values()), f"it took {took}")
            return
        is_late = bool(task.seconds) and now - task.started > task.seconds
        if not is_late and not task.is_dropped():
            return
        if task.told_to_stop is None:
            task.told_to_stop = now
            self._send({"stop": task.order.claim})
        elif now - task.told_to_stop > (STOP_SECONDS if is_late else DROP_SECONDS):
            task.outcome = _late(task)
            self._end_because_of([task], "")

    def _end_because_of(self, culprits: list[Task], why: str) -> None:
        """End the process; the other photos are begun again."""
        for task in self._tasks.values():
            if task.outcome is not None:
                continue
            if task in culprits:
                task.outcome = _crashed(task, why)
            else:
                task.begin_again = True
        self._end()

    # The process

    def _lives(self) -> bool:
        return self._process is not None

    def _start(self) -> None:
        path = [str(IMPORTED_FROM), os.environ.get("PYTHONPATH", "")]
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, path)), **self._environment}
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | environment,
                start_new_session=True,
            )
        except OSError as error:
            raise NotLoadedError(
                f"The process that restores photos cannot be started ({error.strerror}); close "
                "other programs, or start the worker again."
            ) from error
        assert process.stdin
        assert process.stdout
        let_go_first(process.pid)
        self._process, self._orders = process, process.stdin
        Thread(target=self._follow, args=(process,), name="answers", daemon=True).start()

    def _send(self, order: dict) -> None:
        assert self._orders
        with suppress(OSError):  # it has died, which `_follow` sees
            self._orders.write(json.dumps(order).encode() + b"\n")
            self._orders.flush()

    def _end(self) -> None:
        process, self._process, self._loaded = self._process, None, None
        if process:
            process.kill()
            process.wait()
            if self._orders:
                with suppress(OSError):  # what was not written yet
                    self._orders.close()
        self._changed.notify_all()

    def _follow(self, process: subprocess.Popen) -> None:
        """Take a process's answers until it ends."""
        assert process.stdout
        for line in process.stdout:
            try:
                answer = json.loads(line)
            except ValueError:  # it died in the middle
                break
            with self._changed:
                if process is self._process:
                    self._take(answer)
                    self._changed.notify_all()
        process.kill()
        process.wait()
        process.stdout.close()
        with self._changed:
            if process is self._process:  # else it was ended on purpose
                self._ended_by = _signal_of(process)
                self._end_because_of(list(self._tasks.values()), self._ended_by)

    def _take(self, answer: dict) -> None:
        match answer:
            case {"log": level, "message": message}:
                log.log(logging.getLevelNamesMapping()[level.upper()], "%s", message)
            case {"claim": claim, **rest} if claim in self._tasks:
                self._take_of_task(self._tasks[claim], rest)
            case {"loaded": _} | {"not_loaded": _}:
                self._load_answer = answer

    def _take_of_task(self, task: Task, answer: dict) -> None:
        match answer:
            case {"stage": stage, "percent": percent}:
                task.stage, task.percent = stage, percent
            case {"done": done}:
                task.outcome = from_json(Finish, done)
            case {"failed": failed}:
                task.outcome = from_json(Failure, failed)
            case {"stopped": _}:
                if task.is_dropped():
                    del self._tasks[task.order.claim]
                else:
                    task.outcome = _late(task)


def _late(task: Task) -> Failure:
    message = too_slow(task.order.name, task.stage, task.seconds)
    return Failure(Reason.PHOTO, message, task.stage)


def _crashed(task: Task, why: str) -> Failure:
    message = f"The process that restored {task.order.name} ended ({why})."
    return Failure(Reason.CRASHED, message, task.stage)


def _signal_of(process: subprocess.Popen) -> str:
    code = process.returncode
    return Signals(-code).name if code < 0 else f"exit code {code}"
