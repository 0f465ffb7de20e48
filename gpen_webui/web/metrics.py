"""What a monitoring system may see, in Prometheus' text format: docs/http-api.md lists it.

The figures are kept where they arise and read when somebody asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock

from flask import Blueprint, Flask, Response, current_app
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from gpen_webui.jobs.records import StoreError
from gpen_webui.web.context import job_service
from gpen_webui.web.errors import OutputsUnreachableError
from gpen_webui.web.uploads import disk_free

blueprint = Blueprint("metrics", __name__)


class RefusedRequests:
    """How many requests were answered with an error, by status. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def note(self, response: Response) -> Response:
        """Count an answer, if it is one."""
        if response.status_code >= 400:
            with self._lock:
                self._counts[str(response.status_code)] += 1
        return response

    def counts(self) -> Counter[str]:
        """A copy."""
        with self._lock:
            return self._counts.copy()


class ServerCollector(Collector):
    """Reads all figures of the current application."""

    def collect(self) -> Iterator[Metric]:
        yield from _photos()
        yield from _workers()
        yield from _machines()
        yield _refused()
        with suppress(OutputsUnreachableError):  # a figure is better missing than wrong
            yield GaugeMetricFamily(
                "gpen_webui_disk_free_bytes", "Room left where the results go.", disk_free()
            )


def init_app(app: Flask) -> None:
    """Count refused requests."""
    refused = app.extensions["refused_requests"] = RefusedRequests()
    app.after_request(refused.note)


@blueprint.get("/metrics")
def metrics() -> Response:
    """All figures; behind the same guard as everything else."""
    registry = CollectorRegistry()
    registry.register(ServerCollector())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _photos() -> Iterator[Metric]:
    figures = job_service().pool.statistics.figures()
    photos = CounterMetricFamily(
        "gpen_webui_photos", "Photos that left a worker's hands, by how.", labels=["end"]
    )
    for end in ("done", "no_face", "failed", "stopped"):
        photos.add_metric([end], figures.ends[end])
    yield photos
    stages = SummaryMetricFamily(
        "gpen_webui_stage_seconds", "Time that photos spent in each stage.", labels=["stage"]
    )
    for stage, seconds in sorted(figures.seconds.items()):
        stages.add_metric([stage], figures.counts[stage], seconds)
    yield stages
    with suppress(StoreError):  # then the state of the workers tells why
        waiting = job_service().runner.waiting()
        yield GaugeMetricFamily(
            "gpen_webui_photos_waiting", "Photos of started jobs that wait.", waiting
        )


def _workers() -> Iterator[Metric]:
    status = job_service().pool.status()
    workers = GaugeMetricFamily(
        "gpen_webui_workers",
        "Threads that restore: alive, busy with a photo, stuck in native code for good.",
        labels=["state"],
    )
    for state, number in (
        ("alive", status["workers"]),
        ("busy", status["busy"]),
        ("stuck", status["stuck"]),
    ):
        workers.add_metric([state], number)
    yield workers
    model = GaugeMetricFamily(
        "gpen_webui_model_loaded", "1 while a model is loaded, 0 else.", labels=["model"]
    )
    model.add_metric([status["model"] or ""], int(status["model"] is not None))
    yield model


def _machines() -> Iterator[Metric]:
    """Of each machine; none where this one works alone."""
    coordinator = current_app.extensions.get("coordinator")
    if coordinator is None:
        return
    from gpen_webui.cluster.overview import Overview  # only where others help

    photos = CounterMetricFamily(
        "gpen_webui_machine_photos",
        "Photos that a machine has restored, or failed with.",
        labels=["machine", "end"],
    )
    busy = GaugeMetricFamily(
        "gpen_webui_machine_photos_in_progress", "Photos in its hands.", labels=["machine"]
    )
    heard = GaugeMetricFamily(
        "gpen_webui_machine_heard_seconds",
        "How long ago it was last heard of; missing where it was not since the start.",
        labels=["machine"],
    )
    for machine in Overview(coordinator, job_service()).all()["machines"]:
        name = machine["name"]
        photos.add_metric([name, "restored"], machine["restored"])
        photos.add_metric([name, "failed"], machine["failed"])
        busy.add_metric([name], machine["busy"])
        if machine["heard_seconds"] is not None:
            heard.add_metric([name], machine["heard_seconds"])
    yield from (photos, busy, heard)


def _refused() -> Metric:
    refused = CounterMetricFamily(
        "gpen_webui_requests_refused",
        "Requests that were answered with an error, by HTTP status.",
        labels=["status"],
    )
    for status, number in sorted(current_app.extensions["refused_requests"].counts().items()):
        refused.add_metric([status], number)
    return refused
