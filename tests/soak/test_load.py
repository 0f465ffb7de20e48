"""Many clients at once: nobody gets an error, the page answers, and a single photo goes first."""

from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import requests

from tests.faults.album import portrait
from tests.server import Server, events_of

PAGES = ("/", "/api/health")


@pytest.mark.parametrize(
    ("clients", "photos"), [(8, 30), pytest.param(50, 500, marks=pytest.mark.slow)]
)
@pytest.mark.timeout(900)
def test_clients_upload_and_watch_while_an_album_runs(
    tmp_path: Path, figures, clients: int, photos: int
):
    with Server(tmp_path) as server:
        album = server.new_album([(f"{n}.jpg", portrait(n)) for n in range(photos)])
        ended = Event()
        with ThreadPoolExecutor(clients + 2) as pool:
            answers = [pool.submit(count_answers, server, path, ended) for path in PAGES]
            visits = [pool.submit(visit, server, album, n) for n in range(clients)]
            waited = [job.result(timeout=600) for job in visits]
            ended.set()
            counts = [count.result(timeout=60) for count in answers]
        job = server.wait_for(album, patience=600)
    for path, count in zip(PAGES, counts, strict=True):
        figures[f"answers from {path} while {clients} clients sent and watched"] += count
    assert job["counts"]["done"] == photos
    # It takes a moment to notice that a photo was begun, in which others of the album are.
    assert statistics.median(waited) <= 2


def count_answers(server: Server, path: str, ended: Event) -> int:
    """How often the server answers, asked again and again until the end."""
    count = 0
    while not ended.is_set():
        requests.get(server.url + path, timeout=30).raise_for_status()
        count += 1
        ended.wait(0.1)
    return count


def visit(server: Server, album: str, n: int) -> int:
    """Send a photo and watch it; how many of the album were begun while it waited."""
    photo = {"photo": (f"{n}.jpg", portrait(10_000 + n))}
    sent = requests.post(server.url + "/enhance", files=photo, timeout=120)
    assert sent.status_code == 202, sent.text
    queued = album_seq(server, album)
    seqs, begun = [], None
    for event in events_of(server.watch(sent.json()["progress"], timeout=300)):
        seqs.append(event["seq"])
        if begun is None and event["type"] == "item" and event["state"] == "running":
            begun = album_seq(server, album)
    assert seqs == list(range(1, len(seqs) + 1))
    assert event["state"] == "done"
    events = requests.get(
        f"{server.url}/api/jobs/{album}/events", params={"after": queued}, timeout=60
    ).json()
    between = [event for event in events if event["seq"] <= begun]
    return sum(event["type"] == "item" and event["state"] == "running" for event in between)


def album_seq(server: Server, album: str) -> int:
    return requests.get(f"{server.url}/api/jobs/{album}", timeout=60).json()["seq"]
