"""What tests/test_browser_*.py share: photos, files, restoring one, axe. See browser_fixtures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page, expect

from tests.server import ASTRONAUT, Server

AXE = Path(__file__).resolve().parent / "vendor" / "axe-core" / "axe.min.js"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
SIDEWAYS = {"width": 844, "height": 390}

OpenPage = Callable[..., Page]


def portrait(number: int = 0, side: int = 320, shrink: float = 2) -> bytes:
    """A blurred and noisy JPEG of a public-domain portrait; each number gives another one.

    shrink: how much smaller it was before it was made as large as it is.
    """
    random = np.random.default_rng(number)
    pixels = cv2.imread(str(ASTRONAUT))
    left, top = random.integers(0, 40, 2)
    pixels = pixels[top : top + 472, left : left + 472]
    small = cv2.resize(
        pixels, (round(side / shrink), round(side / shrink)), interpolation=cv2.INTER_AREA
    )
    soft = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    noisy = np.clip(soft + random.normal(0, 4, soft.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes()


def landscape(side: int = 320) -> bytes:
    """A JPEG without a face: a drawn sky over a drawn field."""
    rows = np.linspace(0, 1, side)[:, None, None]
    sky, field = np.array([230, 180, 120]), np.array([60, 140, 90])
    pixels = np.where(rows < 0.6, sky * (1 - rows / 2), field * (0.6 + rows / 2))
    pixels = np.broadcast_to(pixels, (side, side, 3)).astype(np.uint8).copy()
    cv2.circle(pixels, (side // 4 * 3, side // 4), side // 10, (200, 240, 255), -1, cv2.LINE_AA)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def upload(name: str, content: bytes, kind: str = "image/jpeg") -> dict:
    """A file for Playwright's set_input_files."""
    return {"name": name, "mimeType": kind, "buffer": content}


def album_of(number: int, side: int = 320) -> list[dict]:
    """Files of an album: portraits p00.jpg, p01.jpg, ..."""
    return [upload(f"p{n:02}.jpg", portrait(n, side)) for n in range(number)]


def wait_for_colours(page: Page) -> None:
    """Wait until they have changed to the last: halfway they have too little contrast."""
    page.wait_for_function(
        """() => !document.getAnimations().some(({ playState, effect }) =>
            playState === "running" && effect.getComputedTiming().endTime !== Infinity)"""
    )


def all_findings(page: Page) -> list[str]:
    """What axe has against the page, however little it is: "rule: element"."""
    wait_for_colours(page)
    # Through the debugger, so that the page's own policy stays as it is.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{finding['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for finding in report["violations"]
        for node in finding["nodes"]
    ]


def restore(page: Page, name: str = "Aunt Mary.jpg", number: int = 0, side: int = 320) -> None:
    """Choose a photo and wait until it can be compared."""
    page.set_input_files("#pick", [upload(name, portrait(number, side))])
    wait_until_shown(page)


def wait_until_shown(page: Page) -> None:
    expect(page.locator(".viewer")).to_have_attribute("data-loading", "no")


def wait_for_another(page: Page, *jobs: str) -> None:
    """Wait until another version of the photo is shown than those of these jobs."""
    page.wait_for_url(lambda url: not any(job in url for job in jobs))
    wait_until_shown(page)
    expect(page.locator("#rerun")).to_be_hidden()


def wait_for_options(web: Server, page: Page, **wanted: object) -> None:
    """Wait until a version of the photo is shown that was made with these options."""

    def has_them(url: str) -> bool:
        job = re.search(r"job=(\w+)", url)
        return bool(job) and wanted.items() <= web.job(job[1]).get("options", {}).items()

    page.wait_for_url(has_them)
    wait_until_shown(page)
    expect(page.locator("#rerun")).to_be_hidden()


def shown_job(page: Page) -> str:
    return re.search(r"job=(\w+)", page.url).group(1)


def report_of(web: Server, page: Page) -> dict:
    """The report of the version of the photo that is shown."""
    return web.get(f"/api/jobs/{shown_job(page)}/items/0").json()["report"]
