"""/metrics and /api/health of the real server, as a monitoring system sees them."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.server import Server, small_photo
from tests.waiting import wait_for

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with Server(tmp_path_factory.mktemp("metrics") / "outputs", "--token", TOKEN) as server:
        server.session.headers["Authorization"] = f"Bearer {TOKEN}"
        yield server


def figures(server: Server) -> dict[tuple[str, str], float]:
    """(name, values of its labels) -> value."""
    answer = server.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics_tell_photos_stages_workers_model_and_disk(server: Server):
    photos = [("a.jpg", small_photo(1)), ("b.jpg", small_photo(2)), ("c.jpg", b"no photo")]
    server.wait_for(server.new_album(photos))
    wait_for(lambda: figures(server)["gpen_webui_workers", "busy"] == 0)
    found = figures(server)
    assert found["gpen_webui_photos_total", "done"] == 2
    assert found["gpen_webui_photos_total", "failed"] == 1
    assert found["gpen_webui_photos_waiting", ""] == 0
    for stage in ("open", "detect", "align", "network", "blend", "adjust", "save"):
        assert found["gpen_webui_stage_seconds_count", stage] == 2
        assert found["gpen_webui_stage_seconds_sum", stage] >= 0
    assert found["gpen_webui_workers", "alive"] >= 1
    assert found["gpen_webui_model_loaded", "gpen-mini-256"] == 1
    assert found["gpen_webui_disk_free_bytes", ""] > 0


def test_metrics_are_behind_the_same_guard_and_count_who_was_refused(server: Server):
    before = figures(server).get(("gpen_webui_requests_refused_total", "401"), 0)
    refused = requests.get(server.url + "/metrics", timeout=30)
    assert refused.status_code == 401
    assert "gpen_webui_" not in refused.text
    assert figures(server)["gpen_webui_requests_refused_total", "401"] == before + 1


def test_health_tells_alive_from_ready(server: Server):
    found = server.get("/api/health").json()
    assert (found["alive"], found["ready"]) == (True, found["status"] == "ready")
    assert server.get("/api/health/alive").status_code == 200
    short = server.get("/api/health/ready")  # it may have become so meanwhile
    assert short.status_code == (200 if short.json()["ready"] else 503)


def test_a_server_whose_model_cannot_be_loaded_is_alive_and_not_ready(tmp_path: Path):
    missing = str(tmp_path / "no-such-model.pth")
    with Server(tmp_path / "outputs", "--model", missing) as server:
        job = server.new_album([("a.jpg", small_photo())])
        server.wait_for(job, ("paused",))
        # It may be loading just now, before the first page.
        wait_for(lambda: server.get("/api/health").status_code == 503)
        assert server.get("/api/health/alive").status_code == 200
        assert server.get("/api/health/ready").status_code == 503
