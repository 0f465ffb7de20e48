"""A job service whose photos take no time, and tell-tales to see what it does.

The store, the files and the threads are real; only the restoring of pixels is played: each
"photo" is a text, and its result is that text with the options written behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from threading import Event, Lock
from types import SimpleNamespace

import numpy as np

from gpen_webui.files.originals import hold_open
from gpen_webui.jobs.records import Job
from gpen_webui.jobs.service import JobService
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.pipeline import ItemReport, StageError
from gpen_webui.settings import Settings
from gpen_webui.stages.base import Intermediates, Progress
from gpen_webui.states import Stage
from tests.waiting import PATIENCE, wait_for

STAGES = ["open", "detect", "align", "network", "blend", "adjust", "save"]
REPORTS = frozenset({"report.json", "report.html"})  # of an album


@dataclass(eq=False)
class FakeRestorer:
    """What the runner shares among its workers."""

    model: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(name="played", sha256="0" * 64)
    )
    description: str = "It is only played."
    closed: bool = False

    def close(self) -> None:
        self.closed = True


class Gate:
    """A place where a photo stops until it is opened, deaf to everything like native code."""

    def __init__(self) -> None:
        self.reached, self._open = Event(), Event()

    def open(self) -> None:
        self._open.set()

    def wait_until_reached(self) -> None:
        assert self.reached.wait(PATIENCE), "nobody came to the gate"

    def pass_through(self) -> None:
        self.reached.set()
        assert self._open.wait(PATIENCE), "the gate stayed closed"


PICTURE = Photo(pixels=np.full((4, 6, 3), 90, np.uint8), name="played", format="jpeg")


class PlayedRestoration:
    """Stands in for pipeline.restore_stages; what happens to which photo can be arranged."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.entered: list[tuple[str, str]] = []  # photos and stages
        self.reused: list[object] = []
        self.restorers: set[FakeRestorer] = set()
        self.percents: tuple[int, ...] = ()  # of each stage, that are told on the way
        self.result_bytes = 0  # results are padded to this size
        self.suffixes: dict[str, str] = {}  # of photos whose content is not what their name says
        self.gates: dict[tuple[str, str], Gate] = {}
        self._failures: dict[tuple[str, str], Exception] = {}
        self._lock = Lock()

    def hold(self, name: str, stage: str = "network") -> Gate:
        """Stop this photo inside this stage until the gate is opened."""
        return self.gates.setdefault((name, stage), Gate())

    def fail(self, name: str, error: Exception | None = None, stage: str = "detect") -> None:
        """Let this photo fail in this stage."""
        self._failures[name, stage] = error or StageError(stage, f"{name} is no photo.")

    def mend(self, name: str) -> None:
        """Let this photo succeed from now on."""
        self._failures = {key: error for key, error in self._failures.items() if key[0] != name}

    def __call__(
        self,
        restorer: FakeRestorer,
        source: Path,
        name: str,
        options: RestoreOptions,
        reuse: Intermediates | None,
    ) -> Generator[str, None, SimpleNamespace]:
        with self._lock:
            self.begun.append(name)
            self.reused.append(reuse and reuse.get(options.key_for(Stage.NETWORK)))
            self.restorers.add(restorer)
        for stage in STAGES:
            yield stage
            self.entered.append((name, stage))
            yield from (Progress(stage, percent) for percent in self.percents)
            if gate := self.gates.get((name, stage)):
                gate.pass_through()
            if error := self._failures.get((name, stage)):
                raise error
        state = "no_face" if "landscape" in name else "done"
        suffix = PurePath(name).suffix if options.format == "same" else f".{options.format}"
        suffix = self.suffixes.get(name, suffix)
        with hold_open(source, name) as path:
            data = restored_text(path.read_bytes(), options).ljust(self.result_bytes)
        report = ItemReport(
            name=name,
            state=state,
            options=options.as_dict(),
            model=restorer.model.name,
            model_sha256=restorer.model.sha256,
            seconds=dict.fromkeys(STAGES, 0.001),
        )
        if reuse:
            reuse.put(options.key_for(Stage.NETWORK), "the faces", 9)
        return SimpleNamespace(
            data=data,
            suffix=suffix,
            report=report,
            modified_ns=None,
            photo=PICTURE,
            restoration=SimpleNamespace(pixels=PICTURE.pixels),
        )


