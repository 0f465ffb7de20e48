"""Draw the README's pictures anew, docs/screenshots among them: `python -m tests.screenshots`.

A real server and a real browser; the photos are made from the public-domain portrait. The old
print is restored by the command that stands below it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import PHONE, landscape, portrait
from tests.browser_fixtures import ARGUMENTS, find_browser
from tests.server import Server

DOCS = Path(__file__).resolve().parent.parent / "docs"
FOLDER = DOCS / "screenshots"
OLD_PRINT = "restore docs/old-print.jpg --enlarge 2 --background restore --fade auto --compare"
WINDOW = {"width": 1280, "height": 800}
QUALITY = 72  # of the JPEG files: each stays below 150 kB


def main() -> None:
    """Make all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    restore_old_print()
    with (
        tempfile.TemporaryDirectory() as outputs,
        Server(Path(outputs) / "outputs") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_browser(), args=ARGUMENTS)
        draw_photo(server, browser)
        job = draw_album(server, browser)
        draw_history(server, browser)
        draw_phone(server, browser, job)
        browser.close()


def restore_old_print() -> None:
    """docs/old-print-restored.jpg: before and after in one, made smaller."""
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, "app.py", *OLD_PRINT.split(), "-o", results]
        subprocess.run(command, cwd=DOCS.parent, check=True)
        both = cv2.imread(str(Path(results) / "compare" / "old-print.jpg"))
    size = (1200, round(both.shape[0] * 1200 / both.shape[1]))
    small = cv2.resize(both, size, interpolation=cv2.INTER_AREA)
    name = DOCS / "old-print-restored.jpg"
    cv2.imwrite(str(name), small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    print(f"{name.name}: {name.stat().st_size / 1000:.0f} kB")


def draw_photo(server: Server, browser: Browser) -> None:
    page = open_page(browser, server.url)
    page.get_by_label("Very blurred or noisy").check()
    page.set_input_files(
        "#pick",
        [{"name": "portrait.jpg", "mimeType": "image/jpeg", "buffer": portrait(3, 1000, shrink=6)}],
    )
    wait_for_viewer(page)
    face = page.locator(".face").bounding_box()
    page.mouse.move(face["x"] + face["width"] / 2, face["y"] + face["height"] / 2)
    page.keyboard.down("Control")
    for _ in range(3):
        page.mouse.wheel(0, -60)
    page.keyboard.up("Control")
    page.wait_for_timeout(300)
    box = page.locator("img-comparison-slider").bounding_box()
    face = page.locator(".face").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(face["x"] + face["width"] / 2, middle, steps=5)
    page.mouse.up()
    page.mouse.move(5, 5)
    page.wait_for_timeout(400)
    save(page, "photo.jpg")


def draw_album(server: Server, browser: Browser) -> str:
    photos = [(f"Family 1974/{n:02}.jpg", portrait(n, 400)) for n in range(1, 19)]
    photos[7] = ("Family 1974/08.jpg", portrait(8)[:900])
    photos[11] = ("Family 1974/12.jpg", landscape())
    job = server.new_album(photos, start=False, background="restore", strength=85)
    page = open_page(browser, f"{server.url}/batch?job={job}")
    page.fill("#album-name", "Family 1974")
    page.click("#start")
    page.wait_for_selector("#job")
    page.locator(".cell[data-state=done]").nth(9).wait_for()
    page.click("#pause")  # so that the picture can be taken in peace
    page.wait_for_timeout(1500)
    page.click("#resume")
    page.locator(".cell[data-state=running]").first.wait_for()
    page.wait_for_timeout(300)
    save(page, "album.jpg")
    server.wait_for(job)
    return job


def draw_history(server: Server, browser: Browser) -> None:
    page = open_page(browser, f"{server.url}/jobs", color_scheme="dark")
    page.locator(".card.job").nth(1).wait_for()
    page.wait_for_timeout(800)
    save(page, "history-dark.jpg")


def draw_phone(server: Server, browser: Browser, job: str) -> None:
    page = open_page(
        browser,
        f"{server.url}/jobs/{job}#1",
        viewport=PHONE,
        locale="zh-CN",
        has_touch=True,
        is_mobile=True,
    )
    wait_for_viewer(page)
    save(page, "phone-chinese.jpg")


def open_page(browser: Browser, url: str, **options: object) -> Page:
    page = browser.new_page(**{"viewport": WINDOW, "locale": "en-GB"} | options)
    page.goto(url)
    return page


def wait_for_viewer(page: Page) -> None:
    page.locator(".viewer[data-loading=no]").wait_for()
    page.wait_for_timeout(600)


def save(page: Page, name: str) -> None:
    page.screenshot(path=FOLDER / name, type="jpeg", quality=QUALITY)
    print(f"{name}: {(FOLDER / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
