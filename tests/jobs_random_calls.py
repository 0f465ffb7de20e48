"""A process that asks a job service for random things from eight threads, until it is killed.

    python -m tests.jobs_random_calls OUTPUTS LOG SEED CALLS

The photos are played; some fail, some hang until their worker is given up. LOG gets a line
for each upload that was promised to be kept, and one before each deletion; LOG.calls gets a
byte for each call. The process exits with 0 after CALLS calls, and with 1 as soon as
something other than a refusal comes of one.
"""

from __future__ import annotations

import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

from gpen_webui.jobs.records import JobConflictError, StoreError, UnknownJobError
from gpen_webui.jobs.service import JobService
from gpen_webui.jobs.store.jobs import NewPhoto
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import StageError
from tests.jobs_kit import JobsHarness, PlayedRestoration, content

THREADS = 8
MOST_JOBS = 24
TIME_LIMIT = 0.5  # seconds for a photo
HANGS = 0.8


class RandomRestoration(PlayedRestoration):
    """Some photos fail, some hang, all of them by chance."""

    def __call__(self, restorer, source, name, options, reuse):
        chance = random.random()
        stages = super().__call__(restorer, source, name, options, reuse)
        while True:
            try:
                stage = next(stages)
            except StopIteration as end:
                return end.value
            if stage == "network" and chance < 0.02:
                time.sleep(HANGS)
            if stage == "detect" and chance > 0.9:
                raise StageError("detect", f"{name} fails this time.")
            yield stage


class Caller:
    """One thread's random calls."""

    def __init__(self, service: JobService, folder: Path, log: int, seed: int):
        self._service = service
        self._folder = folder
        self._log = log
        self._random = random.Random(seed)
        self._name = f"{seed}"
        self._made = 0

    def call(self) -> None:
        """One of the things that users do."""
        does: dict[Callable[[], None], int] = {
            self._create: 6,
            self._add: 24,
            self._add_many: 4,
            self._add_original: 4,
            self._set_own: 6,
            self._submit: 12,
            self._pause: 7,
            self._resume: 10,
            self._cancel: 3,
            self._retry: 6,
            self._redo: 8,
            self._restore_rest: 4,
            self._run_again: 4,
            self._delete: 4,
            self._look: 16,
        }
        [do] = self._random.choices(list(does), weights=list(does.values()))
        with suppress(UnknownJobError, JobConflictError):
            do()

    def _any(self, *states: str) -> str:
        jobs = [
            job.id
            for job in self._service.store.jobs(MOST_JOBS)
            if job.state in states or not states
        ]
        if not jobs:
            raise UnknownJobError("there is none")
        return self._random.choice(jobs)

    def _options(self) -> RestoreOptions:
        return RestoreOptions(strength=self._random.randrange(101))

    def _create(self) -> None:
        if len(self._service.store.jobs(MOST_JOBS)) < MOST_JOBS:
            kind = self._random.choice(["album", "album", "photo"])
            self._service.store.create_job(kind, "Album", self._options())

    def _new(self) -> tuple[str, Path]:
        self._made += 1
        kind = self._random.choice(["", "", "landscape "])
        name = f"{kind}{self._name}-{self._made}.jpg"
        upload = self._service.store.incoming()
        upload.write_bytes(content(name))
        return name, upload

    def _add(self) -> None:
        job, (name, upload) = self._any("collecting"), self._new()
        item = self._service.store.add_item(job, name, upload, key=name)
        self._note(f"added {job} {item.n} {name}")

    def _add_many(self) -> None:
        job, new = self._any("collecting"), [self._new() for _ in range(12)]
        numbers = self._service.store.add_items(
            job, [NewPhoto(upload, name, name) for name, upload in new]
        )
        for n, (name, _) in zip(numbers, new, strict=True):
            self._note(f"added {job} {n} {name}")

    def _add_original(self) -> None:
        job = self._any("collecting")
        name, upload = self._new()
        path = upload.rename(self._folder / name)
        self._service.store.add_originals(job, [NewPhoto(path, name, name)])

    def _set_own(self) -> None:
        job = self._any("collecting")
        if items := self._service.store.items(job, limit=20):
            own = self._random.choice([{}, {"strength": self._random.randrange(101)}])
            self._service.store.set_own_options(job, self._random.choice(items).n, own)

    def _submit(self) -> None:
        self._service.runner.submit(self._any("collecting"))

    def _pause(self) -> None:
        self._service.runner.pause(self._any("waiting", "running"))

    def _resume(self) -> None:
        self._service.runner.resume(self._any("paused"))

    def _cancel(self) -> None:
        self._service.runner.cancel(self._any())

    def _retry(self) -> None:
        self._service.runner.retry(self._any())

    def _redo(self) -> None:
        job = self._any()
        if items := self._service.store.items(job, limit=20):
            self._service.runner.redo(job, self._random.choice(items).n, self._options())

    def _restore_rest(self) -> None:
        self._service.runner.restore_rest(self._any("done", "cancelled"))

    def _run_again(self) -> None:
        if len(self._service.store.jobs(MOST_JOBS)) < MOST_JOBS:
            try:
                self._service.runner.run_again(self._any(), self._options())
            except StoreError as error:
                if "cannot be used again" not in str(error):  # it was deleted meanwhile
                    raise

    def _delete(self) -> None:
        job = self._any()
        self._note(f"deleting {job}")
        self._service.runner.delete(job)

    def _look(self) -> None:
        job = self._any()
        seqs = [event["seq"] for event in self._service.events.replay(job)]
        assert seqs == list(range(1, len(seqs) + 1))
        for item in self._service.store.items(job, limit=20):
            self._service.store.item(job, item.n)
            self._service.store.result(job, item.n)
            self._service.store.original(job, item.n)

    def _note(self, line: str) -> None:
        os.write(self._log, f"{line}\n".encode())  # whole, also if the process dies


def main(outputs: Path, log: Path, seed: int, calls: int) -> None:
    harness = JobsHarness(outputs, workers=3, max_photo_seconds=TIME_LIMIT)
    harness.play = RandomRestoration()
    service = harness.open()
    originals = outputs.parent / "originals"
    originals.mkdir(exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    count = os.open(f"{log}.calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def work(number: int) -> None:
        caller = Caller(service, originals, handle, seed * THREADS + number)
        try:
            for _ in range(calls // THREADS):
                caller.call()
                os.write(count, b".")
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    threads = [Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    harness.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