def restored_text(original: bytes, options: RestoreOptions) -> bytes:
    """The only right result of a photo."""
    return original + b" restored at %d" % options.strength


class JobsHarness:
    """An outputs folder, the played restoration and, once it is opened, the service."""

    def __init__(
        self,
        outputs: Path,
        workers: int = 2,
        max_photo_seconds: float = 0,
        make_service: type = JobService,
    ):
        self.outputs = outputs
        self.play = PlayedRestoration()
        self.loaded: list[FakeRestorer] = []
        self.load_error: Exception | None = None
        self.settings = Settings(outputs=outputs, max_photo_seconds=max_photo_seconds)
        self._workers = workers
        self._make_service = make_service
        self._services: list[JobService] = []

    def open(self) -> JobService:
        """Start working in the outputs folder."""
        service = self._make_service(self.settings, self.load, self.play)
        self._services.append(service)
        return service

    def close(self) -> None:
        """Stop whatever is at work."""
        for gate in self.play.gates.values():
            gate.open()
        while self._services:
            self._services.pop().close()

    def load(self) -> tuple[FakeRestorer, int]:
        if self.load_error:
            raise self.load_error
        self.loaded.append(FakeRestorer())
        return self.loaded[-1], self._workers


def collect(
    service: JobService,
    names: Iterable[str],
    kind: str = "album",
    options: RestoreOptions | None = None,
) -> Job:
    """A job with these photos, uploaded, but not started. A photo's content is its name."""
    job = service.store.create_job(kind, "Summer 1931", options or RestoreOptions())
    for name in names:
        upload = service.store.incoming()
        upload.write_bytes(content(name))
        service.store.add_item(job.id, name, upload)
    return service.store.job(job.id)


def start(service: JobService, names: Iterable[str], **more: object) -> Job:
    """Collect and submit."""
    return service.runner.submit(collect(service, names, **more).id)


def content(name: str) -> bytes:
    """What a photo of this name holds."""
    return name.encode("utf-8", "replace")


def wait_for_state(service: JobService, job: Job, *states: str) -> Job:
    """Wait until the job is in one of these states and nothing of it is in progress."""
    wait_for(
        lambda: (
            service.store.job(job.id).state in states
            and not service.store.job(job.id).counts["running"]
        )
    )
    return service.store.job(job.id)


def states(service: JobService, job: Job) -> dict[str, str]:
    """The state of each photo by its name."""
    return {item.name: item.state for item in service.store.items(job.id)}


def files_in(folder: Path) -> set[str]:
    """All files below a folder."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def staged_files(outputs: Path) -> set[str]:
    """Temporary files that nobody has removed."""
    hidden = outputs / ".gpen-webui"
    return files_in(hidden / "staging") | files_in(hidden / "incoming")


def reports_of(kind: str) -> frozenset[str]:
    """The reports beside the results of a job of this kind."""
    return REPORTS if kind == "album" else frozenset({"report.json"})


def check_nothing_lost(service: JobService, job: Job) -> None:
    """What is promised of a job that is done or cancelled: see interface.JobRunner."""
    job = service.store.job(job.id)
    items = service.store.items(job.id)
    finished = [item for item in items if item.state in ("done", "no_face")]
    assert job.state in ("done", "cancelled")
    assert all(item.state in ("done", "no_face", "failed", "cancelled") for item in items)
    results = [item.result for item in finished]
    assert len({result.casefold() for result in results}) == len(results)
    assert files_in(job.folder) == {*results, *reports_of(job.kind)}
    options = RestoreOptions(**job.options)
    for item in finished:
        result = service.store.result(job.id, item.n).read_bytes()
        with hold_open(service.store.original(job.id, item.n), item.name) as path:
            original = path.read_bytes()
        assert result.rstrip() == restored_text(original, options)
    check_events(service, job)
    wait_for(lambda: staged_files(service.settings.outputs) == set())  # other workers may tidy up


def check_events(service: JobService, job: Job) -> None:
    """No event is missing or doubled, and each item was finished once per time it was begun."""
    events = service.events.replay(job.id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    ends: Counter[int] = Counter()
    for event in events:
        assert (
            sum(n for state, n in event["counts"].items() if state != "total")
            == (event["counts"]["total"])
        )
        if event["type"] == "item":
            ends[event["item"]] += event["state"] in ("done", "no_face")
    assert all(count <= 1 for count in ends.values()), ends
    assert events[-1]["state"] in ("done", "cancelled")
