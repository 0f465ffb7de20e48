"""A worker and a played coordinator; `pytest_plugins = ["tests.worker_fixtures"]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.played_coordinator import PlayedCoordinator
from tests.worker_kit import EMBEDDED, RunningWorker


@pytest.fixture
def coordinator() -> Iterator[PlayedCoordinator]:
    played = PlayedCoordinator(EMBEDDED)
    yield played
    played.close()


@pytest.fixture
def start(
    coordinator: PlayedCoordinator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., RunningWorker]]:
    monkeypatch.setenv("GATES", str(tmp_path))
    workers: list[RunningWorker] = []

    def begin(**options: object) -> RunningWorker:
        workers.append(RunningWorker(coordinator, tmp_path / "work", **options))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.worker.give_up()
        worker.join()
