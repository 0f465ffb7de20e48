"""How many photos a second the job store takes, in albums of several sizes.

`python -m gpen_webui.bench.store` takes a minute or two. It measures the store alone: of each photo
all that is recorded from its claim to its result, with its events, but no picture. Then it removes
the largest album while photos of another go on, and tells how long they were held up.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from gpen_webui.jobs.store.claims import ClaimQueue
from gpen_webui.jobs.store.commands import JobCommands
from gpen_webui.jobs.store.database import Database
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.jobs.store.jobs import NewPhoto, Store
from gpen_webui.jobs.store.machines import Machine
from gpen_webui.jobs.store.removal import Remover
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import ItemReport
from gpen_webui.states import ItemState, Stage

SIZES = (1_000, 10_000, 100_000)
STAGES = (Stage.OPEN, Stage.DETECT, Stage.NETWORK, Stage.BLEND, Stage.SAVE)
THREADS = 8  # photos at once; they share flushes, as those of many machines do
ROUNDS = 3
PHOTOS = 300  # of each album in each round
MACHINE = Machine("bench", "bench", "bench")


@dataclass(frozen=True)
class Rate:
    """Medians over the rounds. photos_per_second: by the clock. core_ms: processor time for a
    photo."""

    items: int
    photos_per_second: float
    core_ms: float


@dataclass(frozen=True)
class Removal:
    """seconds: until all is gone. photos: that others recorded meanwhile; the median and the
    longest time that one of them took, in ms."""

    items: int
    seconds: float
    photos: int
    median_ms: float
    longest_ms: float


class MeasuredStore:
    """A store in an empty folder, whose photos are all the same file."""

    def __init__(self, folder: Path):
        self._folder = folder
        files = StoreFiles(folder)
        self._photo = folder / "photo.jpg"
        self._photo.write_bytes(b"no picture")
        self._database = Database(files.database)
        self._store = Store(files, self._database)
        self._commands = JobCommands(files, self._database, Remover(files, self._database))
        self._claims = ClaimQueue(files, self._database)

    def close(self) -> None:
        """Close its file."""
        self._database.close()

    def add_album(self, items: int) -> str:
        """A started album, which is paused; its name."""
        job = self._store.create_job("album", f"{items} photos", RestoreOptions())
        photos = [NewPhoto(self._photo, f"{n:06}.jpg") for n in range(items)]
        self._store.add_originals(job.id, photos)
        self._commands.start(job.id)
        self._commands.pause(job.id)
        folder = self._store.job(job.id).folder
        assert folder is not None, "it has begun"
        (self._folder / folder).mkdir()
        return job.id

    def record(self, album: str, photos: int) -> tuple[float, float]:
        """Record so many photos of an album: seconds of the clock, and of the processors."""
        self._commands.resume(album)
        with ThreadPoolExecutor(THREADS) as threads:
            clock, core = time.perf_counter(), time.process_time()
            list(threads.map(self._record_one, range(photos)))
            seconds = time.perf_counter() - clock, time.process_time() - core
        self._commands.pause(album)
        return seconds

    def _record_one(self, number: int) -> float:
        """A photo of the album that is not paused; the seconds that it took."""
        started = time.perf_counter()
        claim = self._claims.claim(alone=True, machine=MACHINE, id=f"{started}-{number}")
        assert claim is not None, "albums are larger than what is recorded of them"
        for stage in STAGES:
            self._claims.record_stage(claim, stage)
        place = self._claims.place_for(claim, ".jpg")
        assert place is not None, "nobody else has it"
        (self._folder / claim.folder / place).touch()  # else it counts as vanished
        report = ItemReport(
            name=claim.name,
            state=ItemState.DONE,
            options=claim.options.as_dict(),
            model="bench",
            model_sha256="0" * 64,
            seconds=dict.fromkeys(STAGES, 0.1),
            result=str(place),
            restored_by={"machine": MACHINE.name, "kind": MACHINE.kind},
        )
        assert self._claims.finish(claim, report, result_size=1, pace=0.1)
        return time.perf_counter() - started

    def remove(self, album: str, other: str) -> tuple[float, list[float]]:
        """Remove an album while photos of another are recorded: seconds, and those of each."""
        self._commands.mark_deleted(album)
        self._commands.resume(other)
        meanwhile: list[float] = []
        started = time.perf_counter()
        with ThreadPoolExecutor(1) as remover:
            removal = remover.submit(self._commands.remove_deleted, album)
            while not removal.done() and self._store.job(other).counts["waiting"]:
                meanwhile.append(self._record_one(len(meanwhile)))
            removal.result()
        return time.perf_counter() - started, meanwhile


def measure_store(
    folder: Path,
    sizes: tuple[int, ...] = SIZES,
    photos: int = PHOTOS,
    on_step: Callable[[str], None] = lambda what: None,
) -> tuple[list[Rate], Removal]:
    """Measure in an empty folder, on its disk. sizes: of albums, in ascending order."""
    with closing(MeasuredStore(folder)) as store:
        albums = {items: store.add_album(items) for items in sizes}
        other = store.add_album(sizes[-1])
        on_step("albums are there")
        measured: dict[int, list[tuple[float, float]]] = {items: [] for items in sizes}
        for number in range(ROUNDS):
            for items, album in albums.items():
                measured[items].append(store.record(album, photos))
            on_step(f"round {number + 1} of {ROUNDS}")
        rates = [
            Rate(
                items,
                round(photos / statistics.median(clock for clock, _ in runs), 1),
                round(1000 * statistics.median(core for _, core in runs) / photos, 2),
            )
            for items, runs in measured.items()
        ]
        seconds, meanwhile = store.remove(albums[sizes[-1]], other)
    return rates, Removal(
        sizes[-1],
        round(seconds, 3),
        len(meanwhile),
        round(1000 * statistics.median(meanwhile or [0.0]), 1),
        round(1000 * max(meanwhile, default=0.0), 1),
    )


def main() -> int:
    """Measure, and print lines of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="ITEMS")
    parser.add_argument("--folder", type=Path, help="on the disk that is to be measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpen-webui-store-", dir=arguments.folder) as folder:
        rates, removal = measure_store(
            Path(folder),
            tuple(sorted(arguments.sizes)),
            on_step=lambda what: print(what, file=sys.stderr, flush=True),
        )
    for rate in rates:
        print(json.dumps({"rate": asdict(rate)}))
    print(json.dumps({"removal": asdict(removal)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
