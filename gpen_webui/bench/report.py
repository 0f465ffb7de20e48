"""The whole benchmark: what it measures in which order, and what it found, as data."""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

from tqdm import tqdm

from gpen_webui.bench.album import WORKERS, AlbumResult, measure_albums
from gpen_webui.bench.machine import describe_machine
from gpen_webui.bench.memory import MemoryUse, measure_memory
from gpen_webui.bench.network import NetworkResult, measure_network, network_sides
from gpen_webui.bench.photos import make_photos
from gpen_webui.bench.random_model import write_random_model
from gpen_webui.models.installed import find_model
from gpen_webui.settings import Settings


@dataclass(frozen=True)
class Plan:
    """How much is measured. photos: in the album; large_album: photos of the second one
    whose memory is measured; the rounds: how often each side has its turn."""

    photos: int
    large_album: int
    network_rounds: int
    album_rounds: int

    @classmethod
    def full(cls, photos: int = 20) -> Plan:
        return cls(photos, 20 * photos, network_rounds=7, album_rounds=3)

    @classmethod
    def quick(cls, photos: int = 4) -> Plan:
        return cls(photos, 4 * photos, network_rounds=3, album_rounds=1)


@dataclass(frozen=True)
class Benchmark:
    """Everything that was measured. machine: as `describe_machine` gives it."""

    machine: dict[str, object]
    model: str
    size: int
    network: NetworkResult
    album: AlbumResult
    memory: list[MemoryUse]

    def overhead(self) -> float:
        """Share of the fastest album's time that is not the network's, as measured alone."""
        alone = self.network.fastest().seconds.median * self.album.faces
        return 1 - alone / self.album.fastest().total.median

    def as_dict(self) -> dict:
        """For JSON: an infinite PSNR, where nothing differs, is None."""
        values = {**asdict(self), "album_time_beyond_network_alone": self.overhead()}
        return {name: _finite(value) for name, value in values.items()}


def run_benchmark(settings: Settings, shape: str, plan: Plan) -> Benchmark:
    """Measure everything, and show on a terminal how far it is.

    shape: "default" for the installed model, or one of random weights. Raises UserError where
    the model cannot be used.
    """
    with (
        tempfile.TemporaryDirectory(prefix="gpen-webui-bench-") as name,
        tqdm(disable=None, bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}") as bar,
    ):
        steps = count()

        def on_step(what: str) -> None:
            bar.update(next(steps) - bar.n)  # what came before is done
            bar.set_description(what)

        scratch = Path(name)
        if shape == "default":
            model = find_model(settings.model, settings.models)
        else:
            model = write_random_model(shape, scratch / "models")
            settings = replace(settings, models=scratch / "models", model=str(model.path))
        settings = replace(settings, outputs=scratch / "outputs")
        photos = make_photos(scratch / "photos", plan.photos)
        cache = settings.models / ".cache"
        sides = len(network_sides(model, cache))
        bar.total = _count_steps(plan, sides)
        network = measure_network(model, cache, plan.network_rounds, on_step)
        bar.total -= plan.network_rounds * (sides - len(network.sides))  # those left out
        album = measure_albums(settings, photos, scratch / "results", plan.album_rounds, on_step)
        memory = []
        for size in (plan.photos, plan.large_album):
            on_step(f"memory of {size} photos")
            memory.append(measure_memory(settings, photos, size, scratch / "memory"))
    return Benchmark(describe_machine(), model.name, model.size, network, album, memory)


def _count_steps(plan: Plan, sides: int) -> int:
    """Opening every side of the network, then the turns of the network, albums and memory."""
    album = plan.album_rounds * (1 + len(WORKERS))
    return sides + plan.network_rounds * (1 + sides) + album + 2


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value
