"""How smoothly 10,000 photos are scrolled, without a graphics card: `python -m tests.grid_frames`.

Prints milliseconds from frame to frame, on a machine that does nothing else, of an album whose
photos nobody restores.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import DESKTOP, portrait
from tests.browser_fixtures import ARGUMENTS, find_browser
from tests.server import Server

FOLDERS, PHOTOS = 100, 100  # in each
SCROLL = """async ([pixels, count]) => {
  const times = [];
  for (let n = 0; n < count; n += 1) {
    scrollBy(0, pixels);
    times.push(await new Promise(requestAnimationFrame));
  }
  const frames = times.slice(1).map((time, n) => time - times[n]).sort((a, b) => a - b);
  const at = (share) => Math.round(frames[Math.floor(share * (frames.length - 1))]);
  const tiles = document.querySelectorAll("#grid .cell").length;
  return `half ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(1)} ms; ${tiles} tiles exist`;
}"""


def main() -> None:
    """Make the album, scroll through it and print."""
    with tempfile.TemporaryDirectory() as temporary:
        album = Path(temporary) / "album"
        write_album(album)
        with (
            Server(Path(temporary) / "outputs", "--album-root", str(album)) as server,
            sync_playwright() as playwright,
        ):
            job = server.post("/batch-enhance", json={"paths": [str(album)]}).json()["job"]
            server.post(f"/api/jobs/{job}/cancel")
            browser = playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
            page = browser.new_page(viewport=DESKTOP)
            page.goto(f"{server.url}/jobs/{job}")
            page.wait_for_selector("#grid[aria-busy=false]", timeout=120_000)
            for words, step in (("steadily", [120, 240]), ("in leaps", [4000, 60])):
                print(f"{words}: {page.evaluate(SCROLL, step)}")
            browser.close()


def write_album(folder: Path) -> None:
    first = folder / "first.jpg"
    folder.mkdir()
    first.write_bytes(portrait(0, 160))
    for n in range(FOLDERS):
        (folder / f"{n:02}").mkdir()
        for k in range(PHOTOS):
            (folder / f"{n:02}" / f"{k:03}.jpg").hardlink_to(first)


if __name__ == "__main__":
    main()
