"""The process in which photos are restored: see orders.py for what it is told and answers.

A photo that kills it, or a native call that hangs in it, costs this process and not the worker,
which starts another. It ends with its stdin. Signals that ask a program to end are for the worker,
which decides when.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from gpen_webui.child_process import leave_ending_to_parent
from gpen_webui.cluster.kinds import measure_kind
from gpen_webui.cluster.messages import from_json, to_json
from gpen_webui.cluster.protocol import Failure, Finish, Reason
from gpen_webui.cluster.worker.orders import Load, Order
from gpen_webui.engines.base import EngineError
from gpen_webui.errors import UserError
from gpen_webui.faces.detect import DetectorError
from gpen_webui.files.atomic import create_file
from gpen_webui.jobs.runner.failures import not_restored
from gpen_webui.jobs.runner.local_pool import RestoreStages
from gpen_webui.jobs.runner.shared_restorer import why_not_loaded
from gpen_webui.models.folder import ModelError
from gpen_webui.models.installed import find_model
from gpen_webui.networks import OpeningNetworks
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.small_picture import before_and_after
from gpen_webui.pipeline import (
    RestoredFile,
    StageError,
    put_network_first,
    restore_stages,
    restorer_of,
)
from gpen_webui.settings import Settings
from gpen_webui.shortage import shortage_of
from gpen_webui.stages.face_network import NetworkError
from gpen_webui.stages.restorer import Restorer
from gpen_webui.states import Stage

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# They have words for the user, but no photo is to blame.
MACHINES_FAULT = (EngineError, NetworkError, DetectorError, ModelError)


class Stopped(Exception):  # noqa: N818 - not an error
    """The worker wants no more of this photo."""


class RestoringProcess:
    """Does what is ordered, several photos at a time. restore_stages: as in pipeline."""

    def __init__(self, answers: BinaryIO, restore_stages: RestoreStages):
        self._answers = answers
        self._answering = Lock()
        self._restore_stages = restore_stages
        self._restorer: Restorer | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._stopped: set[str] = set()

    def follow(self, line: bytes) -> None:
        """Do what a line orders, or begin to."""
        match json.loads(line):
            case {"load": load}:
                self._load(from_json(Load, load))
            case {"restore": order}:
                assert self._pool, "a model must be loaded first"
                self._pool.submit(self._restore, from_json(Order, order))
            case {"stop": claim}:
                self._stopped.add(claim)

    def answer(self, **answer: Any) -> None:
        """Tell the worker."""
        line = json.dumps(answer).encode() + b"\n"
        with self._answering:
            self._answers.write(line)
            self._answers.flush()

    def _load(self, load: Load) -> None:
        """The worker orders this only while no photo is in progress."""
        try:
            if self._restorer:
                self._restorer.close()
            settings = Settings.from_environment(device=load.device, precision=load.precision)
            model = find_model(load.model, Path(load.model).parent)
            small = load.small_model
            small_model = find_model(small, Path(small).parent) if small else None
            networks = OpeningNetworks(model, small_model, settings, load.workers)
            self._restorer = restorer_of(networks, Path(load.further))
            kind = measure_kind(self._restorer)
        except Exception as error:  # whatever it is, the worker must hear of it
            if not isinstance(error, UserError):
                self.answer(log="error", message=traceback.format_exc())
            self.answer(not_loaded=why_not_loaded(error))
            return
        if self._pool:
            self._pool.shutdown(wait=False)
        self._pool = ThreadPoolExecutor(load.workers, "restore", initializer=_put_network_first)
        self.answer(loaded={"engine": self._restorer.description, "kind": kind})

    def _restore(self, order: Order) -> None:
        stage = [str(Stage.OPEN)]
        try:
            finish = self._finish_of(order, stage)
        except Stopped:
            self.answer(claim=order.claim, stopped=True)
        except BaseException as error:  # whatever it is, the worker must hear of it
            failure = self._failure_of(order, stage[0], error)
            self.answer(claim=order.claim, failed=to_json(failure))
        else:
            self.answer(claim=order.claim, done=to_json(finish))
        finally:
            self._stopped.discard(order.claim)

    def _finish_of(self, order: Order, stage: list[str]) -> Finish:
        """Restore a photo and write its result; stage: of which the only element is kept true."""
        assert self._restorer
        options = RestoreOptions.parse(order.options)
        stages = self._restore_stages(
            self._restorer, Path(order.photo), order.name, options, reuse=None
        )
        with closing(stages):
            restored = self._follow_stages(order.claim, stages, stage)
        report = restored.report.as_dict()
        if restored.report.unchanged:
            if not isinstance(restored.data, bytes):
                restored.data.close()
            return Finish(report, None, restored.suffix, *_small_pictures(restored))
        sha256 = _write(Path(order.result), restored)
        return Finish(report, sha256, restored.suffix, *_small_pictures(restored))

    def _follow_stages(
        self, claim: str, stages: Generator[str, None, RestoredFile], stage: list[str]
    ) -> RestoredFile:
        while True:
            if claim in self._stopped:
                raise Stopped
            try:
                entered = next(stages)
            except StopIteration as end:
                return end.value
            stage[0] = str(entered)
            percent = getattr(entered, "percent", None)
            self.answer(claim=claim, stage=stage[0], percent=percent)

    def _failure_of(self, order: Order, stage: str, error: BaseException) -> Failure:
        if shortage := shortage_of(error):
            return Failure(Reason.MACHINE, str(shortage), stage)
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            return Failure(Reason.MACHINE, f"The disk that holds {order.result} is full.", stage)
        cause = error.__cause__ if isinstance(error, StageError) else error
        if isinstance(cause, UserError) and not isinstance(cause, MACHINES_FAULT):
            return Failure(Reason.PHOTO, str(error), stage)
        self.answer(log="error", message="".join(traceback.format_exception(error)))
        is_worded = isinstance(error, UserError)
        return Failure(Reason.MACHINE, str(error) if is_worded else not_restored(order.name), stage)


def main(restore_stages: RestoreStages = restore_stages) -> None:
    """Follow orders until stdin ends. restore_stages: as in pipeline."""
    leave_ending_to_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get among the answers
    process = RestoringProcess(answers, restore_stages)
    logging.getLogger("gpen_webui").addHandler(_ToWorker(process))
    for line in sys.stdin.buffer:
        process.follow(line)
    os._exit(0)  # photos in progress are nobody's any more


class _ToWorker(logging.Handler):
    """What is logged here stands in the worker's log."""

    def __init__(self, process: RestoringProcess):
        super().__init__(logging.WARNING)
        self._process = process

    def emit(self, record: logging.LogRecord) -> None:
        self._process.answer(log=record.levelname.lower(), message=self.format(record))


def _put_network_first() -> None:
    with suppress(OSError):
        put_network_first()


def _small_pictures(restored: RestoredFile) -> tuple[str, str]:
    """Before and after, as base64, for the album's report."""
    pictures = before_and_after(restored.photo, restored.restoration.pixels)
    before, after = (base64.b64encode(picture).decode() for picture in pictures)
    return before, after


def _write(path: Path, restored: RestoredFile) -> str:
    """Write a result; its SHA-256. Raises OSError."""
    assert isinstance(restored.data, bytes), "else it is unchanged"
    path.unlink(missing_ok=True)
    with create_file(path) as file:
        file.write(restored.data)
    return hashlib.sha256(restored.data).hexdigest()


if __name__ == "__main__":
    main()
