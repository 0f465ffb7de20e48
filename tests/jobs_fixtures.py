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
def make_bench(request: pytest.FixtureRequest, tmp_path: Path):
    benches: list[JobsHarness] = []

    def make(**settings: object) -> JobsHarness:
        make_service = RUNNERS[request.param]
        benches.append(JobsHarness(tmp_path / "outputs", make_service=make_service, **settings))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., JobsHarness]) -> JobsHarness:
    return make_bench()


@pytest.fixture
def service(bench: JobsHarness):
    return bench.open()
