"""The runners that the conformance suites check; `pytest_plugins = ["tests.jobs_fixtures"]`.

A new runner is added to RUNNERS: something that is called like JobService and has its
attributes. The store is the real one; only the pixels are played.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gpen_webui.jobs.service import JobService
from tests.jobs_kit import JobsHarness

RUNNERS = {"threads": JobService}


@pytest.fixture(params=RUNNERS)
def make_service(request: pytest.FixtureRequest) -> type:
    """The runner that is checked; a module that checks another one has a fixture of this name."""
    return RUNNERS[request.param]


@pytest.fixture
def make_harness(make_service: type, tmp_path: Path):
    harnesses: list[JobsHarness] = []

    def make(**settings: object) -> JobsHarness:
        harnesses.append(JobsHarness(tmp_path / "outputs", make_service=make_service, **settings))
        return harnesses[-1]

    yield make
    for harness in harnesses:
        harness.close()


@pytest.fixture
def harness(make_harness: Callable[..., JobsHarness]) -> JobsHarness:
    return make_harness()


@pytest.fixture
def service(harness: JobsHarness):
    return harness.open()
