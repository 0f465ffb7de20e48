"""An album of thousands of small photos through the real server, watched all the way.

    python -m tests.soak.soak [--photos 2000] [--plot docs/soak.svg]

prints the figures and, where asked for, draws them. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.album import portrait
from tests.server import Server, events_of
from tests.soak.meter import Sample, measure
from tests.soak.plot import draw

WARM = 200  # photos until everything is loaded and every cache is filled
UPLOADS_AT_ONCE = 3  # as the page does
SAMPLE_EVERY = 0.5  # seconds


def soak(outputs: Path, photos: int) -> tuple[list[Sample], dict]:
    """Restore an album of so many photos; samples on the way, and the finished job."""
    with Server(outputs) as server:
        job = server.new_album([], start=False)
        with ThreadPoolExecutor(UPLOADS_AT_ONCE) as uploads:
            list(uploads.map(lambda n: _upload(server, job, n), range(photos)))
        server.post(f"/api/jobs/{job}/start").raise_for_status()
        started, sampled, samples = time.monotonic(), 0.0, []
        for event in events_of(server.watch(f"/ws/jobs/{job}")):
            now = time.monotonic() - started
            if now - sampled >= SAMPLE_EVERY or event["counts"]["done"] == photos:
                samples.append(measure(server, event["counts"]["done"], now))
                sampled = now
        return samples, server.job(job)


def growth(samples: list[Sample], quantity: str) -> float:
    """How much more a quantity is for the last photos than right after the warm-up; 0.05: 5 %."""
    last = samples[-1].photos
    early = [getattr(s, quantity) for s in samples if WARM <= s.photos < 2 * WARM]
    late = [getattr(s, quantity) for s in samples if s.photos >= last - WARM]
    return statistics.median(late) / statistics.median(early) - 1


def figures(samples: list[Sample], job: dict) -> dict:
    """What to report of a soak."""
    return {
        "photos": job["counts"]["total"],
        "done": job["counts"]["done"],
        "photos per second": round(samples[-1].photos / samples[-1].seconds, 1),
        "memory at the end, MB": round(samples[-1].memory),
        "memory growth, %": round(100 * growth(samples, "memory"), 1),
        "threads growth, %": round(100 * growth(samples, "threads"), 1),
        "open files growth, %": round(100 * growth(samples, "files"), 1),
        "database at the end, MB": round(samples[-1].database, 1),
    }


def _upload(server: Server, job: str, n: int) -> None:
    sent = server.post(
        f"/api/jobs/{job}/items",
        files={"photo": ("upload", portrait(n))},
        data={"name": f"{n // 100}/{n}.jpg"},
    )
    assert sent.status_code == 201, sent.text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as outputs:
        samples, job = soak(Path(outputs), options.photos)
    print(json.dumps(figures(samples, job), indent=2))
    if options.plot:
        options.plot.write_text(draw(samples), encoding="utf-8")


if __name__ == "__main__":
    main()
