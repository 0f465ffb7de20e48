"""The server is killed again and again in the middle of an album, and nothing is lost.

Each proof runs the real server with the embedded model on an album of small photos, and
kills all its processes (SIGKILL) at seeded moments: while photos are uploaded, when one is
claimed, in each of its stages, around the rename of its result and the commit that records
it, and around the album's last report. What a client has seen before is compared with what
the server says afterwards.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from threading import Timer

import pytest
import requests
import websocket

from tests.faults.album import PHOTOS, QUICK_PHOTOS, album, contents_of
from tests.server import Server

STAGES = ("open", "detect", "align", "network", "blend", "adjust", "save")
MIDDLE = ("running", *STAGES, "done")
KILLS_AT_THE_START, KILLS_AT_THE_END = ("upload", "waiting"), ("end",)
# A photo that is in progress at three deaths is taken for their cause and left out. Those that
# were in progress come last, so the killing in the middle ends while there are others.
UNTOUCHED = 0.4


class KilledAlbum:
    """One album, restored by a server that dies at the given moments."""

    def __init__(self, outputs: Path, count: int, seed: int):
        self.outputs = outputs
        self.photos = album(count)
        self.random = random.Random(seed)
        self.job = ""
        self.seen: list[dict] = []
        self.kills = 0

    def kill_at(self, moment: str) -> None:
        """Let the server work until this moment, then kill it."""
        server = Server(self.outputs)
        try:
            if moment == "upload":
                Timer(self.random.uniform(0, 0.4), server.kill).start()
                self._start(server)
            else:
                self._start(server)
                self._watch_until(server, moment)
        except (OSError, requests.RequestException, websocket.WebSocketException):
            pass  # as a client sees a death
        finally:
            server.kill()
            self.kills += 1

    def finish(self) -> tuple[dict, list[dict]]:
        """Let the server work in peace; the job and all its events."""
        with Server(self.outputs) as server:
            self._start(server)
            job = server.wait_for(self.job, patience=240)
            return job, server.get(f"/api/jobs/{self.job}/events").json()

    def _start(self, server: Server) -> None:
        """Send what has not arrived yet, as a client does whose connection broke."""
        asked = {"kind": "album", "name": "Album", "key": "the album"}
        job = server.post("/api/jobs", json=asked).json()
        assert self.job in ("", job["id"])
        self.job = job["id"]
        if job["state"] != "collecting":
            return
        for name, content in list(self.photos.items()):
            form = {"name": name, "key": name}
            files = {"photo": ("upload", content)}
            sent = server.post(f"/api/jobs/{self.job}/items", files=files, data=form)
            assert sent.status_code == 201, sent.text
        server.post(f"/api/jobs/{self.job}/start").raise_for_status()

    def _watch_until(self, server: Server, moment: str) -> None:
        after = self.seen[-1]["seq"] if self.seen else 0
        socket = server.watch(f"/ws/jobs/{self.job}?after={after}")
        to_pass = self.random.randrange(4)
        live_from = server.job(self.job)["seq"]
        while text := socket.recv():
            event = json.loads(text)
            self.seen.append(event)
            if event["seq"] <= live_from or not self._is_it(event, moment):
                continue
            to_pass -= 1
            if to_pass < 0 or moment in ("waiting", "end"):
                time.sleep(self.random.choice([0, self.random.uniform(0, 0.03)]))
                return

    def _is_it(self, event: dict, moment: str) -> bool:
        left = event["counts"]["waiting"] + event["counts"]["running"]
        if moment == "end":
            return left == 0
        if left < UNTOUCHED * len(self.photos):
            return True  # late: now or never
        return moment in (event["stage"], event["state"])


def check(album: KilledAlbum, undisturbed: dict[str, bytes], outputs: Path) -> None:
    """Every photo was restored once, the same as in peace; nothing else is there."""
    job, events = album.finish()
    folder = Path(job["folder"])
    assert (job["state"], job["counts"]["done"]) == ("done", len(album.photos)), job["counts"]

    results = contents_of(folder)
    report = json.loads(results.pop("report.json"))
    assert results.pop("report.html")
    assert results == {name: undisturbed[name] for name in album.photos}
    assert [photo["name"] for photo in report["photos"]] == list(album.photos)
    assert report["counts"] == job["counts"]
    assert all(photo["state"] == "done" for photo in report["photos"])

    hidden = outputs / ".gpen-webui"
    assert contents_of(hidden / "staging") == {}
    assert contents_of(hidden / "incoming") == {}
    assert contents_of(hidden / "uploads" / job["id"]) == {
        str(n): content for n, content in enumerate(album.photos.values())
    }
    assert {path.name for path in outputs.iterdir()} == {".gpen-webui", folder.name}

    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[: len(album.seen)] == album.seen
    finished = [e["name"] for e in events if e["type"] == "item" and e["state"] == "done"]
    assert sorted(finished) == sorted(album.photos)


def test_five_deaths_of_the_server_lose_nothing(tmp_path: Path, undisturbed, figures):
    killed = KilledAlbum(tmp_path, QUICK_PHOTOS, seed=1)
    for moment in ("upload", "detect", "save", "done", "end"):
        killed.kill_at(moment)
    check(killed, undisturbed, tmp_path)
    figures["deaths of the server survived"] += killed.kills


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_deaths_of_the_server_lose_nothing(tmp_path, undisturbed, figures, seed: int):
    killed = KilledAlbum(tmp_path, PHOTOS, seed)
    middle = killed.random.sample(MIDDLE, 7)
    for moment in (*KILLS_AT_THE_START, *middle, *KILLS_AT_THE_END):
        killed.kill_at(moment)
    check(killed, undisturbed, tmp_path)
    figures["deaths of the server survived"] += killed.kills
