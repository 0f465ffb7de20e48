"""A coordinator, Redis and worker processes; `pytest_plugins = ["tests.cluster_fixtures"]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster_kit import Coordinator
from tests.cluster_processes import WorkerProcesses
from tests.jobs_kit import JobsHarness

if TYPE_CHECKING:
    from tests.redis_server import RedisServer


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer]:
    from tests.redis_server import RedisServer  # needs the extra “cluster”

    server = RedisServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def make_coordinator(tmp_path: Path) -> Iterator[Callable[..., Coordinator]]:
    """Start coordinators of one outputs folder, each after the one before it was closed."""
    made: list[Coordinator] = []

    def make(**settings: object) -> Coordinator:
        harness = made[-1].harness if made else JobsHarness(tmp_path / "outputs")
        made.append(Coordinator(harness, **settings))
        return made[-1]

    yield make
    if made:
        made[-1].close()


@pytest.fixture
def here_settings() -> dict:
    """What `here` is made with; modules that need another one have a fixture of this name."""
    return {}


@pytest.fixture
def here(here_settings: dict, make_coordinator: Callable[..., Coordinator]) -> Coordinator:
    return make_coordinator(**here_settings)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[WorkerProcesses]:
    """They open what they are held at where a file of the photo's name is in tmp_path."""
    started = WorkerProcesses(tmp_path / "workers", gates=tmp_path)
    yield started
    started.close()
